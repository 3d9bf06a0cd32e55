import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { placeholderBinaries } from '../verify/offline';
import { blocksOf } from './doc-blocks';
import { installInto, packInto, STACK } from './packed';
import { outputOf } from './run';
import { Steps } from './steps';

const README = 'stack/README.md';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-package-'));
/** The steps of somebody who writes an app with the package in an empty folder. */
const steps = new Steps();
let file: string;

beforeAll(async () => {
  file = await steps.run('npm pack', () => packInto(folder));
});
afterAll(() => {
  steps.print();
  fs.rmSync(folder, { recursive: true, force: true });
});

// With another copy of CDK, the constructs of the package would not be those of the app.
test('the package has no CDK of its own, and accepts that of the app from the documented version on', async () => {
  const text = await outputOf('tar', ['xzOf', file, 'package/package.json']);
  const { dependencies, bundleDependencies, bundledDependencies, optionalDependencies, peerDependencies } = JSON.parse(
    text,
  ) as Record<string, unknown>;
  expect([dependencies, bundleDependencies, bundledDependencies, optionalDependencies]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  const [, oldest] = /needs aws-cdk-lib (\S+) or newer/.exec(fs.readFileSync(path.join(STACK, 'README.md'), 'utf8'))!;
  expect(peerDependencies).toEqual({ 'aws-cdk-lib': `^${oldest}`, constructs: '^10.5.1' });
});

test('an app in an empty folder that installs the package is synthesised', async () => {
  const app = path.join(folder, 'app');
  fs.mkdirSync(app);
  await steps.run('npm install', () => installInto(app, file));
  fs.writeFileSync(path.join(app, 'app.ts'), blocksOf(README, 'ts')[0]!.code);
  fs.cpSync(placeholderBinaries(), path.join(app, 'target/lambda'), { recursive: true });
  const synth = ['cdk', 'synth', '--quiet', '--no-notices', '--app', 'npx tsx app.ts'];
  await steps.run('cdk synth of app.ts', () => outputOf('npx', synth, { cwd: app }));
  const template = JSON.parse(fs.readFileSync(path.join(app, 'cdk.out/Meter.template.json'), 'utf8'));
  const functions = Object.values<any>(template.Resources).filter(({ Type }) => Type === 'AWS::Lambda::Function');
  expect(functions.map(({ Properties }) => Properties.FunctionName as string).sort()).toEqual([
    'api-authorizer-dev',
    'usage-consumer-dev',
    'usage-endpoint-dev',
    'usage-reconciler-dev',
  ]);
});
