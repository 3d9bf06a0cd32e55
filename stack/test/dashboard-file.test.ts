import * as fs from 'node:fs';
import * as path from 'node:path';
import { expect, test } from 'vitest';
import { dashboardFile } from './dashboard-file';

const FILE = path.join(__dirname, '../../crates/local-stack/src/dashboard/dashboard.json');

test('the program draws the dashboard that is deployed', () => {
  const said = 'write it again with scripts/generate-stack-files.sh';
  expect(fs.readFileSync(FILE, 'utf8') === dashboardFile(), said).toBe(true);
});
