import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, IMetric, MathExpression, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { meterMetric, PERIOD } from '../meter-metric';
import { MeterSettings } from '../settings';
import { ApiKeyAuthorizer } from './api-key-authorizer';
import { Invalidation } from './invalidation';
import { Reconciliation } from './reconciliation';
import { UsagePipeline } from './usage-pipeline';

export interface UsageAlarmsProps {
  readonly settings: MeterSettings;
  readonly pipeline: UsagePipeline;
  /** The invalidation log, where keys are admitted by the meter. */
  readonly invalidation?: Invalidation;
  /** The authorizer, where keys are admitted by the meter. */
  readonly authorizer?: ApiKeyAuthorizer;
  /** The comparison with the access logs, where there is one. */
  readonly reconciliation?: Reconciliation;
  /** Who is told; nobody where it is not given. */
  readonly topic?: ITopic;
}

/** How fresh usage has to be. */
export const FRESHNESS_LIMIT_MS = 60_000;
/** How long a decision may take, but for one call in a hundred. */
const DECISION_LIMIT_US = 500_000;

interface Rule {
  readonly id: string;
  readonly says: string;
  /** What to do, in docs/runbooks. */
  readonly runbook: string;
  readonly metric: IMetric;
  /** The alarm goes off above this. */
  readonly above: number;
  /** How many of the last five minutes it has to be above; one by default. */
  readonly minutes?: number;
  /** Whether its metric comes once an hour, so that the last hour decides. */
  readonly isHourly?: boolean;
}

/** What somebody has to look at; each says which runbook helps. */
export class UsageAlarms extends Construct {
  readonly alarms: Alarm[];
  private readonly byId = new Map<string, Alarm>();

  constructor(scope: Construct, id: string, props: UsageAlarmsProps) {
    super(scope, id);
    const { settings, topic } = props;
    this.alarms = [...countingRules(props), ...admissionRules(props), ...comparisonRules(props)].map((rule) => {
      const alarm = new Alarm(this, rule.id, {
        alarmName: `usage-${settings.environment}-${rule.id}`,
        alarmDescription: `${rule.says} Runbook: docs/runbooks/${rule.runbook}.md`,
        metric: rule.metric,
        threshold: rule.above,
        comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluationPeriods: rule.isHourly ? 1 : 5,
        datapointsToAlarm: rule.minutes ?? 1,
        // No calls, no metrics: silence is no alarm.
        treatMissingData: TreatMissingData.NOT_BREACHING,
      });
      if (topic !== undefined) {
        alarm.addAlarmAction(new SnsAction(topic));
        alarm.addOkAction(new SnsAction(topic));
      }
      this.byId.set(rule.id, alarm);
      return alarm;
    });
  }

  /** The alarm that is called so. */
  alarm(id: string): Alarm {
    const alarm = this.byId.get(id);
    if (alarm === undefined) {
      throw new Error(`There is no alarm ${id}; there are ${[...this.byId.keys()].join(', ')}.`);
    }
    return alarm;
  }
}

/** What is about counting. */
function countingRules({ settings, pipeline }: UsageAlarmsProps): Rule[] {
  const consumer = pipeline.consumer.function;
  const sum = { statistic: 'Sum', period: PERIOD };
  const billable = meterMetric(settings, 'usage-consumer', 'BillableCalls', 'Sum');
  const withoutKey = meterMetric(settings, 'usage-consumer', 'SkippedNoApiKey', 'Sum');
  return [
    {
      id: 'freshness',
      says: 'A call in a hundred took more than 60 s to be counted.',
      runbook: 'freshness',
      metric: meterMetric(settings, 'usage-consumer', 'Freshness', 'p99'),
      above: FRESHNESS_LIMIT_MS,
      minutes: 2,
    },
    {
      id: 'iterator-age',
      says: 'The consumer is more than a minute behind the stream.',
      runbook: 'iterator-age',
      metric: consumer.metric('IteratorAge', { statistic: 'Maximum', period: PERIOD }),
      above: 60_000,
      minutes: 3,
    },
    {
      id: 'quarantine',
      says: 'Records wait in quarantine: calls that are not counted yet.',
      runbook: 'quarantine',
      metric: pipeline.quarantineQueue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: PERIOD }),
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
    {
      id: 'consumer-errors',
      says: 'The consumer failed, or reported records to be delivered again, in three of five minutes.',
      runbook: 'iterator-age',
      metric: new MathExpression({
        expression: 'errors + failed',
        usingMetrics: {
          errors: consumer.metricErrors(sum),
          failed: meterMetric(settings, 'usage-consumer', 'FailedRecords', 'Sum'),
        },
        period: PERIOD,
        label: 'errors and failed records',
      }),
      above: 0,
      minutes: 3,
    },
    {
      id: 'skipped-without-a-key',
      says: 'More than one successful call in a hundred has no key id, and so is not billed.',
      runbook: 'skipped-without-a-key',
      metric: new MathExpression({
        expression: '100 * without_key / (without_key + billable)',
        usingMetrics: { without_key: withoutKey, billable },
        period: PERIOD,
        label: 'successful calls without a key, in percent',
      }),
      above: 1,
      minutes: 5,
    },
  ];
}

/** What is about admitting keys. */
function admissionRules({ settings, authorizer, invalidation }: UsageAlarmsProps): Rule[] {
  if (authorizer === undefined || invalidation === undefined) {
    return [];
  }
  const sum = { statistic: 'Sum', period: PERIOD };
  return [
    {
      id: 'authorizer-errors',
      says: 'Calls get 500, since their key cannot be checked.',
      runbook: 'authorizer',
      metric: authorizer.authorizer.function.metricErrors(sum),
      above: 0,
      minutes: 2,
    },
    {
      id: 'authorizer-latency',
      says: 'A decision in a hundred takes more than half a second.',
      runbook: 'authorizer',
      metric: meterMetric(settings, 'api-authorizer', 'DecisionDuration', 'p99'),
      above: DECISION_LIMIT_US,
      minutes: 3,
    },
    {
      id: 'invalidation-lag',
      says: 'An instance answered without knowing of a change of a key for longer than is promised.',
      runbook: 'key-will-not-stop',
      metric: meterMetric(settings, 'api-authorizer', 'InvalidationLag', 'Maximum'),
      // The clocks of whoever made the change and of the instance may differ.
      above: authorizer.syncInterval.toMilliseconds() + 1_000,
    },
    {
      id: 'invalidation-log-unreadable',
      says: 'Instances cannot read the invalidation log, and read each key from the table instead.',
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
    {
      id: 'invalidations-failed',
      says: 'A message of a changed key was taken by no function, and waits in the dead-letter queue.',
      runbook: 'key-will-not-stop',
      metric: invalidation.deadLetterQueue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: PERIOD }),
      above: 0,
    },
  ];
}

/** What is about the comparison with the access logs. */
function comparisonRules({ settings, reconciliation }: UsageAlarmsProps): Rule[] {
  if (reconciliation === undefined) {
    return [];
  }
  return [
    {
      id: 'ledger-drift',
      says: 'The ledger and the access log differ in an hour that has settled.',
      runbook: 'drift-and-backfill',
      metric: meterMetric(settings, 'usage-reconciler', 'LedgerDrift', 'Maximum', Duration.hours(1)),
      above: 0,
      isHourly: true,
    },
  ];
}
