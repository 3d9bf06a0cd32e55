import * as fs from 'node:fs';
import * as path from 'node:path';
import { ROOT } from './doc-blocks';
import { outputOf } from './run';

export const STACK = path.join(ROOT, 'stack');

/** Installs the package, and the tools of a CDK app in the versions of the stack, into the folder of an app. */
export async function installInto(app: string, file: string): Promise<void> {
  const { devDependencies } = JSON.parse(fs.readFileSync(path.join(STACK, 'package.json'), 'utf8'));
  const tools = ['aws-cdk', 'aws-cdk-lib', 'constructs', 'tsx'].map((name) => `${name}@${devDependencies[name]}`);
  // The packages are in the cache of npm if those of the stack were installed on this machine.
  const words = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', file, ...tools];
  await outputOf('npm', words, { cwd: app });
}

/** What `npm pack` needs. */
const SOURCES = ['lib', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'README.md'];

/** Compiles and packs the constructs as `npm pack` does, but a copy of them, because several tests do so at the same
 * time. Returns the path of the package in the folder. */
export async function packInto(folder: string): Promise<string> {
  const work = fs.mkdtempSync(path.join(folder, 'pack-'));
  const copy = path.join(work, 'package');
  for (const name of SOURCES) fs.cpSync(path.join(STACK, name), path.join(copy, name), { recursive: true });
  fs.symlinkSync(path.join(STACK, 'node_modules'), path.join(work, 'node_modules'));
  const output = await outputOf('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: copy });
  fs.rmSync(work, { recursive: true });
  return path.join(folder, output.trim().split('\n').at(-1)!);
}
