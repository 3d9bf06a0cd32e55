import { execFileSync } from 'node:child_process';
import { CalledApi } from './called-api';
import { Waits, waitFor } from './waits';

/** The monthly limit of the created key, which responses have to contain. */
const LIMIT = 1_000;

/** The maximum number of characters of an unexpected response that are printed. */
const LONGEST_BODY = 500;

export interface SyntheticCall {
  /** The path of the command `meter`. */
  readonly meter: string;
  /** Its arguments for the system: `--aws ENVIRONMENT` or `--data FOLDER`. */
  readonly target: string[];
  readonly api: CalledApi;
  /** `true` to wait until the call is counted. */
  readonly waitsForCount: boolean;
  readonly waits: Waits;
}

/** An expected response. */
interface Expected {
  readonly description: string;
  readonly isMet: (status: number) => boolean;
}

const ADMITTED: Expected = { description: 'a status of 2xx', isMet: (status) => status >= 200 && status < 300 };
/** API Gateway answers 403 to denied calls. An API may answer 401 instead. */
const DENIED: Expected = { description: '403 or 401', isMet: (status) => status === 403 || status === 401 };

type Meter = (...words: string[]) => string;

/** Creates a key, calls the API with it, waits until the call is counted, deletes the key, and checks that its calls are
 * denied. Yields a line for each step. */
export async function* syntheticCall(call: SyntheticCall): AsyncGenerator<string> {
  const meter: Meter = (...words) => execFileSync(call.meter, [...words, ...call.target], { encoding: 'utf8' });
  const { keyId, secret } = newKey(meter, LIMIT);
  let isDeleted = false;
  try {
    yield `created the key ${keyId}`;
    const admitted = yield* responseTo(call, secret, ADMITTED, 0);
    if (call.api.limitHeader !== 'never') checkLimitHeader(admitted, LIMIT);
    yield 'its call was admitted';
    yield* responseTo(call, `${secret}x`, DENIED, 0);
    yield 'a call with a wrong key was denied';
    yield* overLimit(call, meter);
    if (call.waitsForCount) {
      yield `the call was counted after ${yield* waitForCount(call, () => meter('usage', keyId, '--csv'))} s`;
    }
    meter('keys', 'delete', keyId);
    isDeleted = true;
    yield* responseTo(call, secret, DENIED, call.waits.deletion_s);
    yield 'the key was deleted, and its calls are denied';
  } finally {
    if (!isDeleted) meter('keys', 'delete', keyId);
  }
}

function newKey(meter: Meter, limit: number): { keyId: string; secret: string } {
  const json = meter('keys', 'create', '--owner', 'verification', '--monthly-limit', String(limit), '--json');
  const { api_key_id: keyId, api_key: secret } = JSON.parse(json) as { api_key_id: string; api_key: string };
  return { keyId, secret };
}

/** Checks that the call of a key with the limit 0 is denied, with the limit in a header if denials have it. */
async function* overLimit(call: SyntheticCall, meter: Meter): AsyncGenerator<string> {
  const { keyId, secret } = newKey(meter, 0);
  const hasHeader = call.api.limitHeader === 'always';
  try {
    const denied = yield* responseTo(call, secret, DENIED, 0);
    if (hasHeader) checkLimitHeader(denied, 0);
    yield `a call over its limit was denied${hasHeader ? ', with the header of its limit' : ''}`;
  } finally {
    meter('keys', 'delete', keyId);
  }
}

function checkLimitHeader(response: Response, limit: number): void {
  const found = limitOf(response);
  if (found !== String(limit)) {
    throw new Error(
      `a call was answered with ${response.status} and X-RateLimit-Limit ${found ?? 'not set'}, expected ${limit}`,
    );
  }
}

/** Returns the limit in a response, if any. AWS does not document whether API Gateway omits a header without a value or
 * leaves it empty. Both mean that there is no limit. */
function limitOf(response: Response): string | undefined {
  return response.headers.get('x-ratelimit-limit') || undefined;
}

/** Calls until the response is the expected one, for at most `limit_s` seconds. */
async function* responseTo(
  call: SyntheticCall,
  secret: string,
  expected: Expected,
  limit_s: number,
): AsyncGenerator<string, Response> {
  let last: Response | undefined;
  const { found } = yield* waitFor(`waiting for ${expected.description}`, limit_s, call.waits, async () => {
    last = await get(call.api.url, secret);
    return expected.isMet(last.status) ? last : undefined;
  });
  if (found === undefined) {
    throw new Error(
      `a call was answered with ${last!.status}, expected ${expected.description}: ${(await last!.text()).slice(0, LONGEST_BODY)}`,
    );
  }
  return found;
}

/** Makes one call. It does not follow a redirection, which would be another call. */
async function get(url: string, secret: string): Promise<Response> {
  return fetch(url, { headers: { 'x-api-key': secret }, redirect: 'manual' }).catch((error: Error) => {
    throw new Error(`${url} cannot be called: ${(error.cause as Error | undefined)?.message ?? error.message}`);
  });
}

/** Waits until the call is counted and returns the seconds that this took. */
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
