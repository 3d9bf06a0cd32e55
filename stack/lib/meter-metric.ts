import { Duration } from 'aws-cdk-lib';
import { IMetric, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import metrics from './generated/metrics.json';
import { MeterSettings } from './settings';

type Services = typeof metrics.services;

/** Over which time metrics are put together. */
export const PERIOD = Duration.minutes(1);

/** A metric that a function of the meter emits; the type knows which there are. */
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

/** The metrics of one function, by name; sums where no statistic is named. */
export function metricsOf<Service extends keyof Services>(settings: MeterSettings, service: Service) {
  return (metricName: keyof Services[Service] & string, statistic = 'Sum'): IMetric =>
    meterMetric(settings, service, metricName, statistic);
}

/** The number of lines of the access logs of an environment, as metric filters count them where they are written: all
 * lines, or those that are JSON with a status. A metric filter can take dimensions from the event alone, so the
 * environment is part of the name. Source: CloudWatch Logs User Guide, "Publishing dimensions with metrics from values
 * in JSON or space-delimited log events". */
export function accessLogMetric(settings: MeterSettings, name: 'LoggedLines' | 'ReadableLines'): Metric {
  const metricName = `${name}-${settings.environment}`;
  return new Metric({ namespace: metrics.namespace, metricName, statistic: 'Sum', period: PERIOD });
}
