import { localTemplate, resolver } from './resolved-names';

interface Dimension {
  readonly Name: string;
  readonly Value: string;
}

/** The properties of an alarm with resolved names. */
interface Properties {
  readonly AlarmName: string;
  readonly AlarmDescription: string;
  readonly Threshold: number;
  readonly EvaluationPeriods: number;
  readonly DatapointsToAlarm: number;
  readonly ComparisonOperator: string;
  readonly TreatMissingData: string;
  readonly EvaluateLowSampleCountPercentile?: string;
  readonly Metrics?: { Expression?: string; Period?: number; MetricStat?: { Period: number } }[];
  readonly Namespace: string;
  readonly MetricName: string;
  readonly Statistic?: string;
  readonly ExtendedStatistic?: string;
  readonly Period: number;
  readonly Dimensions?: Dimension[];
}

/** Returns the queries of an alarm in the form of `GetMetricData`. */
function queries(alarm: Properties): unknown[] {
  if (alarm.Metrics !== undefined) return alarm.Metrics;
  const { Namespace, MetricName, Dimensions = [], Period, Statistic, ExtendedStatistic } = alarm;
  const Metric = { Namespace, MetricName, Dimensions };
  return [{ Id: 'value', ReturnData: true, MetricStat: { Metric, Period, Stat: Statistic ?? ExtendedStatistic } }];
}

function period(alarm: Properties): number {
  const ofMetrics = alarm.Metrics?.map(({ Period, MetricStat }) => MetricStat?.Period ?? Period);
  return ofMetrics?.find((each) => each !== undefined) ?? alarm.Period;
}

/** Throws if the local stack would evaluate an alarm otherwise than CloudWatch. */
function check({ AlarmName, ComparisonOperator, TreatMissingData }: Properties): void {
  if (ComparisonOperator !== 'GreaterThanThreshold') {
    throw new Error(`${AlarmName}: the local stack evaluates only GreaterThanThreshold, not ${ComparisonOperator}`);
  }
  if (!['breaching', 'notBreaching'].includes(TreatMissingData)) {
    throw new Error(`${AlarmName}: missing data has to be breaching or notBreaching, not ${TreatMissingData}`);
  }
}

/** Returns the alarms of the environment `local` for the local stack. */
export function alarmsFile(): string {
  const template = localTemplate();
  const resolve = resolver(template, 'us-east-1');
  const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(({ Properties: properties }) => {
    const alarm = resolve(properties) as Properties;
    check(alarm);
    const [, description, runbook] = /^(.+) Runbook: docs\/runbooks\/(.+)\.md$/.exec(alarm.AlarmDescription)!;
    return {
      id: alarm.AlarmName.replace('usage-local-', ''),
      description,
      runbook,
      threshold: alarm.Threshold,
      period_s: period(alarm),
      periods: alarm.EvaluationPeriods,
      breaching_periods: alarm.DatapointsToAlarm,
      is_missing_data_breaching: alarm.TreatMissingData === 'breaching',
      ignores_few_samples: alarm.EvaluateLowSampleCountPercentile === 'ignore',
      queries: queries(alarm),
    };
  });
  alarms.sort((left, right) => (left.id < right.id ? -1 : 1));
  return `[\n${alarms.map((alarm) => JSON.stringify(alarm)).join(',\n')}\n]\n`;
}

if (process.argv[1]?.endsWith('alarms-file.ts')) {
  process.stdout.write(alarmsFile());
}
