import { execFileSync } from 'node:child_process';

/** How long usage may take to show up, in seconds. */
const FRESHNESS_LIMIT_S = 60;
/** How long a deleted key may be seen to be admitted here: the interval of one second, and the way of a call. */
const DELETION_LIMIT_S = 5;
const POLL_MS = 500;

export interface SyntheticCall {
  /** The command `meter`. */
  readonly meter: string;
  /** Its choice of a system: `--aws ENVIRONMENT` or `--data FOLDER`. */
  readonly target: string[];
  readonly apiUrl: string;
  /** Whether to wait until the call is counted. */
  readonly waitsForCount: boolean;
}

/** Makes a key, calls with it, waits until the call is counted, deletes the key and sees it stopped. Yields what was seen, step by step. */
export async function* syntheticCall(call: SyntheticCall): AsyncGenerator<string> {
  const meter = (...words: string[]) => execFileSync(call.meter, [...words, ...call.target], { encoding: 'utf8' });
  const { apiKeyId, apiKey } = JSON.parse(meter('keys', 'create', '--owner', 'verification', '--json')) as Record<string, string>;
  let isDeleted = false;
  try {
    yield `made the key ${apiKeyId}`;
    await expectStatus(call.apiUrl, apiKey!, 200, 0);
    yield 'its call was admitted';
    await expectStatus(call.apiUrl, `${apiKey}x`, 403, 0);
    yield 'a call with a wrong key was denied';
    if (call.waitsForCount) {
      yield `the call was counted after ${await waitForCount(() => meter('usage', apiKeyId!, '--csv'))} s`;
    }
    meter('keys', 'delete', apiKeyId!);
    isDeleted = true;
    await expectStatus(call.apiUrl, apiKey!, 403, DELETION_LIMIT_S);
    yield 'the key was deleted, and its calls are denied';
  } finally {
    if (!isDeleted) meter('keys', 'delete', apiKeyId!);
  }
}

/** Calls until the status is as wanted, at most so many seconds long. */
async function expectStatus(apiUrl: string, apiKey: string, wanted: number, limit_s: number): Promise<void> {
  const ends = performance.now() + limit_s * 1_000;
  for (;;) {
    const response = await fetch(`${apiUrl.replace(/\/$/, '')}/status/200`, { headers: { 'x-api-key': apiKey } });
    if (response.status === wanted) return;
    if (performance.now() >= ends) {
      throw new Error(`a call was answered with ${response.status}, and ${wanted} was expected: ${await response.text()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Waits for the one call; returns how many seconds that took. */
async function waitForCount(usage: () => string): Promise<number> {
  const started = performance.now();
  const elapsed_s = () => Math.round((performance.now() - started) / 1_000);
  for (;;) {
    const rows = usage().trim().split('\n').slice(1);
    const calls = rows.reduce((sum, row) => sum + Number(row.split(',')[2]), 0);
    if (calls === 1) return elapsed_s();
    if (calls > 1) throw new Error(`one call was counted as ${calls}`);
    if (elapsed_s() >= FRESHNESS_LIMIT_S) {
      throw new Error(`the call was not counted within ${FRESHNESS_LIMIT_S} s; see docs/runbooks/freshness.md`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
