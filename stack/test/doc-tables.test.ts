import { expect, test } from 'vitest';
import { documents } from './doc-tables';

test('the tables of the documents match the stack', () => {
  for (const [file, { present, expected }] of documents()) {
    expect(present === expected, `generate the tables of ${file} with cargo run -p dev -- generate`).toBe(true);
  }
});
