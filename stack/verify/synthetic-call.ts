import { execFileSync } from 'node:child_process';
import { CalledApi } from './called-api';
import { Waits, waitFor } from './waits';

/** The month's limit of the key that is made, which its answers have to tell. */
const LIMIT = 1_000;

/** How much is shown of an answer that was not expected, in characters. */
const LONGEST_BODY = 500;

export interface SyntheticCall {
  /** The command `meter`. */
  readonly meter: string;
  /** Its choice of a system: `--aws ENVIRONMENT` or `--data FOLDER`. */
  readonly target: string[];
  readonly api: CalledApi;
  /** Whether to wait until the call is counted. */
  readonly waitsForCount: boolean;
  readonly waits: Waits;
}

/** An answer as it is wanted. */
interface Wanted {
  readonly words: string;
  readonly isMet: (status: number) => boolean;
}

const ADMITTED: Wanted = { words: 'a status of 2xx', isMet: (status) => status >= 200 && status < 300 };
/** API Gateway answers 403 to whom an authorizer denies; an API may answer 401 instead. */
const DENIED: Wanted = { words: '403, or 401,', isMet: (status) => status === 403 || status === 401 };

type Meter = (...words: string[]) => string;

/** Makes a key, calls with it, waits until the call is counted, deletes the key and sees it stopped. Yields what was seen, step by step. */
export async function* syntheticCall(call: SyntheticCall): AsyncGenerator<string> {
  const meter: Meter = (...words) => execFileSync(call.meter, [...words, ...call.target], { encoding: 'utf8' });
  const { keyId, secret } = newKey(meter, LIMIT);
  let isDeleted = false;
  try {
    yield `made the key ${keyId}`;
    const admitted = yield* answer(call, secret, ADMITTED, 0);
    if (call.api.tellsLimit !== 'never') checkLimitHeader(admitted, LIMIT);
    yield 'its call was admitted';
    yield* answer(call, `${secret}x`, DENIED, 0);
    yield 'a call with a wrong key was denied';
    yield* overLimit(call, meter);
    if (call.waitsForCount) {
      yield `the call was counted after ${yield* waitForCount(call, () => meter('usage', keyId, '--csv'))} s`;
    }
    meter('keys', 'delete', keyId);
    isDeleted = true;
    yield* answer(call, secret, DENIED, call.waits.deletion_s);
    yield 'the key was deleted, and its calls are denied';
  } finally {
    if (!isDeleted) meter('keys', 'delete', keyId);
  }
}

function newKey(meter: Meter, limit: number): { keyId: string; secret: string } {
  const said = meter('keys', 'create', '--owner', 'verification', '--monthly-limit', String(limit), '--json');
  const { api_key_id: keyId, api_key: secret } = JSON.parse(said) as { api_key_id: string; api_key: string };
  return { keyId, secret };
}

/** A key that may not be used at all: its call is denied, and tells its limit where a denial can. */
async function* overLimit(call: SyntheticCall, meter: Meter): AsyncGenerator<string> {
  const { keyId, secret } = newKey(meter, 0);
  const tells = call.api.tellsLimit === 'always';
  try {
    const denied = yield* answer(call, secret, DENIED, 0);
    if (tells) checkLimitHeader(denied, 0);
    yield `a call over its limit was denied${tells ? ', with the header of its limit' : ''}`;
  } finally {
    meter('keys', 'delete', keyId);
  }
}

function checkLimitHeader(response: Response, limit: number): void {
  const told = limitTold(response);
  if (told !== String(limit)) {
    throw new Error(
      `a call was answered with ${response.status} and X-RateLimit-Limit ${told ?? 'not set'}, and ${limit} was expected`,
    );
  }
}

/** The limit that an answer tells. Whether API Gateway leaves a header out or empty, whose value the authorizer did not
 * give, is documented nowhere: either says that no limit is known. */
function limitTold(response: Response): string | undefined {
  return response.headers.get('x-ratelimit-limit') || undefined;
}

/** Calls until the answer is as wanted, at most so many seconds long. */
async function* answer(
  call: SyntheticCall,
  secret: string,
  wanted: Wanted,
  limit_s: number,
): AsyncGenerator<string, Response> {
  let last: Response | undefined;
  const { found } = yield* waitFor(`waiting for ${wanted.words}`, limit_s, call.waits, async () => {
    last = await get(call.api.url, secret);
    return wanted.isMet(last.status) ? last : undefined;
  });
  if (found === undefined) {
    throw new Error(
      `a call was answered with ${last!.status}, and ${wanted.words} was expected: ${(await last!.text()).slice(0, LONGEST_BODY)}`,
    );
  }
  return found;
}

/** Makes one call: a redirection that is followed would be another. */
async function get(url: string, secret: string): Promise<Response> {
  return fetch(url, { headers: { 'x-api-key': secret }, redirect: 'manual' }).catch((error: Error) => {
    throw new Error(`${url} cannot be called: ${(error.cause as Error | undefined)?.message ?? error.message}`);
  });
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
