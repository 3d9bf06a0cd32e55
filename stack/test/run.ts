import { spawn, SpawnOptions } from 'node:child_process';

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
  /** Both streams, in the order in which they were written. */
  output: string;
}

/** Runs a program until it ends. It is asynchronous because the test runner fails if a worker does not answer for a
 * minute. */
export async function run(
  command: string,
  words: string[],
  options: Pick<SpawnOptions, 'cwd' | 'env'> = {},
): Promise<Ended> {
  const child = spawn(command, words, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const written = { stdout: '', stderr: '', output: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      written[stream] += text;
      written.output += text;
    });
  }
  const status = await new Promise<number | null>((resolve, reject) =>
    child.once('close', resolve).once('error', reject),
  );
  return { status, ...written };
}

/** Runs a program and returns its standard output. Throws an error with all of its output if it fails. */
export async function outputOf(...program: Parameters<typeof run>): Promise<string> {
  const { status, stdout, output } = await run(...program);
  if (status !== 0) throw new Error(`${program[0]} ${program[1].join(' ')} ended with ${status}: ${output}`);
  return stdout;
}
