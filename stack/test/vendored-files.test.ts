import * as path from 'node:path';
import { expect, test } from 'vitest';
import { vendoredFiles } from './vendored-files';

test.each([...vendoredFiles()])('the file %s is that of the pinned npm package', (file, { present, expected }) => {
  const remedy = `${path.basename(file)}: run cargo run -p dev -- generate`;
  expect(present === expected, remedy).toBe(true);
});
