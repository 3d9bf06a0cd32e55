import { ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';

const PROGRAM = path.join(__dirname, '../../../target/venv/bin/ministack');

/** Ports from this one on are given to connections and to servers that listen on port 0 (Linux). */
const EPHEMERAL = 32768;

/**
 * Returns an unused port. The emulator listens on it seconds later, so it is none that the system gives to
 * another process meanwhile.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = EPHEMERAL - 1 - Math.floor(Math.random() * 16384);
    const server = net.createServer().listen(port, '127.0.0.1');
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('listening', () => resolve(true)).once('error', () => resolve(false));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** ministack, an emulator of AWS that runs functions as processes. */
export class Ministack {
  private constructor(
    readonly endpoint: string,
    private readonly child: ChildProcess,
  ) {}

  /** Starts the emulator on loopback, with its files in a folder. */
  static async start(folder: string): Promise<Ministack> {
    const port = await freePort();
    const endpoint = `http://127.0.0.1:${port}`;
    const log = fs.openSync(path.join(folder, 'ministack.log'), 'w');
    const environment = {
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      MINISTACK_HOST: '127.0.0.1',
      // The endpoint of the functions that it runs.
      AWS_ENDPOINT_URL: endpoint,
      TMPDIR: folder,
    };
    const child = spawn(PROGRAM, [], { env: { ...process.env, ...environment }, stdio: ['ignore', log, log] });
    let failure: Error | undefined;
    child.on('error', (error) => (failure = error));
    while (
      !(await fetch(`${endpoint}/_ministack/health`).then(
        (reply) => reply.ok,
        () => false,
      ))
    ) {
      if (failure !== undefined || child.exitCode !== null) {
        throw new Error(
          `ministack does not start: ${failure?.message ?? fs.readFileSync(path.join(folder, 'ministack.log'), 'utf8')}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return new Ministack(endpoint, child);
  }

  /** Directs all AWS clients of this process and its children to the emulator. */
  useAsAws(): void {
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: this.endpoint,
      AWS_REGION: 'us-east-1',
      // The AWS CLI of version 1 reads this one.
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      NODE_NO_WARNINGS: '1',
    });
  }

  /** Returns the URL of a stage of a REST API. */
  apiUrl(apiId: string, stage: string): string {
    return `${this.endpoint}/restapis/${apiId}/${stage}/_user_request_`;
  }

  /** Returns the URL of a stage of an HTTP API. */
  httpApiUrl(apiId: string, stage: string): string {
    return `${this.endpoint}/_aws/execute-api/${apiId}/${stage}`;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
  }
}
