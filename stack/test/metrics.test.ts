import { describe, expect, test } from 'vitest';
import metrics from '../lib/generated/metrics.json';
import { templateOf } from '../verify/offline';

const template = templateOf('test');

/** Returns the metrics of the meter in widgets and alarms, as `service/metric`. */
function named(): { dashboard: Set<string>; alarms: Set<string> } {
  const dashboard = new Set<string>();
  for (const { Properties } of Object.values(template.findResources('AWS::CloudWatch::Dashboard'))) {
    const body = JSON.stringify(Properties.DashboardBody).replaceAll('\\"', '"');
    for (const [, metric, environment, service] of body.matchAll(
      /"UsageMeter","(\w+)","Environment","(\w+)","Service","([\w-]+)"/g,
    )) {
      expect(environment).toBe('test');
      dashboard.add(`${service}/${metric}`);
    }
  }
  const alarms = new Set<string>();
  for (const { Properties } of Object.values(template.findResources('AWS::CloudWatch::Alarm'))) {
    const single = [{ MetricStat: { Metric: { ...Properties } } }];
    for (const { MetricStat } of Properties.Metrics ?? single) {
      if (MetricStat?.Metric.Namespace !== metrics.namespace) continue;
      if (MetricStat.Metric.Dimensions === undefined) {
        // The names of metrics of metric filters contain the environment.
        expect(MetricStat.Metric.MetricName).toMatch(/^(Logged|Readable)Lines-test$/);
        continue;
      }
      const dimensions = Object.fromEntries(
        MetricStat.Metric.Dimensions.map((dimension: { Name: string; Value: string }) => [
          dimension.Name,
          dimension.Value,
        ]),
      );
      expect(dimensions.Environment).toBe('test');
      alarms.add(`${dimensions.Service}/${MetricStat.Metric.MetricName}`);
    }
  }
  return { dashboard, alarms };
}

describe('the dashboard and the alarms', () => {
  const emitted = Object.entries(metrics.services).flatMap(([service, names]) =>
    Object.keys(names).map((name) => `${service}/${name}`),
  );

  test('name only metrics that the functions emit', () => {
    const { dashboard, alarms } = named();
    expect(dashboard.size).toBeGreaterThan(20);
    expect(alarms.size).toBeGreaterThan(5);
    for (const metric of [...dashboard, ...alarms]) {
      expect(emitted).toContain(metric);
    }
  });

  // CloudWatch charges for each metric. The template has a canary.
  test('name every metric that the functions emit', () => {
    const { dashboard, alarms } = named();
    expect(emitted.filter((metric) => !dashboard.has(metric) && !alarms.has(metric))).toEqual([]);
  });

  test('show the metric of each alarm or its cause', () => {
    const { dashboard, alarms } = named();
    const hidden = [...alarms].filter((metric) => !dashboard.has(metric));
    expect(hidden).toEqual([
      'api-authorizer/LogReadFailures',
      'api-authorizer/LogBehind',
      'usage-reconciler/LedgerDrift',
    ]);
  });
});
