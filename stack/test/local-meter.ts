import { ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { outputOf } from './run';

const ROOT = path.join(__dirname, '../..');
const METER = path.join(ROOT, 'target/debug/meter');

/** A local stack in a temporary folder. */
export class LocalMeter {
  private constructor(
    readonly folder: string,
    private readonly command: string,
    private readonly child: ChildProcess,
  ) {}

  static start(...words: string[]): Promise<LocalMeter> {
    return LocalMeter.startWith(METER, ...words);
  }

  /** Starts the local stack of a command `meter`, with the functions beside it. */
  static async startWith(command: string, ...words: string[]): Promise<LocalMeter> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-local-'));
    const child = spawn(command, ['local', '--data', path.join(folder, 'data'), ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((resolve, reject) => {
      let output = '';
      child.stdout.on('data', (text) => {
        output += text;
        if (output.includes('Stop it with')) resolve();
      });
      child.once('exit', () => reject(new Error(`meter local has ended: ${output}`)));
    });
    return new LocalMeter(folder, command, child);
  }

  get data(): string {
    return path.join(this.folder, 'data');
  }

  /** Returns the URLs of the parts of the stack. */
  endpoints(): Record<'gateway' | 'dashboard' | 'portal' | 'aws_endpoint_url', string> {
    return JSON.parse(fs.readFileSync(path.join(this.data, 'endpoints.json'), 'utf8'));
  }

  /** Runs a command of `meter` on this stack and returns its output. Other tests go on meanwhile. */
  meter(...words: string[]): Promise<string> {
    return outputOf(this.command, [...words, '--data', this.data]);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      const ended = new Promise((resolve) => this.child.once('exit', resolve));
      this.child.kill('SIGTERM');
      await ended;
    }
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
