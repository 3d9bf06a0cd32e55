import { Names, Stack } from 'aws-cdk-lib';
import { Unit } from 'aws-cdk-lib/aws-cloudwatch';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { IStream } from 'aws-cdk-lib/aws-kinesis';
import { CfnSubscriptionFilter, Distribution, FilterPattern, ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import accessLog from '../generated/access-log.json';
import { accessLogMetric } from '../meter-metric';
import { MeterSettings } from '../settings';

/** The metrics of the lines of an access log, by the patterns of the lines that they count. */
const COUNTED_LINES = [
  ['LoggedLines', accessLog.allLinesPattern],
  ['ReadableLines', accessLog.readableLinesPattern],
] as const;

/** The role with which CloudWatch Logs puts records on the stream, for log groups of this account and region alone.
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
  readonly stream: IStream;
  readonly role: Role;
  /** Tells the subscriptions of several log groups apart; the log group of the meter itself has none. */
  readonly suffix?: string;
}

/** Puts the lines of a log group that may have to be billed on the stream, and counts its lines. */
export function subscribe(scope: Construct, props: AccessLogSubscriptionProps): void {
  const { settings, logGroup, stream, role } = props;
  const suffix = props.suffix ?? '';
  // CDK's own destination would let the role pass itself on, and takes no role for several log groups.
  const subscription = new CfnSubscriptionFilter(scope, `Subscription${suffix}`, {
    logGroupName: logGroup.logGroupName,
    destinationArn: stream.streamArn,
    roleArn: role.roleArn,
    filterPattern: accessLog.subscriptionFilterPattern,
    // By log stream, the default, one busy stream would fill one shard.
    distribution: Distribution.RANDOM,
  });
  // CloudWatch Logs puts a test record on the stream when the subscription is made.
  subscription.node.addDependency(role);
  for (const [name, pattern] of COUNTED_LINES) {
    const { namespace, metricName } = accessLogMetric(settings, name);
    new MetricFilter(scope, `${name}${suffix}`, {
      logGroup,
      filterPattern: FilterPattern.literal(pattern),
      metricNamespace: namespace,
      metricName,
      metricValue: '1',
      // A minute in which no line can be read counts as none, not as missing.
      defaultValue: 0,
      unit: Unit.COUNT,
    });
  }
}

/** A suffix that tells a log group from others, whatever their order is. */
export function suffixOf(logGroup: ILogGroup): string {
  return `-${Names.uniqueResourceName(logGroup, { maxLength: 80, separator: '-' })}`;
}
