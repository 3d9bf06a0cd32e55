import { expect, test } from 'vitest';
import { documents } from './doc-tables';

test('the tables of the documents match the stack', () => {
  for (const [file, { is, should }] of documents()) {
    expect(is === should, `generate the tables of ${file} with cargo run -p dev -- generate`).toBe(true);
  }
});
