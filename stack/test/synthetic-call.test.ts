import * as fs from 'node:fs';
import * as http from 'node:http';
import { AddressInfo } from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { templateOf } from '../verify/offline';
import { CalledApi, calledApi } from '../verify/called-api';
import { Deployment } from '../verify/deployment';
import { syntheticCall } from '../verify/synthetic-call';
import { ON_ONE_MACHINE } from '../verify/waits';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-call-'));
const METER = path.join(folder, 'meter');

/** A command `meter` that creates keys `key-LIMIT` with secrets `secret-LIMIT`, and reports one call of each. */
const SCRIPT = `#!/bin/bash
case "$1 $2" in
    'keys create') echo "{\\"api_key_id\\": \\"key-$6\\", \\"api_key\\": \\"secret-$6\\"}" ;;
    'keys delete') touch "${folder}/$3" ;;
    *) printf 'day,key,calls\\n2026-01-01,%s,1\\n' "$2" ;;
esac
`;

type Answer = [status: number, limit?: string];

/** The responses of the API to an admitted key, to one over its limit, and to an unknown one. */
interface Answers {
  readonly admitted: Answer;
  readonly overLimit: Answer;
  readonly unknown: Answer;
}

const REST: Answers = { admitted: [200, '1000'], overLimit: [403, '0'], unknown: [403, ''] };
const HTTP: Answers = { admitted: [200, '1000'], overLimit: [403], unknown: [403] };
const OWN: Answers = { admitted: [204], overLimit: [401], unknown: [401] };

let answers: Answers;
let url: string;
const paths: string[] = [];
const server = http.createServer((request, response) => {
  paths.push(request.url!);
  const key = request.headers['x-api-key'];
  const isAdmitted = key === 'secret-1000' && !fs.existsSync(path.join(folder, 'key-1000'));
  const [status, limit] = isAdmitted ? answers.admitted : key === 'secret-0' ? answers.overLimit : answers.unknown;
  response
    .writeHead(status, { ...(limit !== undefined && { 'x-ratelimit-limit': limit }), location: '/elsewhere' })
    .end();
});

beforeAll(async () => {
  fs.writeFileSync(METER, SCRIPT, { mode: 0o755 });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/orders?page=1`;
});
beforeEach(() => {
  paths.length = 0;
  for (const key of ['key-1000', 'key-0']) fs.rmSync(path.join(folder, key), { force: true });
});
afterAll(() => {
  server.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Runs the verification with an API that has these responses, and returns its lines without durations. */
async function stepsWith(given: Answers, limitHeader: CalledApi['limitHeader']): Promise<string[]> {
  answers = given;
  const waits = { ...ON_ONE_MACHINE, deletion_s: 0 };
  const lines: string[] = [];
  for await (const step of syntheticCall({
    meter: METER,
    target: ['--data', folder],
    api: { url, limitHeader },
    waitsForCount: true,
    waits,
  })) {
    lines.push(step.replace(/after \d+ s/, 'after N s'));
  }
  return lines;
}

describe('a call to', () => {
  test.each<[string, Answers, CalledApi['limitHeader'], string]>([
    ['a REST API with limit headers', REST, 'always', 'a call over its limit was denied, with the header of its limit'],
    ['an HTTP API, whose denials have no limit header', HTTP, 'if admitted', 'a call over its limit was denied'],
    ['an API without limit headers', OWN, 'never', 'a call over its limit was denied'],
  ])('%s succeeds, and calls only its URL', async (_, given, limitHeader, message) => {
    const lines = await stepsWith(given, limitHeader);
    expect(lines).toEqual([
      'created the key key-1000',
      'its call was admitted',
      'a call with a wrong key was denied',
      message,
      'the call was counted after N s',
      'the key was deleted, and its calls are denied',
    ]);
    expect(new Set(paths)).toEqual(new Set(['/orders?page=1']));
    expect(fs.readdirSync(folder)).toEqual(expect.arrayContaining(['key-0', 'key-1000']));
  });

  test.each<[string, Answers, CalledApi['limitHeader'], RegExp]>([
    [
      'a REST API whose denials have no limit header',
      HTTP,
      'always',
      /answered with 403 and X-RateLimit-Limit not set, expected 0/,
    ],
    [
      'a REST API whose denials have an empty limit header',
      { ...REST, overLimit: [403, ''] },
      'always',
      /403 and X-RateLimit-Limit not set/,
    ],
    [
      'a REST API with another limit in the header',
      { ...REST, admitted: [200, '10'] },
      'always',
      /200 and X-RateLimit-Limit 10, expected 1000/,
    ],
    [
      'an HTTP API without limit headers',
      { ...HTTP, admitted: [200] },
      'if admitted',
      /200 and X-RateLimit-Limit not set/,
    ],
    ['an API that admits every call', { ...OWN, unknown: [200] }, 'never', /answered with 200, expected 403 or 401/],
    ['an API that does not enforce limits', { ...OWN, overLimit: [204] }, 'never', /answered with 204, expected 403/],
    ['an API that redirects', { ...OWN, admitted: [302] }, 'never', /answered with 302, expected a status of 2xx/],
  ])('%s fails, and its key is deleted', async (_, given, limitHeader, message) => {
    await expect(stepsWith(given, limitHeader)).rejects.toThrow(message);
    expect(fs.readdirSync(folder)).toContain('key-1000');
    expect(paths).not.toContain('/elsewhere');
  });

  test('a URL without a server fails with the URL', async () => {
    const closed = http.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const gone = { url: `http://127.0.0.1:${(closed.address() as AddressInfo).port}/`, limitHeader: 'never' } as const;
    await new Promise((resolve) => closed.close(resolve));
    const call = syntheticCall({ meter: METER, target: [], api: gone, waitsForCount: true, waits: ON_ONE_MACHINE });
    await expect(
      (async () => {
        for await (const _ of call);
      })(),
    ).rejects.toThrow(`${gone.url} cannot be called: connect ECONNREFUSED`);
  });
});

describe('the called API', () => {
  /** Returns a deployment with the outputs and functions of a template. */
  function deployed(template: Template): Deployment {
    const resources = Object.entries<Record<string, any>>(template.toJSON().Resources).map(
      ([logicalId, { Type, Properties }]) => ({
        logicalId,
        type: Type as string,
        path: logicalId,
        physicalId: logicalId,
        properties: Properties ?? {},
      }),
    );
    const outputs = Object.fromEntries(
      Object.keys(template.findOutputs('*')).map((name) => [name, 'https://example.org/test/']),
    );
    return { name: 'UsageMeter-test', account: { accountId: '1', region: 'r', partition: 'aws' }, resources, outputs };
  }

  const STATUS = 'https://example.org/test/status/200';
  const PING = 'https://api.example.org/ping';
  test.each<[string, Record<string, string>, CalledApi | undefined]>([
    ['a REST API as the example', {}, { url: STATUS, limitHeader: 'always' }],
    ['an HTTP API as the example', { example: 'http' }, { url: STATUS, limitHeader: 'if admitted' }],
    ['the URL of the canary', { example: 'none', 'canary-url': PING }, { url: PING, limitHeader: 'never' }],
    ['undefined if there is neither', { example: 'none' }, undefined],
  ])('is %s', (_, context, api) => {
    expect(calledApi(deployed(templateOf('test', context)))).toEqual(api);
  });

  test('is the given URL, with precedence', () => {
    expect(calledApi(deployed(templateOf('test')), 'https://api.example.org/orders')).toEqual({
      url: 'https://api.example.org/orders',
      limitHeader: 'never',
    });
  });
});
