import * as fs from 'node:fs';
import * as path from 'node:path';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { templateOf } from '../verify/offline';

const template = templateOf('test');

interface Properties {
  readonly AlarmName: string;
  readonly Threshold: number;
  readonly EvaluationPeriods: number;
  readonly DatapointsToAlarm: number;
  readonly TreatMissingData: string;
  readonly EvaluateLowSampleCountPercentile?: string;
  readonly AlarmActions?: unknown[];
  readonly OKActions?: unknown[];
  readonly Metrics?: { Expression?: string; MetricStat?: { Metric: { MetricName: string; Dimensions: unknown } } }[];
  readonly Dimensions?: { Name: string; Value: unknown }[];
}

function alarmsOf(of: Template): Map<string, Properties> {
  const all = Object.values(of.findResources('AWS::CloudWatch::Alarm')).map(
    ({ Properties: properties }) => properties as Properties,
  );
  return new Map(all.map((each) => [each.AlarmName.replace('usage-test-', ''), each]));
}

const alarms = alarmsOf(template);

test('an alarm evaluates five minutes, or hours if its metric is hourly', () => {
  const hourly: Record<string, number> = { 'ledger-drift': 1, 'reconciliation-missing': 2 };
  for (const [id, { EvaluationPeriods, DatapointsToAlarm }] of alarms) {
    expect([id, EvaluationPeriods]).toEqual([id, hourly[id] ?? 5]);
    expect(DatapointsToAlarm).toBeLessThanOrEqual(EvaluationPeriods);
  }
});

test('missing data is an alarm only for metrics that do not depend on calls', () => {
  const alarmedByMissingData = [...alarms]
    .filter(([, { TreatMissingData }]) => TreatMissingData === 'breaching')
    .map(([id]) => id);
  expect(alarmedByMissingData.sort()).toEqual(['canary-missed', 'mapping-stands-still', 'reconciliation-missing']);
  const others = [...alarms.values()].filter(({ TreatMissingData }) => TreatMissingData !== 'breaching');
  expect(new Set(others.map(({ TreatMissingData }) => TreatMissingData))).toEqual(new Set(['notBreaching']));
});

test('one slow call among few is not an alarm of latency, and one late batch among few is an alarm of freshness', () => {
  expect(alarms.get('authorizer-latency')?.EvaluateLowSampleCountPercentile).toBe('ignore');
  expect(alarms.get('freshness')?.EvaluateLowSampleCountPercentile).toBeUndefined();
});

test('the threshold of the invalidation lag is a second above the sync interval', () => {
  const above = (context: Record<string, string>) =>
    alarmsOf(templateOf('test', context)).get('invalidation-lag')!.Threshold;
  expect([above({}), above({ 'sync-interval-ms': '5000' }), above({ 'sync-interval-ms': '0' })]).toEqual([
    2_000, 6_000, 1_000,
  ]);
});

describe('there is an alarm', () => {
  test.each([
    ['authorizer-throttled', 'Throttles'],
    ['consumer-throttled', 'Throttles'],
    ['consumer-version-errors', 'ExecutedVersion'],
    ['authorizer-version-errors', 'ExecutedVersion'],
    ['delivery-failed', 'SELECT SUM(DeliveryErrors) FROM'],
    ['delivery-throttled', 'SELECT SUM(DeliveryThrottling) FROM'],
    ['records-dropped', 'OnFailureDestinationDeliveredEventCount'],
    ['records-dropped', 'DroppedEventCount'],
    ['mapping-stands-still', 'PolledEventCount'],
    ['mapping-stands-still', 'IncomingRecords'],
    ['stream-nearly-full', 'bytes > 42000000 * 1 OR records > 42000 * 1'],
    ['unreadable-lines', 'LoggedLines-test'],
    ['unreadable-lines', 'ReadableLines-test'],
    ['reconciliation-missing', 'SampleCount'],
    ['canary-missed', 'CanaryMisses'],
    ['canary-missed', 'CanaryFailures'],
    ['canary-late', 'CanaryFreshness'],
  ])('%s, about %s', (id, about) => {
    expect(JSON.stringify(alarms.get(id) ?? {}).replaceAll('\\"', '"')).toContain(about);
  });

  test('about each queue, and no queue has two', () => {
    const queues = [...alarms.values()]
      .flatMap(({ Dimensions }) => Dimensions ?? [])
      .filter(({ Name }) => Name === 'QueueName')
      .map(({ Value }) => JSON.stringify(Value));
    expect(queues.length).toBe(3);
    expect(new Set(queues).size).toBe(Object.keys(template.findResources('AWS::SQS::Queue')).length);
  });

  test('about the mapping, which emits the metrics', () => {
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', { MetricsConfig: { Metrics: ['EventCount'] } });
  });
});

describe('alarms notify', () => {
  const actions = (of: Template) =>
    [...alarmsOf(of).values()].map(({ AlarmActions, OKActions }) => [AlarmActions ?? [], OKActions ?? []]);

  test('no topic by default', () => {
    expect(actions(template).flat(2)).toEqual([]);
  });

  test('an existing topic', () => {
    const topic = 'arn:aws-us-gov:sns:us-gov-west-1:123456789012:pager';
    expect(new Set(actions(templateOf('test', { 'alarm-topic': topic })).map((each) => JSON.stringify(each)))).toEqual(
      new Set([JSON.stringify([[topic], [topic]])]),
    );
  });

  test('an e-mail address, with a topic to which CloudWatch can publish', () => {
    const withEmail = templateOf('test', { 'alarm-email': 'ops@example.org' });
    const [id, topic] = Object.entries(
      withEmail.findResources('AWS::SNS::Topic', { Properties: { TopicName: 'usage-alarms-test' } }),
    )[0]!;
    expect(topic.Properties.KmsMasterKeyId).toBeUndefined();
    expect(new Set(actions(withEmail).map((each) => JSON.stringify(each)))).toEqual(
      new Set([JSON.stringify([[{ Ref: id }], [{ Ref: id }]])]),
    );
    withEmail.hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'ops@example.org',
      TopicArn: { Ref: id },
    });
    withEmail.hasResourceProperties('AWS::SNS::TopicPolicy', {
      Topics: [{ Ref: id }],
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Action: 'sns:Publish',
            Effect: 'Allow',
            Principal: { Service: 'cloudwatch.amazonaws.com' },
            Condition: Match.objectLike({ StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } }),
          }),
        ]),
      },
    });
    expect(() => templateOf('test', { 'alarm-email': 'ops' })).toThrow(/set alarm-email to one/);
  });
});

test('the alarm of a stream that is nearly full follows its shards', () => {
  const { Metrics } = alarmsOf(templateOf('test', { shards: '3' })).get('stream-nearly-full')!;
  expect(JSON.stringify(Metrics)).toContain('bytes > 42000000 * 3 OR records > 42000 * 3');
  expect([...alarmsOf(templateOf('test', { 'stream-mode': 'on-demand' })).keys()]).not.toContain('stream-nearly-full');
});

test('the cost model has the number of billed alarm metrics', () => {
  const model = fs.readFileSync(path.join(__dirname, '../../crates/cost-model/src/cost.rs'), 'utf8');
  const modelled = (name: string) => Number(new RegExp(` ${name}: f64 = ([\\d.]+);`).exec(model)![1]);
  const watched = [...alarmsOf(templateOf('test', { canary: 'no' })).values()].map(({ Metrics }) =>
    Metrics === undefined ? 1 : Metrics.filter(({ MetricStat }) => MetricStat !== undefined).length || 1,
  );
  expect(modelled('ALARM_METRICS') + modelled('AUTHORIZER_ALARM_METRICS')).toBe(
    watched.reduce((sum, metrics) => sum + metrics, 0),
  );
});
