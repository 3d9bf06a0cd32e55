/** The rules of the meter's alarms. The alarms, their table in docs/OPERATION.md and that of the runbooks are generated
 * from them. */
import { Duration } from 'aws-cdk-lib';
import { IMetric, MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { IFunction } from 'aws-cdk-lib/aws-lambda';
import { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { IQueue } from 'aws-cdk-lib/aws-sqs';
import { accessLogMetric, meterMetric, PERIOD } from '../meter-metric';
import { MeterSettings } from '../settings';
import { ApiKeyAuthorizer } from './api-key-authorizer';
import { Invalidation } from './invalidation';
import { MeterFunction } from './meter-function';
import { Reconciliation } from './reconciliation';
import { UsageCanary } from './usage-canary';
import { UsagePipeline } from './usage-pipeline';

/** Maximum time from a call to its count in the ledger, in milliseconds. */
export const FRESHNESS_LIMIT_MS = 60_000;
/** Maximum p99 of the authorizer's decision time, in microseconds. */
const DECISION_LIMIT_US = 500_000;
const HOUR = Duration.hours(1);
/** Bytes and records that a shard accepts in a minute. Source: Kinesis Data Streams Developer Guide, "Quotas and limits". */
const SHARD_LIMITS = { bytes: 60 * 1_000_000, records: 60 * 1_000 };
/** Share of a shard's limits above which the stream should get more shards. */
const FULL = 0.7;
/** More records than arrive in a minute. Its product with the number of polled records exceeds the number of incoming
 * records unless none was polled. */
const MORE_THAN_INCOMING = 1_000_000_000;

export interface AlarmRule {
  readonly id: string;
  /** Distinguishes the alarms of one rule for several resources. */
  readonly suffix?: string;
  /** The condition under which the alarm goes off, as a sentence. */
  readonly description: string;
  /** The name of the runbook in docs/runbooks. */
  readonly runbook: string;
  readonly metric: IMetric;
  /** The alarm goes off if the metric exceeds this value. */
  readonly threshold: number;
  /** Minutes of the last five in which the metric has to exceed the threshold. Default: 1. */
  readonly breachingMinutes?: number;
  /** Consecutive hours in which an hourly metric has to exceed the threshold. */
  readonly breachingHours?: number;
  /** `true` if missing data sets off the alarm. */
  readonly isMissingDataBreaching?: boolean;
  /** `true` if a percentile of too few samples does not change the state of the alarm. */
  readonly ignoresFewSamples?: boolean;
}

/** The monitored parts of a meter. A meter that only counts has neither an invalidation log nor an authorizer. */
export interface WatchedParts {
  readonly settings: MeterSettings;
  readonly pipeline: UsagePipeline;
  /** The invalidation log, if the meter's authorizer is used. */
  readonly invalidation?: Invalidation;
  /** The meter's authorizer, if it is used. */
  readonly authorizer?: ApiKeyAuthorizer;
  /** The comparison of the ledger with the access logs, if there is one. */
  readonly reconciliation?: Reconciliation;
  /** The canary, if there is one. */
  readonly canary?: UsageCanary;
}

/** Returns the rules for all parts of a meter. */
export function alarmRules({
  settings,
  pipeline,
  invalidation,
  authorizer,
  reconciliation,
  canary,
}: WatchedParts): AlarmRule[] {
  return [
    ...pipeline.accessLogGroups.flatMap((group, place) => deliveryRules(group, place === 0 ? '' : `-${place + 1}`)),
    ...streamRules(pipeline),
    ...capacityRules(pipeline),
    ...countingRules(settings, pipeline),
    ...refusalRules(settings, pipeline),
    ...(authorizer === undefined ? [] : authorizerRules(settings, authorizer)),
    ...(invalidation === undefined ? [] : invalidationRules(settings, invalidation)),
    ...(reconciliation === undefined ? [] : reconciliationRules(settings, reconciliation)),
    ...(canary === undefined ? [] : canaryRules(settings)),
  ];
}

const sum = { statistic: 'Sum', period: PERIOD };

function visibleMessages(queue: IQueue): IMetric {
  return queue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: PERIOD });
}

/** The errors of the current version of a function that is invoked by its alias. Source: Lambda Developer Guide, "Viewing
 * metrics for Lambda functions", dimension `ExecutedVersion`. */
function errorsOfVersion({ function: lambda, live }: MeterFunction): IMetric {
  return new Metric({
    namespace: 'AWS/Lambda',
    metricName: 'Errors',
    dimensionsMap: {
      FunctionName: lambda.functionName,
      Resource: `${lambda.functionName}:${live.aliasName}`,
      ExecutedVersion: lambda.currentVersion.version,
    },
    ...sum,
  });
}

/** A metric of all subscription filters of a log group. Source: CloudWatch Logs User Guide, "CloudWatch Logs
 * metrics and dimensions"; CloudWatch User Guide, "Create an alarm based on a Metrics Insights query". */
function delivery(group: ILogGroup, metricName: string): IMetric {
  return new MathExpression({
    expression: `SELECT SUM(${metricName}) FROM "AWS/Logs" WHERE LogGroupName = '${group.logGroupName}'`,
    period: PERIOD,
    label: metricName,
  });
}

function deliveryRules(group: ILogGroup, suffix: string): AlarmRule[] {
  return [
    {
      id: 'delivery-failed',
      suffix,
      description:
        'CloudWatch Logs failed to deliver access-log lines to the stream. Lines whose error is not retried, such as a missing permission, are lost and not counted.',
      runbook: 'delivery-failed',
      metric: delivery(group, 'DeliveryErrors'),
      threshold: 0,
    },
    {
      id: 'delivery-throttled',
      suffix,
      description:
        'The stream throttled CloudWatch Logs in three of five minutes. CloudWatch Logs retries for 24 hours.',
      runbook: 'delivery-throttled',
      metric: delivery(group, 'DeliveryThrottling'),
      threshold: 0,
      breachingMinutes: 3,
    },
  ];
}

/** Rules about the stream and its event source mapping. Source of the mapping's metrics: Lambda Developer Guide, "Event source mapping metrics". */
function streamRules({ consumer, mapping, stream }: UsagePipeline): AlarmRule[] {
  const mappingMetric = (metricName: string) =>
    new Metric({
      namespace: 'AWS/Lambda',
      metricName,
      dimensionsMap: { EventSourceMappingUUID: mapping.eventSourceMappingId },
      ...sum,
    });
  return [
    {
      id: 'iterator-age',
      description: 'The consumer was more than a minute behind the stream in three of five minutes.',
      runbook: 'iterator-age',
      metric: consumer.function.metric('IteratorAge', { statistic: 'Maximum', period: PERIOD }),
      threshold: 60_000,
      breachingMinutes: 3,
    },
    {
      id: 'mapping-stands-still',
      description:
        'Lambda polled no records although records arrived in the stream, or did not poll the stream at all, in three of five minutes.',
      runbook: 'mapping-stands-still',
      // If one of two metrics has no value, metric math takes 0. AWS does not document the result for a metric that never
      // had a value, nor that of FILL. If the expression has no value then, the missing data sets off the alarm. A
      // mapping that polls always emits a value: "if Lambda polls for events but receives an empty poll", it emits 0.
      metric: new MathExpression({
        expression: `incoming > ${MORE_THAN_INCOMING} * polled`,
        usingMetrics: { incoming: stream.metricIncomingRecords(sum), polled: mappingMetric('PolledEventCount') },
        period: PERIOD,
        label: 'minutes with incoming records and none polled',
      }),
      threshold: 0,
      breachingMinutes: 3,
      isMissingDataBreaching: true,
    },
    {
      id: 'records-dropped',
      description: 'Lambda gave up records. They are in the bucket of given-up records and not counted yet.',
      runbook: 'records-dropped',
      metric: new MathExpression({
        expression: 'dropped + kept',
        usingMetrics: {
          dropped: mappingMetric('DroppedEventCount'),
          kept: mappingMetric('OnFailureDestinationDeliveredEventCount'),
        },
        period: PERIOD,
        label: 'records that Lambda gave up',
      }),
      threshold: 0,
    },
    {
      id: 'consumer-throttled',
      description:
        'Lambda throttled the consumer for lack of concurrency in three of five minutes. Its records wait in the stream.',
      runbook: 'functions-throttled',
      metric: consumer.function.metricThrottles(sum),
      threshold: 0,
      breachingMinutes: 3,
    },
    {
      id: 'consumer-version-errors',
      description: 'The latest version of the consumer failed in two of five minutes.',
      runbook: 'rollback',
      metric: errorsOfVersion(consumer),
      threshold: 0,
      breachingMinutes: 2,
    },
  ];
}

/** The rule about the shards of a provisioned stream. An on-demand stream adds shards by itself. */
function capacityRules({ stream, shardCount }: UsagePipeline): AlarmRule[] {
  if (shardCount === undefined) return [];
  const limit = (each: number) => `${Math.round(FULL * each)} * ${shardCount}`;
  return [
    {
      id: 'stream-nearly-full',
      description: `The stream received more than ${100 * FULL} % of what its shards accept in three of five minutes.`,
      runbook: 'delivery-throttled',
      metric: new MathExpression({
        expression: `bytes > ${limit(SHARD_LIMITS.bytes)} OR records > ${limit(SHARD_LIMITS.records)}`,
        usingMetrics: { bytes: stream.metricIncomingBytes(sum), records: stream.metricIncomingRecords(sum) },
        period: PERIOD,
        label: 'minutes in which the stream was nearly full',
      }),
      threshold: 0,
      breachingMinutes: 3,
    },
  ];
}

function countingRules(settings: MeterSettings, { consumer }: UsagePipeline): AlarmRule[] {
  const metric = (name: Parameters<typeof meterMetric<'usage-consumer'>>[2], statistic = 'Sum') =>
    meterMetric(settings, 'usage-consumer', name, statistic);
  return [
    {
      id: 'freshness',
      description: 'More than 1 % of calls took longer than 60 s to be counted in two of five minutes.',
      runbook: 'freshness',
      // A sample is a batch. With few samples p99 is their maximum, which is still meaningful.
      metric: metric('Freshness', 'p99'),
      threshold: FRESHNESS_LIMIT_MS,
      breachingMinutes: 2,
    },
    {
      id: 'consumer-errors',
      description: 'The consumer failed, or reported records for another delivery, in three of five minutes.',
      runbook: 'iterator-age',
      metric: new MathExpression({
        expression: 'errors + failed',
        usingMetrics: { errors: consumer.function.metricErrors(sum), failed: metric('FailedRecords') },
        period: PERIOD,
        label: 'errors and failed records',
      }),
      threshold: 0,
      breachingMinutes: 3,
    },
    {
      id: 'skipped-without-a-key',
      description:
        'More than 1 % of the calls with a billed status had no key id, and so were not billed, in five of five minutes.',
      runbook: 'skipped-without-a-key',
      metric: new MathExpression({
        expression: '100 * without_key / (without_key + billable)',
        usingMetrics: { without_key: metric('SkippedNoApiKey'), billable: metric('BillableCalls') },
        period: PERIOD,
        label: 'calls with a billed status and without a key, in percent',
      }),
      threshold: 1,
      breachingMinutes: 5,
    },
    {
      id: 'unreadable-lines',
      description: 'Access-log lines have no readable status. They may be calls that are not counted.',
      runbook: 'unreadable-lines',
      metric: new MathExpression({
        expression: 'logged - readable',
        usingMetrics: {
          logged: accessLogMetric(settings, 'LoggedLines'),
          readable: accessLogMetric(settings, 'ReadableLines'),
        },
        period: PERIOD,
        label: 'unreadable lines',
      }),
      threshold: 0,
    },
  ];
}

function refusalRules(settings: MeterSettings, { quarantineQueue }: UsagePipeline): AlarmRule[] {
  return [
    {
      id: 'quarantine',
      description: 'Records are in quarantine. Their calls are not counted yet.',
      runbook: 'quarantine',
      metric: visibleMessages(quarantineQueue),
      threshold: 0,
    },
    {
      id: 'refused-calls',
      description: 'Ledger rows refused calls, which went to quarantine.',
      runbook: 'quarantine',
      metric: meterMetric(settings, 'usage-consumer', 'RefusedCalls', 'Sum'),
      threshold: 0,
    },
    {
      id: 'given-up',
      description:
        'Records that the shard had already passed were delivered again and went to quarantine. Their calls are not counted yet.',
      runbook: 'iterator-age',
      metric: meterMetric(settings, 'usage-consumer', 'GivenUpRecords', 'Sum'),
      threshold: 0,
    },
    {
      id: 'unreadable-claims',
      description:
        'The consumer cannot read the claims of another version. The calls wait for that version: deploy it again.',
      runbook: 'rollback',
      metric: meterMetric(settings, 'usage-consumer', 'UnreadableClaims', 'Sum'),
      threshold: 0,
    },
  ];
}

function authorizerRules(settings: MeterSettings, { authorizer, syncInterval }: ApiKeyAuthorizer): AlarmRule[] {
  const lambda: IFunction = authorizer.function;
  return [
    {
      id: 'authorizer-errors',
      description: 'Calls got 500 because their key could not be checked in two of five minutes.',
      runbook: 'authorizer',
      metric: lambda.metricErrors(sum),
      threshold: 0,
      breachingMinutes: 2,
    },
    {
      id: 'authorizer-version-errors',
      description: 'The latest version of the authorizer failed in two of five minutes.',
      runbook: 'rollback',
      metric: errorsOfVersion(authorizer),
      threshold: 0,
      breachingMinutes: 2,
    },
    {
      id: 'authorizer-throttled',
      description: 'Lambda throttled the authorizer. The calls got 500, which the errors of the function do not show.',
      runbook: 'functions-throttled',
      metric: lambda.metricThrottles(sum),
      threshold: 0,
    },
    {
      id: 'authorizer-latency',
      description: 'More than 1 % of decisions took longer than half a second in three of five minutes.',
      runbook: 'authorizer',
      metric: meterMetric(settings, 'api-authorizer', 'DecisionDuration', 'p99'),
      threshold: DECISION_LIMIT_US,
      breachingMinutes: 3,
      ignoresFewSamples: true,
    },
    {
      id: 'invalidation-lag',
      description:
        'An instance of the authorizer was unaware of the change of a key for a second longer than the sync interval.',
      runbook: 'key-will-not-stop',
      metric: meterMetric(settings, 'api-authorizer', 'InvalidationLag', 'Maximum'),
      // The clocks of the writer of the change and of the instance may differ.
      threshold: syncInterval.toMilliseconds() + 1_000,
    },
    {
      id: 'invalidation-log-unreadable',
      description:
        'Instances of the authorizer could not read the invalidation log, and read each key from the table instead, in three of five minutes.',
      runbook: 'key-will-not-stop',
      metric: meterMetric(settings, 'api-authorizer', 'LogReadFailures', 'Sum'),
      threshold: 0,
      breachingMinutes: 3,
    },
    {
      id: 'invalidation-log-behind',
      description:
        'The invalidation log was lost or restored and is behind the keys, so that each call reads its key from the table.',
      runbook: 'key-will-not-stop',
      metric: meterMetric(settings, 'api-authorizer', 'LogBehind', 'Sum'),
      threshold: 0,
    },
  ];
}

function invalidationRules(_: MeterSettings, { deadLetterQueue }: Invalidation): AlarmRule[] {
  return [
    {
      id: 'invalidations-failed',
      description: 'No function could process the message about a changed key. It is in the dead-letter queue.',
      runbook: 'key-will-not-stop',
      metric: visibleMessages(deadLetterQueue),
      threshold: 0,
    },
  ];
}

function reconciliationRules(settings: MeterSettings, { deadLetterQueue }: Reconciliation): AlarmRule[] {
  const hourly = (name: 'LedgerDrift' | 'LoggedCalls', statistic: string) =>
    meterMetric(settings, 'usage-reconciler', name, statistic, HOUR);
  return [
    {
      id: 'ledger-drift',
      description: 'The ledger and the access log differ in a settled hour.',
      runbook: 'drift-and-backfill',
      metric: hourly('LedgerDrift', 'Maximum'),
      threshold: 0,
      breachingHours: 1,
    },
    {
      id: 'reconciliations-failed',
      description:
        'A reconciliation failed three times or could not be started. Its event is in the dead-letter queue.',
      runbook: 'reconciliation',
      metric: visibleMessages(deadLetterQueue),
      threshold: 0,
    },
    {
      id: 'reconciliation-missing',
      description: 'No reconciliation was completed for two hours, so drift would go unnoticed.',
      runbook: 'reconciliation',
      metric: new MathExpression({
        expression: 'IF(runs > 0, 0, 1)',
        usingMetrics: { runs: hourly('LoggedCalls', 'SampleCount') },
        period: HOUR,
        label: 'hours without a reconciliation',
      }),
      threshold: 0,
      breachingHours: 2,
      isMissingDataBreaching: true,
    },
  ];
}

function canaryRules(settings: MeterSettings): AlarmRule[] {
  return [
    {
      id: 'canary-missed',
      description:
        "The canary's calls were refused or not counted, or the canary did not run, in three of five minutes.",
      runbook: 'canary',
      metric: new MathExpression({
        expression: 'missed + failed',
        usingMetrics: {
          missed: meterMetric(settings, 'usage-canary', 'CanaryMisses', 'Sum'),
          failed: meterMetric(settings, 'usage-canary', 'CanaryFailures', 'Sum'),
        },
        period: PERIOD,
        label: 'calls of the canary that failed or were not counted',
      }),
      threshold: 0,
      breachingMinutes: 3,
      isMissingDataBreaching: true,
    },
    {
      id: 'canary-late',
      description: "The canary's calls took longer than 60 s to be counted in two of five minutes.",
      runbook: 'canary',
      metric: meterMetric(settings, 'usage-canary', 'CanaryFreshness', 'Maximum'),
      threshold: FRESHNESS_LIMIT_MS,
      breachingMinutes: 2,
    },
  ];
}
