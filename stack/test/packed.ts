import * as fs from 'node:fs';
import * as path from 'node:path';
import { ROOT } from './doc-blocks';
import { outputOf } from './run';

export const STACK = path.join(ROOT, 'stack');

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
