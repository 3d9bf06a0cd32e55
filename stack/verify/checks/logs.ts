import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  DescribeMetricFiltersCommand,
  DescribeSubscriptionFiltersCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { CLIENT, Resource } from '../deployment';
import { differs, Problems } from '../expect';

const logs = new CloudWatchLogsClient(CLIENT);

/** Checks a log group and its retention. */
export async function logGroup({ physicalId, properties }: Resource): Promise<Problems> {
  const { logGroups } = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: physicalId }));
  const actual = logGroups?.find(({ logGroupName }) => logGroupName === physicalId);
  return actual === undefined
    ? ['it is missing']
    : differs('its retention in days', actual.retentionInDays, properties.RetentionInDays);
}

/** Checks a metric filter. */
export async function metricFilter({ properties }: Resource): Promise<Problems> {
  const { LogGroupName, FilterPattern } = properties as Record<string, string>;
  const [wanted] = properties.MetricTransformations as {
    MetricName: string;
    MetricNamespace: string;
    MetricValue: string;
  }[];
  const { metricFilters } = await logs.send(new DescribeMetricFiltersCommand({ logGroupName: LogGroupName }));
  const actual = metricFilters?.find(
    ({ metricTransformations }) => metricTransformations?.[0]?.metricName === wanted!.MetricName,
  );
  if (actual === undefined) {
    return [`it is missing: lines of ${LogGroupName} are not counted as ${wanted!.MetricName}`];
  }
  const [found] = actual.metricTransformations!;
  return [
    ...differs('its filter', actual.filterPattern ?? '', FilterPattern),
    ...differs('the namespace of its metric', found!.metricNamespace, wanted!.MetricNamespace),
    ...differs('the value of its metric', found!.metricValue, wanted!.MetricValue),
  ];
}

/** Checks the subscription filter from an access log to the stream. */
export async function subscriptionFilter({ properties }: Resource): Promise<Problems> {
  const { LogGroupName, DestinationArn, FilterPattern, RoleArn, Distribution } = properties as Record<string, string>;
  const { subscriptionFilters } = await logs.send(
    new DescribeSubscriptionFiltersCommand({ logGroupName: LogGroupName }),
  );
  const actual = subscriptionFilters?.find(({ destinationArn }) => destinationArn === DestinationArn);
  if (actual === undefined) {
    return [`no subscription delivers ${LogGroupName} to ${DestinationArn}: calls are not counted`];
  }
  return [
    ...differs('its filter', actual.filterPattern, FilterPattern),
    ...differs('its role', actual.roleArn, RoleArn),
    ...differs('its distribution', actual.distribution, Distribution),
  ];
}
