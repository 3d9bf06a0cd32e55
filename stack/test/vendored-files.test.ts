import * as path from 'node:path';
import { expect, test } from 'vitest';
import { pageBundle } from './page-bundle';
import { vendoredFiles } from './vendored-files';

const REMEDY = 'run cargo run -p dev -- generate';

test.each([...vendoredFiles()])('the file %s is that of the pinned npm package', (file, { present, expected }) => {
  expect(present === expected, `${path.basename(file)}: ${REMEDY}`).toBe(true);
});

test('the script of the usage page is made of its modules', async () => {
  const { present, expected } = await pageBundle();
  expect(present === expected, REMEDY).toBe(true);
});
