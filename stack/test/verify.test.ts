import { CloudWatchClient, MetricAlarm } from '@aws-sdk/client-cloudwatch';
import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { LIMITS } from '../lib/limits';
import { alarm } from '../verify/checks/watching';
import { metricsArrived } from '../verify/metrics-arrived';
import { Resolver } from '../verify/resolver';
import { line, verify } from '../verify/verify';
import { limitedTo, ON_AWS, quietly, waitFor, Waits } from '../verify/waits';

/** Polls without delay, and prints progress each time. */
const SHORT: Waits = { ...limitedTo(0.6, ON_AWS), poll_ms: 1, progress_s: 0 };

async function all<T>(steps: AsyncGenerator<string, T>): Promise<{ lines: string[]; value: T }> {
  const lines: string[] = [];
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return { lines, value };
    lines.push(value);
  }
}

describe('waiting', () => {
  test('ends with a value, and prints progress', async () => {
    let polls = 0;
    const { lines, value } = await all(
      waitFor('nothing is there', 60, SHORT, () => (++polls === 3 ? 'it' : undefined)),
    );
    expect([polls, value.found]).toEqual([3, 'it']);
    expect(lines[0]).toMatch(/^\.\.\. nothing is there after \d+ s of at most 60 s$/);
  });

  test('ends at the time limit', async () => {
    expect((await all(waitFor('nothing', 0, SHORT, () => undefined))).value.found).toBeUndefined();
  });

  test('is long enough for a subscription on AWS', () => {
    expect([ON_AWS.count_s, ON_AWS.evaluation_s, ON_AWS.metrics_s].every((wait_s) => wait_s >= 600)).toBe(true);
  });
});

describe('the metrics of the functions', () => {
  test('are waited for', async () => {
    const looks = [[], ['api-authorizer/Allowed'], ['usage-consumer/BillableCalls', 'api-authorizer/Allowed']];
    const { lines } = await all(metricsArrived(async () => looks.shift()!, { ...SHORT, metrics_s: 60 }));
    expect(lines.at(-1)).toBe('the metrics of its functions are in CloudWatch');
    expect(looks).toEqual([]);
  });

  test('are named if they do not arrive', async () => {
    const never = quietly(metricsArrived(async () => ['api-authorizer/Allowed'], { ...SHORT, metrics_s: 0 }));
    await expect(never).rejects.toThrow(/no value of usage-consumer\/BillableCalls arrived in CloudWatch/);
  });
});

describe('a template', () => {
  const resolve = (partition: string) =>
    new Resolver({ Resources: {} }, new Map(), { accountId: '1', region: 'r', partition }).resolve({
      Ref: 'AWS::URLSuffix',
    });

  test('is resolved with the URL suffix of its partition', () => {
    expect(['aws', 'aws-cn', 'aws-us-gov'].map(resolve)).toEqual([
      'amazonaws.com',
      'amazonaws.com.cn',
      'amazonaws.com',
    ]);
    expect(() => resolve('aws-moon')).toThrow(/The partition aws-moon is not known/);
  });
});

describe('an alarm', () => {
  afterEach(() => void vi.restoreAllMocks());

  const minutely = { Threshold: 0, AlarmActions: ['arn:aws:sns:r:1:a'], Period: 60 };
  const hourly = { Threshold: 0, AlarmActions: ['arn:aws:sns:r:1:a'], Period: 3600 };
  const found = (is: MetricAlarm, properties: Record<string, unknown>) => {
    const full: MetricAlarm = {
      Threshold: 0,
      ActionsEnabled: true,
      AlarmActions: ['arn:aws:sns:r:1:a'],
      AlarmConfigurationUpdatedTimestamp: new Date(),
      ...is,
    };
    // oxlint-disable-next-line typescript/no-misused-promises -- One overload of `send` takes a callback.
    vi.spyOn(CloudWatchClient.prototype, 'send').mockImplementation(async () => ({ MetricAlarms: [full] }));
    return alarm(
      { logicalId: 'a', type: 'AWS::CloudWatch::Alarm', path: 'a', physicalId: 'a', properties },
      limitedTo(0, SHORT),
    );
  };
  const silent = {
    StateValue: 'ALARM',
    StateReason: 'Threshold Crossed: no datapoints were received for 2 periods',
  } as const;
  const old = new Date(Date.now() - 24 * 3_600_000);

  test('with an hourly metric may have no data for some hours after its deployment', async () => {
    expect(await found({ StateValue: 'INSUFFICIENT_DATA' }, hourly)).toEqual([]);
    expect(await found(silent, hourly)).toEqual([]);
    expect(await found({ ...silent, AlarmConfigurationUpdatedTimestamp: old }, hourly)).toEqual([
      expect.stringContaining('in the state ALARM'),
    ]);
  });

  test('with another metric has to have data', async () => {
    expect(await found({ StateValue: 'INSUFFICIENT_DATA' }, minutely)).toEqual([
      expect.stringContaining('in the state INSUFFICIENT_DATA'),
    ]);
    expect(await found(silent, minutely)).toEqual([expect.stringContaining('no datapoints were received')]);
    expect(await found({ StateValue: 'OK' }, minutely)).toEqual([]);
  });

  test('that is on because of data is a problem, also if it is new', async () => {
    expect(await found({ StateValue: 'ALARM', StateReason: 'Threshold Crossed: 1 datapoint' }, hourly)).toEqual([
      expect.stringContaining('1 datapoint'),
    ]);
  });

  test('with other actions than deployed is a problem', async () => {
    expect(await found({ StateValue: 'OK', AlarmActions: [] }, minutely)).toEqual([
      'its actions is [], expected ["arn:aws:sns:r:1:a"]',
    ]);
  });
});

describe('the expiry of a table', () => {
  afterEach(() => void vi.restoreAllMocks());

  const message = async (TimeToLiveStatus: string, AttributeName?: string) => {
    // oxlint-disable-next-line typescript/no-misused-promises -- One overload of `send` takes a callback.
    vi.spyOn(DynamoDBClient.prototype, 'send').mockImplementation(async (command) =>
      command instanceof DescribeTableCommand
        ? { Table: { TableStatus: 'ACTIVE' } }
        : { TimeToLiveDescription: { TimeToLiveStatus, AttributeName } },
    );
    const properties = { TimeToLiveSpecification: { AttributeName: 'expires', Enabled: true } };
    const resource = {
      logicalId: 'a',
      type: 'AWS::DynamoDB::Table',
      path: 'Usage',
      physicalId: 'usage-test',
      properties,
    };
    const account = { accountId: '1', region: 'r', partition: 'aws' };
    return line((await verify({ name: 'test', account, resources: [resource], outputs: {} }, limitedTo(0, SHORT)))[0]!);
  };
  const wrong = (is: string) =>
    `  FAIL  DynamoDB::Table Usage (usage-test)\n        the attribute by which it expires is ${is}, expected "expires"`;

  test('may still be in progress, which is a note', async () => {
    expect(await message('ENABLED', 'expires')).toBe('  ok    DynamoDB::Table Usage');
    expect(await message('ENABLING', 'expires')).toBe(
      '  ok    DynamoDB::Table Usage\n        its expiry by expires is being enabled, which may take an hour',
    );
  });

  test('by another attribute, or none, is a problem', async () => {
    expect(await message('ENABLING', 'created')).toBe(wrong('"created"'));
    expect(await message('ENABLED', 'created')).toBe(wrong('"created"'));
    expect(await message('DISABLING', 'expires')).toBe(wrong('not set'));
    expect(await message('DISABLED')).toBe(wrong('not set'));
  });
});

test('the limits allow these rates of calls', () => {
  const rates = LIMITS.map(({ id, granted, callsPerSecond }) => [id, callsPerSecond(granted)]);
  expect(Object.fromEntries(rates)).toEqual({
    concurrency: 10_000,
    gateway: 10_000,
    invalidations: 30_000,
    ledger: 40_000,
  });
  const of = (id: string) => LIMITS.find((limit) => limit.id === id)!;
  expect(of('concurrency').callsPerSecond(10)).toBe(100);
  expect(of('invalidations').callsPerSecond(3_000, 5)).toBe(150_000);
});
