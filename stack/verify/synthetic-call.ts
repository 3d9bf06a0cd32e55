import { execFileSync } from 'node:child_process';
import { Waits, waitFor } from './waits';

/** The month's limit of the key that is made, which its answers have to tell. */
const LIMIT = 1_000;

export interface SyntheticCall {
  /** The command `meter`. */
  readonly meter: string;
  /** Its choice of a system: `--aws ENVIRONMENT` or `--data FOLDER`. */
  readonly target: string[];
  readonly apiUrl: string;
  /** Whether to wait until the call is counted. */
  readonly waitsForCount: boolean;
  /** Whether the API answers as the example does: with the headers of a limit, also where it denies a call. */
  readonly hasLimitHeaders: boolean;
  readonly waits: Waits;
}

type Meter = (...words: string[]) => string;

/** Makes a key, calls with it, waits until the call is counted, deletes the key and sees it stopped. Yields what was seen, step by step. */
export async function* syntheticCall(call: SyntheticCall): AsyncGenerator<string> {
  const meter: Meter = (...words) => execFileSync(call.meter, [...words, ...call.target], { encoding: 'utf8' });
  const { apiKeyId, apiKey } = newKey(meter, LIMIT);
  let isDeleted = false;
  try {
    yield `made the key ${apiKeyId}`;
    const admitted = yield* statusBecomes(call, apiKey, 200, 0);
    if (call.hasLimitHeaders) checkLimitHeader(admitted, LIMIT);
    yield 'its call was admitted';
    yield* statusBecomes(call, `${apiKey}x`, 403, 0);
    yield 'a call with a wrong key was denied';
    if (call.hasLimitHeaders) {
      yield* limitIsTold(call, meter);
    }
    if (call.waitsForCount) {
      yield `the call was counted after ${yield* waitForCount(call, () => meter('usage', apiKeyId, '--csv'))} s`;
    }
    meter('keys', 'delete', apiKeyId);
    isDeleted = true;
    yield* statusBecomes(call, apiKey, 403, call.waits.deletion_s);
    yield 'the key was deleted, and its calls are denied';
  } finally {
    if (!isDeleted) meter('keys', 'delete', apiKeyId);
  }
}

function newKey(meter: Meter, limit: number): { apiKeyId: string; apiKey: string } {
  const said = meter('keys', 'create', '--owner', 'verification', '--monthly-limit', String(limit), '--json');
  return JSON.parse(said) as { apiKeyId: string; apiKey: string };
}

/** A key that may not be used at all: its denial tells its limit. */
async function* limitIsTold(call: SyntheticCall, meter: Meter): AsyncGenerator<string> {
  const { apiKeyId, apiKey } = newKey(meter, 0);
  try {
    checkLimitHeader(yield* statusBecomes(call, apiKey, 403, 0), 0);
    yield 'a call over its limit was denied, with the headers of its limit';
  } finally {
    meter('keys', 'delete', apiKeyId);
  }
}

function checkLimitHeader(response: Response, limit: number): void {
  const told = response.headers.get('x-ratelimit-limit');
  if (told !== String(limit)) {
    throw new Error(`a call was answered with ${response.status} and X-RateLimit-Limit ${told ?? 'not set'}, and ${limit} was expected`);
  }
}

/** Calls until the status is as wanted, at most so many seconds long. */
async function* statusBecomes(call: SyntheticCall, apiKey: string, wanted: number, limit_s: number): AsyncGenerator<string, Response> {
  let last: Response | undefined;
  const { found } = yield* waitFor(`waiting for ${wanted}`, limit_s, call.waits, async () => {
    last = await fetch(`${call.apiUrl.replace(/\/$/, '')}/status/200`, { headers: { 'x-api-key': apiKey } });
    return last.status === wanted ? last : undefined;
  });
  if (found === undefined) {
    throw new Error(`a call was answered with ${last!.status}, and ${wanted} was expected: ${await last!.text()}`);
  }
  return found;
}

/** Waits for the one call; returns how many seconds that took. */
async function* waitForCount({ waits }: SyntheticCall, usage: () => string): AsyncGenerator<string, number> {
  const { found, waited_s } = yield* waitFor('the call is not counted', waits.count_s, waits, () => {
    const rows = usage().trim().split('\n').slice(1);
    const calls = rows.reduce((sum, row) => sum + Number(row.split(',')[2]), 0);
    return calls === 0 ? undefined : calls;
  });
  if (found === undefined) {
    throw new Error(`the call was not counted within ${waits.count_s} s; see docs/runbooks/freshness.md`);
  }
  if (found > 1) throw new Error(`one call was counted as ${found}`);
  return waited_s;
}
