import { Duration } from 'aws-cdk-lib';
import { IMetric, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import metrics from './generated/metrics.json';
import { MeterSettings } from './settings';

type Services = typeof metrics.services;

/** The period of the metrics on the dashboard and of most alarms. */
export const PERIOD = Duration.minutes(1);

/** Returns a metric that a function of the meter emits. */
export function meterMetric<Service extends keyof Services>(
  settings: MeterSettings,
  service: Service,
  metricName: keyof Services[Service] & string,
  statistic: string,
  period = PERIOD,
): IMetric {
  return new Metric({
    namespace: metrics.namespace,
    metricName,
    dimensionsMap: { Environment: settings.environment, Service: service },
    statistic,
    period,
  });
}

/** Returns a function that returns the metrics of one service by name, by default their sums. */
export function metricsOf<Service extends keyof Services>(settings: MeterSettings, service: Service) {
  return (metricName: keyof Services[Service] & string, statistic = 'Sum'): IMetric =>
    meterMetric(settings, service, metricName, statistic);
}

/** Returns the number of lines in the access logs of an environment, as metric filters count them: all lines, or those
 * that are JSON with a status. Metric filters take dimensions from events only, so the name contains the environment.
 * Source: CloudWatch Logs User Guide, "Publishing dimensions with metrics from values in JSON or space-delimited log
 * events". */
export function accessLogMetric(settings: MeterSettings, name: 'LoggedLines' | 'ReadableLines'): Metric {
  const metricName = `${name}-${settings.environment}`;
  return new Metric({ namespace: metrics.namespace, metricName, statistic: 'Sum', period: PERIOD });
}
