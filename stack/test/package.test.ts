import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ROOT } from './doc-blocks';

const STACK = path.join(ROOT, 'stack');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-package-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** The package.json of the package that users install. */
function packed(): Record<string, unknown> {
  // Without its scripts, which compile: other tests read what they write.
  const words = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const file = execFileSync('npm', words, { cwd: STACK, encoding: 'utf8' }).trim();
  return JSON.parse(
    execFileSync('tar', ['xzOf', path.join(folder, file), 'package/package.json'], { encoding: 'utf8' }),
  );
}

// With a CDK of its own, the constructs of the package would not be those of the app.
test('the package brings no CDK, and takes that of the app from the version on that its documentation names', () => {
  const { dependencies, bundleDependencies, bundledDependencies, optionalDependencies, peerDependencies } = packed();
  expect([dependencies, bundleDependencies, bundledDependencies, optionalDependencies]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  const [, oldest] = /needs aws-cdk-lib (\S+) or newer/.exec(fs.readFileSync(path.join(STACK, 'README.md'), 'utf8'))!;
  expect(peerDependencies).toEqual({ 'aws-cdk-lib': `^${oldest}`, constructs: '^10.5.1' });
});
