import { Names, Stack } from 'aws-cdk-lib';
import { Unit } from 'aws-cdk-lib/aws-cloudwatch';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { IStream } from 'aws-cdk-lib/aws-kinesis';
import { CfnSubscriptionFilter, Distribution, FilterPattern, ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import accessLog from '../generated/access-log.json';
import { accessLogMetric } from '../meter-metric';
import { MeterSettings } from '../settings';

/** The metrics that count lines of an access log, with the filter patterns of the counted lines. */
const COUNTED_LINES = [
  ['LoggedLines', accessLog.allLinesPattern],
  ['ReadableLines', accessLog.readableLinesPattern],
] as const;

/** Creates the role with which CloudWatch Logs puts records on the stream, for log groups of this account and region
 * only.
 *
 * Source: CloudWatch Logs User Guide, "Example 1: Subscription filters with Kinesis Data Streams" and "Confused
 * deputy prevention". */
export function subscriptionRole(scope: Construct, id: string, stream: IStream): Role {
  const { partition, region, account } = Stack.of(scope);
  const role = new Role(scope, id, {
    description: 'Puts access logs on the stream of the usage meter',
    assumedBy: new ServicePrincipal('logs.amazonaws.com', {
      conditions: { StringLike: { 'aws:SourceArn': `arn:${partition}:logs:${region}:${account}:*` } },
    }),
  });
  role.addToPolicy(
    new PolicyStatement({ actions: ['kinesis:PutRecord', 'kinesis:PutRecords'], resources: [stream.streamArn] }),
  );
  return role;
}

export interface AccessLogSubscriptionProps {
  readonly settings: MeterSettings;
  readonly logGroup: ILogGroup;
  /** The pattern of the lines that are delivered. */
  readonly filterPattern: string;
  readonly stream: IStream;
  readonly role: Role;
  /** Distinguishes the subscriptions of several log groups. The meter's own log group has none. */
  readonly suffix?: string;
}

/** Subscribes the stream to the lines of a log group that may be billable, and counts all lines of the log group. */
export function subscribe(scope: Construct, props: AccessLogSubscriptionProps): void {
  const { settings, logGroup, stream, role } = props;
  const suffix = props.suffix ?? '';
  // CDK's own destination grants the role iam:PassRole for itself, and cannot share a role between log groups.
  const subscription = new CfnSubscriptionFilter(scope, `Subscription${suffix}`, {
    logGroupName: logGroup.logGroupName,
    destinationArn: stream.streamArn,
    roleArn: role.roleArn,
    filterPattern: props.filterPattern,
    // The default, distribution by log stream, would overload the shard of a busy log stream.
    distribution: Distribution.RANDOM,
  });
  // CloudWatch Logs puts a test record on the stream when it creates the subscription.
  subscription.node.addDependency(role);
  for (const [name, pattern] of COUNTED_LINES) {
    const { namespace, metricName } = accessLogMetric(settings, name);
    new MetricFilter(scope, `${name}${suffix}`, {
      logGroup,
      filterPattern: FilterPattern.literal(pattern),
      metricNamespace: namespace,
      metricName,
      metricValue: '1',
      // The metric is 0, not missing, in a minute without a matching line.
      defaultValue: 0,
      unit: Unit.COUNT,
    });
  }
}

/** Returns a suffix for a log group that does not depend on the order of the log groups. */
export function suffixOf(logGroup: ILogGroup): string {
  return `-${Names.uniqueResourceName(logGroup, { maxLength: 80, separator: '-' })}`;
}
