import { expect, test } from 'vitest';
import { documents } from './doc-tables';

test('the tables of the documents are those of the stack', () => {
  for (const [file, { is, should }] of documents()) {
    expect(is === should, `write the tables of ${file} again with cargo run -p dev -- generate`).toBe(true);
  }
});
