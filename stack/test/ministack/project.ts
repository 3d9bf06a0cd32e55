import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { Ended, run } from '../run';
import { NOT_STORED } from './gaps';

const ROOT = path.join(__dirname, '../../..');

/** A repository with the present files of this project, without settings that the emulator does not store. It shares the
 * tools and builds. */
export class Project {
  constructor(readonly folder: string) {
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
    for (const file of listed
      .toString()
      .split('\0')
      .filter((name) => name !== '' && fs.existsSync(path.join(ROOT, name)))) {
      fs.cpSync(path.join(ROOT, file), path.join(folder, file));
    }
    fs.symlinkSync(path.join(ROOT, 'stack/node_modules'), path.join(folder, 'stack/node_modules'));
    fs.symlinkSync(path.join(ROOT, 'target'), path.join(folder, 'target'));
    // A separate output folder lets concurrent tests synthesise at the same time.
    this.edit('stack/cdk.json', '"../target/cdk.out"', JSON.stringify(path.join(folder, '../cdk.out')));
    NOT_STORED.forEach(({ file, text }) => this.edit(file, text, ''));
    this.git('init', '--quiet');
    this.commit('the first version');
  }

  git(...words: string[]): string {
    const author = ['-c', 'user.name=test', '-c', 'user.email=test@localhost'];
    return execFileSync('git', [...author, ...words], { cwd: this.folder, encoding: 'utf8' });
  }

  commit(message: string): void {
    this.git('add', '--all');
    this.git('commit', '--quiet', '--message', message);
  }

  /** Replaces text in a file. */
  edit(file: string, from: string, to: string): void {
    const at = path.join(this.folder, file);
    const text = fs.readFileSync(at, 'utf8');
    if (!text.includes(from)) throw new Error(`${file} does not contain ${from}`);
    fs.writeFileSync(at, text.replace(from, to));
  }

  /** Runs a script of the project. */
  run(script: string, words: string[], variables: Record<string, string> = {}): Promise<Ended> {
    const env = { ...process.env, METER: path.join(ROOT, 'target/debug/meter'), ...variables };
    return run(path.join(this.folder, 'scripts', script), words, { env });
  }
}
