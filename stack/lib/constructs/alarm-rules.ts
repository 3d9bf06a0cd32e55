/** What the alarms of the meter watch: one list, from which alarms, their table in docs/OPERATION.md and that of the
 * runbooks are made. */
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

/** How fresh usage has to be. */
export const FRESHNESS_LIMIT_MS = 60_000;
/** How long a decision may take, but for one call in a hundred. */
const DECISION_LIMIT_US = 500_000;
const HOUR = Duration.hours(1);
/** More records than come in a minute: times the records that were read, it is above all that came, unless it is 0. */
const MORE_THAN_COME = 1_000_000_000;

export interface AlarmRule {
  readonly id: string;
  /** Tells alarms of the same rule apart, where it holds for several resources. */
  readonly suffix?: string;
  /** When the alarm goes off. */
  readonly says: string;
  /** What to do, in docs/runbooks. */
  readonly runbook: string;
  readonly metric: IMetric;
  /** The alarm goes off above this. */
  readonly above: number;
  /** How many of the last five minutes it has to be above; one where it is not given. */
  readonly minutes?: number;
  /** Over how many hours it has to be above, where its metric comes once an hour. */
  readonly hours?: number;
  /** Whether the alarm goes off when its metric does not come at all. */
  readonly isAlarmedBySilence?: boolean;
  /** Whether a percentile of too few samples leaves the alarm as it is. */
  readonly ignoresFewSamples?: boolean;
}

/** The parts of the meter that are watched; a meter without keys of its own has neither of the first two. */
export interface WatchedParts {
  readonly settings: MeterSettings;
  readonly pipeline: UsagePipeline;
  /** The invalidation log, where keys are admitted by the meter. */
  readonly invalidation?: Invalidation;
  /** The authorizer, where keys are admitted by the meter. */
  readonly authorizer?: ApiKeyAuthorizer;
  /** The comparison with the access logs, where there is one. */
  readonly reconciliation?: Reconciliation;
  /** What calls the API once a minute, where there is one. */
  readonly canary?: UsageCanary;
}

/** The rules of all parts that there are. */
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
    ...countingRules(settings, pipeline),
    ...refusalRules(settings, pipeline),
    ...(authorizer === undefined ? [] : authorizerRules(settings, authorizer)),
    ...(invalidation === undefined ? [] : invalidationRules(settings, invalidation)),
    ...(reconciliation === undefined ? [] : reconciliationRules(settings, reconciliation)),
    ...(canary === undefined ? [] : canaryRules(settings)),
  ];
}

const sum = { statistic: 'Sum', period: PERIOD };

function waiting(queue: IQueue): IMetric {
  return queue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: PERIOD });
}

/** The errors of one version of a function that is invoked by its alias. Source: Lambda Developer Guide, "Viewing
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

/** A metric of a subscription, whatever its filter is called. Source: CloudWatch Logs User Guide, "CloudWatch Logs
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
      says: 'CloudWatch Logs could not put lines of the access log on the stream. Errors that it does not retry, such as a missing permission, lose calls to the ledger.',
      runbook: 'delivery-failed',
      metric: delivery(group, 'DeliveryErrors'),
      above: 0,
    },
    {
      id: 'delivery-throttled',
      suffix,
      says: 'The stream throttled CloudWatch Logs in three of five minutes. It tries again for 24 hours.',
      runbook: 'delivery-throttled',
      metric: delivery(group, 'DeliveryThrottling'),
      above: 0,
      minutes: 3,
    },
  ];
}

/** Source of the metrics of a mapping: Lambda Developer Guide, "Event source mapping metrics". */
function streamRules({ consumer, mapping, stream }: UsagePipeline): AlarmRule[] {
  const ofMapping = (metricName: string) =>
    new Metric({
      namespace: 'AWS/Lambda',
      metricName,
      dimensionsMap: { EventSourceMappingUUID: mapping.eventSourceMappingId },
      ...sum,
    });
  return [
    {
      id: 'iterator-age',
      says: 'The consumer is more than a minute behind the stream, in three of five minutes.',
      runbook: 'iterator-age',
      metric: consumer.function.metric('IteratorAge', { statistic: 'Maximum', period: PERIOD }),
      above: 60_000,
      minutes: 3,
    },
    {
      id: 'mapping-stands-still',
      says: 'Records come into the stream and none is read, or Lambda does not poll it at all, in three of five minutes.',
      runbook: 'mapping-stands-still',
      // Of two metrics, the one without a value counts as 0 where the other has one. What a metric is that has had no value
      // at all is documented nowhere, neither for FILL: if the expression has no value then, silence is the alarm. A
      // mapping that polls is never silent: "if Lambda polls for events but receives an empty poll", it emits 0.
      metric: new MathExpression({
        expression: `incoming > ${MORE_THAN_COME} * polled`,
        usingMetrics: { incoming: stream.metricIncomingRecords(sum), polled: ofMapping('PolledEventCount') },
        period: PERIOD,
        label: 'minutes in which records came and none was read',
      }),
      above: 0,
      minutes: 3,
      isAlarmedBySilence: true,
    },
    {
      id: 'records-dropped',
      says: 'Lambda gave records up: they are in the bucket of given-up records, and not counted yet.',
      runbook: 'records-dropped',
      metric: new MathExpression({
        expression: 'dropped + kept',
        usingMetrics: {
          dropped: ofMapping('DroppedEventCount'),
          kept: ofMapping('OnFailureDestinationDeliveredEventCount'),
        },
        period: PERIOD,
        label: 'records that Lambda gave up',
      }),
      above: 0,
    },
    {
      id: 'consumer-throttled',
      says: 'Lambda throttled the consumer, for want of concurrency, in three of five minutes. Its records wait.',
      runbook: 'functions-throttled',
      metric: consumer.function.metricThrottles(sum),
      above: 0,
      minutes: 3,
    },
    {
      id: 'consumer-version-errors',
      says: 'The version of the consumer that was deployed last failed, in two of five minutes.',
      runbook: 'rollback',
      metric: errorsOfVersion(consumer),
      above: 0,
      minutes: 2,
    },
  ];
}

function countingRules(settings: MeterSettings, { consumer }: UsagePipeline): AlarmRule[] {
  const metric = (name: Parameters<typeof meterMetric<'usage-consumer'>>[2], statistic = 'Sum') =>
    meterMetric(settings, 'usage-consumer', name, statistic);
  return [
    {
      id: 'freshness',
      says: 'A call in a hundred took more than 60 s to be counted, in two of five minutes.',
      runbook: 'freshness',
      // A batch is one sample: few are no reason to wait, since their greatest is what it is about.
      metric: metric('Freshness', 'p99'),
      above: FRESHNESS_LIMIT_MS,
      minutes: 2,
    },
    {
      id: 'consumer-errors',
      says: 'The consumer failed, or reported records to be delivered again, in three of five minutes.',
      runbook: 'iterator-age',
      metric: new MathExpression({
        expression: 'errors + failed',
        usingMetrics: { errors: consumer.function.metricErrors(sum), failed: metric('FailedRecords') },
        period: PERIOD,
        label: 'errors and failed records',
      }),
      above: 0,
      minutes: 3,
    },
    {
      id: 'skipped-without-a-key',
      says: 'More than one successful call in a hundred has no key id, and so is not billed, in five of five minutes.',
      runbook: 'skipped-without-a-key',
      metric: new MathExpression({
        expression: '100 * without_key / (without_key + billable)',
        usingMetrics: { without_key: metric('SkippedNoApiKey'), billable: metric('BillableCalls') },
        period: PERIOD,
        label: 'successful calls without a key, in percent',
      }),
      above: 1,
      minutes: 5,
    },
    {
      id: 'unreadable-lines',
      says: 'Lines of the access log have no status that can be read: they may be calls that are not counted.',
      runbook: 'unreadable-lines',
      metric: new MathExpression({
        expression: 'logged - readable',
        usingMetrics: {
          logged: accessLogMetric(settings, 'LoggedLines'),
          readable: accessLogMetric(settings, 'ReadableLines'),
        },
        period: PERIOD,
        label: 'lines that cannot be read',
      }),
      above: 0,
    },
  ];
}

function refusalRules(settings: MeterSettings, { quarantineQueue }: UsagePipeline): AlarmRule[] {
  return [
    {
      id: 'quarantine',
      says: 'Records wait in quarantine: calls that are not counted yet.',
      runbook: 'quarantine',
      metric: waiting(quarantineQueue),
      above: 0,
    },
    {
      id: 'refused-calls',
      says: 'Rows of the ledger refused calls, which went to quarantine.',
      runbook: 'quarantine',
      metric: meterMetric(settings, 'usage-consumer', 'RefusedCalls', 'Sum'),
      above: 0,
    },
    {
      id: 'given-up',
      says: 'Records that the stream had left behind came back, and went to quarantine: calls are not counted yet.',
      runbook: 'iterator-age',
      metric: meterMetric(settings, 'usage-consumer', 'GivenUpRecords', 'Sum'),
      above: 0,
    },
    {
      id: 'unreadable-claims',
      says: 'Another version claimed calls that this one cannot read: they wait for it. Deploy it again.',
      runbook: 'rollback',
      metric: meterMetric(settings, 'usage-consumer', 'UnreadableClaims', 'Sum'),
      above: 0,
    },
  ];
}

function authorizerRules(settings: MeterSettings, { authorizer, syncInterval }: ApiKeyAuthorizer): AlarmRule[] {
  const lambda: IFunction = authorizer.function;
  return [
    {
      id: 'authorizer-errors',
      says: 'Calls get 500, since their key cannot be checked, in two of five minutes.',
      runbook: 'authorizer',
      metric: lambda.metricErrors(sum),
      above: 0,
      minutes: 2,
    },
    {
      id: 'authorizer-version-errors',
      says: 'The version of the authorizer that was deployed last failed, in two of five minutes.',
      runbook: 'rollback',
      metric: errorsOfVersion(authorizer),
      above: 0,
      minutes: 2,
    },
    {
      id: 'authorizer-throttled',
      says: 'Lambda throttled the authorizer: calls get 500, and no error of the function shows them.',
      runbook: 'functions-throttled',
      metric: lambda.metricThrottles(sum),
      above: 0,
    },
    {
      id: 'authorizer-latency',
      says: 'A decision in a hundred takes more than half a second, in three of five minutes.',
      runbook: 'authorizer',
      metric: meterMetric(settings, 'api-authorizer', 'DecisionDuration', 'p99'),
      above: DECISION_LIMIT_US,
      minutes: 3,
      ignoresFewSamples: true,
    },
    {
      id: 'invalidation-lag',
      says: 'An instance answered without knowing of a change of a key for a second longer than is promised.',
      runbook: 'key-will-not-stop',
      metric: meterMetric(settings, 'api-authorizer', 'InvalidationLag', 'Maximum'),
      // The clocks of whoever made the change and of the instance may differ.
      above: syncInterval.toMilliseconds() + 1_000,
    },
    {
      id: 'invalidation-log-unreadable',
      says: 'Instances cannot read the invalidation log, and read each key from the table instead, in three of five minutes.',
      runbook: 'key-will-not-stop',
      metric: meterMetric(settings, 'api-authorizer', 'LogReadFailures', 'Sum'),
      above: 0,
      minutes: 3,
    },
    {
      id: 'invalidation-log-behind',
      says: 'The invalidation log was lost or restored: it is behind the keys, which are read for each call.',
      runbook: 'key-will-not-stop',
      metric: meterMetric(settings, 'api-authorizer', 'LogBehind', 'Sum'),
      above: 0,
    },
  ];
}

function invalidationRules(_: MeterSettings, { deadLetterQueue }: Invalidation): AlarmRule[] {
  return [
    {
      id: 'invalidations-failed',
      says: 'A message of a changed key was taken by no function, and waits in its dead-letter queue.',
      runbook: 'key-will-not-stop',
      metric: waiting(deadLetterQueue),
      above: 0,
    },
  ];
}

function reconciliationRules(settings: MeterSettings, { deadLetterQueue }: Reconciliation): AlarmRule[] {
  const hourly = (name: 'LedgerDrift' | 'LoggedCalls', statistic: string) =>
    meterMetric(settings, 'usage-reconciler', name, statistic, HOUR);
  return [
    {
      id: 'ledger-drift',
      says: 'The ledger and the access log differ in an hour that has settled.',
      runbook: 'drift-and-backfill',
      metric: hourly('LedgerDrift', 'Maximum'),
      above: 0,
      hours: 1,
    },
    {
      id: 'reconciliations-failed',
      says: 'A reconciliation failed three times, or could not be started; its event waits in its dead-letter queue.',
      runbook: 'reconciliation',
      metric: waiting(deadLetterQueue),
      above: 0,
    },
    {
      id: 'reconciliation-missing',
      says: 'No reconciliation came to its end for two hours, so that no drift would be seen.',
      runbook: 'reconciliation',
      metric: new MathExpression({
        expression: 'IF(runs > 0, 0, 1)',
        usingMetrics: { runs: hourly('LoggedCalls', 'SampleCount') },
        period: HOUR,
        label: 'hours without a reconciliation',
      }),
      above: 0,
      hours: 2,
      isAlarmedBySilence: true,
    },
  ];
}

function canaryRules(settings: MeterSettings): AlarmRule[] {
  return [
    {
      id: 'canary-missed',
      says: "The canary's calls were refused or not counted, or it does not run at all, in three of five minutes.",
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
      above: 0,
      minutes: 3,
      isAlarmedBySilence: true,
    },
    {
      id: 'canary-late',
      says: "The canary's calls took more than 60 s to be counted, in two of five minutes.",
      runbook: 'canary',
      metric: meterMetric(settings, 'usage-canary', 'CanaryFreshness', 'Maximum'),
      above: FRESHNESS_LIMIT_MS,
      minutes: 2,
    },
  ];
}
