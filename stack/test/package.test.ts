import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ROOT } from './doc-blocks';
import { outputOf } from './run';

const STACK = path.join(ROOT, 'stack');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-package-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Returns the package.json of the packed package. */
async function packed(): Promise<Record<string, unknown>> {
  // The scripts of the package write files that other tests read.
  const words = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const file = (await outputOf('npm', words, { cwd: STACK })).trim();
  return JSON.parse(await outputOf('tar', ['xzOf', path.join(folder, file), 'package/package.json']));
}

// With another copy of CDK, the constructs of the package would not be those of the app.
test('the package has no CDK of its own, and accepts that of the app from the documented version on', async () => {
  const { dependencies, bundleDependencies, bundledDependencies, optionalDependencies, peerDependencies } =
    await packed();
  expect([dependencies, bundleDependencies, bundledDependencies, optionalDependencies]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  const [, oldest] = /needs aws-cdk-lib (\S+) or newer/.exec(fs.readFileSync(path.join(STACK, 'README.md'), 'utf8'))!;
  expect(peerDependencies).toEqual({ 'aws-cdk-lib': `^${oldest}`, constructs: '^10.5.1' });
});
