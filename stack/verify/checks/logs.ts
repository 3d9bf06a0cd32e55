import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  DescribeMetricFiltersCommand,
  DescribeSubscriptionFiltersCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { CLIENT, Resource } from '../deployment';
import { differs, Problems } from '../expect';

const logs = new CloudWatchLogsClient(CLIENT);

/** A log group, and how long it keeps its events. */
export async function logGroup({ physicalId, properties }: Resource): Promise<Problems> {
  const { logGroups } = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: physicalId }));
  const is = logGroups?.find(({ logGroupName }) => logGroupName === physicalId);
  return is === undefined
    ? ['it is missing']
    : differs('how many days it keeps events', is.retentionInDays, properties.RetentionInDays);
}

/** What counts the lines of a log as a metric. */
export async function metricFilter({ properties }: Resource): Promise<Problems> {
  const { LogGroupName, FilterPattern } = properties as Record<string, string>;
  const [wanted] = properties.MetricTransformations as {
    MetricName: string;
    MetricNamespace: string;
    MetricValue: string;
  }[];
  const { metricFilters } = await logs.send(new DescribeMetricFiltersCommand({ logGroupName: LogGroupName }));
  const is = metricFilters?.find(
    ({ metricTransformations }) => metricTransformations?.[0]?.metricName === wanted!.MetricName,
  );
  if (is === undefined) {
    return [`it is missing: no lines of ${LogGroupName} are counted as ${wanted!.MetricName}`];
  }
  const [made] = is.metricTransformations!;
  return [
    ...differs('its filter', is.filterPattern ?? '', FilterPattern),
    ...differs('the namespace of its metric', made!.metricNamespace, wanted!.MetricNamespace),
    ...differs('what it counts for a line', made!.metricValue, wanted!.MetricValue),
  ];
}

/** What carries the access log to the stream. */
export async function subscriptionFilter({ properties }: Resource): Promise<Problems> {
  const { LogGroupName, DestinationArn, FilterPattern, RoleArn, Distribution } = properties as Record<string, string>;
  const { subscriptionFilters } = await logs.send(
    new DescribeSubscriptionFiltersCommand({ logGroupName: LogGroupName }),
  );
  const is = subscriptionFilters?.find(({ destinationArn }) => destinationArn === DestinationArn);
  if (is === undefined) {
    return [`no subscription carries ${LogGroupName} to ${DestinationArn}: no call is counted`];
  }
  return [
    ...differs('its filter', is.filterPattern, FilterPattern),
    ...differs('its role', is.roleArn, RoleArn),
    ...differs('its distribution', is.distribution, Distribution),
  ];
}
