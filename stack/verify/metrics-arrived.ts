import { CloudWatchClient, GetMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import metrics from '../lib/generated/metrics.json';
import { CLIENT } from './deployment';
import { Waits, waitFor } from './waits';

/** One metric of each function that processes a call. */
const EMITTED = [
  ['api-authorizer', 'Allowed'],
  ['usage-consumer', 'BillableCalls'],
] as const;

/** The queried time before now, in minutes. */
const QUERIED_MINUTES = 30;

/** Returns the metrics that have a value, as `SERVICE/METRIC`. */
export type ReadMetrics = () => Promise<string[]>;

/** Returns a function that reads the metrics from CloudWatch. */
export function fromCloudWatch(environment: string): ReadMetrics {
  const client = new CloudWatchClient(CLIENT);
  return async () => {
    const now = Date.now();
    const { MetricDataResults } = await client.send(
      new GetMetricDataCommand({
        StartTime: new Date(now - QUERIED_MINUTES * 60_000),
        EndTime: new Date(now + 60_000),
        MetricDataQueries: EMITTED.map(([service, name], place) => ({
          Id: `m${place}`,
          Label: `${service}/${name}`,
          MetricStat: {
            Metric: {
              Namespace: metrics.namespace,
              MetricName: name,
              Dimensions: [
                { Name: 'Environment', Value: environment },
                { Name: 'Service', Value: service },
              ],
            },
            Period: 60,
            Stat: 'Sum',
          },
        })),
      }),
    );
    return (MetricDataResults ?? []).filter(({ Values }) => (Values ?? []).length > 0).map(({ Label }) => Label!);
  };
}

/** Waits until the metrics of the functions are in CloudWatch. Without them no alarm of the meter could go off. */
export async function* metricsArrived(read: ReadMetrics, waits: Waits): AsyncGenerator<string> {
  let missing: string[] = [];
  const { found, waited_s } = yield* waitFor('metrics are not in CloudWatch', waits.metrics_s, waits, async () => {
    const arrived = await read();
    missing = EMITTED.map(([service, name]) => `${service}/${name}`).filter((name) => !arrived.includes(name));
    return missing.length === 0 ? true : undefined;
  });
  if (found === undefined) {
    throw new Error(
      `no value of ${missing.join(', ')} arrived in CloudWatch within ${waited_s} s: alarms would not go off. Search for lines with "_aws" in the logs of these functions.`,
    );
  }
  yield 'the metrics of its functions are in CloudWatch';
}
