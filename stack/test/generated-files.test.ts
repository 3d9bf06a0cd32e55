import * as fs from 'node:fs';
import * as path from 'node:path';
import { expect, test } from 'vitest';
import { templateOf } from '../verify/offline';
import { alarmsFile } from './alarms-file';
import { dashboardFile } from './dashboard-file';
import { freeSettingsFile } from './free-settings-file';

const FOLDER = path.join(__dirname, '../../crates/deployment/src');
const REMEDY = 'run cargo run -p dev -- generate';

test.each([
  ['dashboard.json', dashboardFile],
  ['alarms.json', alarmsFile],
])('the local stack has the deployed %s', (name, make) => {
  expect(fs.readFileSync(path.join(FOLDER, name), 'utf8') === make(), REMEDY).toBe(true);
});

test('the interfaces of free settings are those of the functions', () => {
  const file = path.join(__dirname, '../lib/generated/free-settings.ts');
  expect(fs.readFileSync(file, 'utf8') === freeSettingsFile(), REMEDY).toBe(true);
});

test.each([
  ['arm64', 'gb_second'],
  ['x86_64', 'gb_second_x86_64'],
])('the price of a millisecond on %s is that of the cost model', (architecture, price) => {
  const prices = fs.readFileSync(path.join(__dirname, '../../crates/cost-model/src/prices.rs'), 'utf8');
  const perGbSecond = Number(new RegExp(`\\b${price}: ([\\d._]+),`).exec(prices)![1]!.replaceAll('_', ''));
  const body = JSON.stringify(templateOf('test', { architecture }).findResources('AWS::CloudWatch::Dashboard'));
  const perMillion = Number(/([\d.]+) \* \(counting \+ deciding\)/.exec(body)![1]);
  // Functions have 256 MiB.
  expect(perMillion).toBeCloseTo((perGbSecond / 4 / 1_000) * 1e6, 6);
});
