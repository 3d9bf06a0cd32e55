import { Duration, Stack } from 'aws-cdk-lib';
import { AttributeType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
import { CfnEventSourceMapping, EventSourceMapping, MetricType, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Bucket, CfnBucket } from 'aws-cdk-lib/aws-s3';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { BILLED_STATUSES, billedStatusesSetting, subscriptionFilterPattern } from '../billed-statuses';
import { FunctionSettings } from '../function-settings';
import { ConsumerSettings } from '../generated/free-settings';
import defaults from '../generated/settings.json';
import { namesOf } from '../names';
import { checkUsageRetention, CLAIM_RETENTION_DAYS, STREAM_RETENTION_HOURS, USAGE_RETENTION_DAYS } from '../retention';
import { MeterSettings, removalPolicy } from '../settings';
import { UNBILLED_ROUTES, unbilledRoutesSetting } from '../unbilled-routes';
import { subscribe, subscriptionRole, suffixOf } from './access-log-subscription';
import { givenUpRecords } from './given-up-records';
import { MeterFunction } from './meter-function';
import { meterLogGroup } from './meter-log-group';
import { meterQueue } from './meter-queue';
import { meterTable } from './meter-table';

export interface UsagePipelineProps {
  readonly settings: MeterSettings;
  /** The log groups to which the stages of existing APIs write access logs in the meter's format. Each needs one free
   * subscription filter of the two that a log group can have. Default: one log group, which the pipeline creates. */
  readonly accessLogGroups?: ILogGroup[];
  /** The statuses with which calls are billed, as statuses (`304`) and ranges (`200-299`). The subscriptions deliver every
   * call with the first digit of one. Default: `200-299`. */
  readonly billedStatuses?: string[];
  /** The routes whose calls are not billed: `/usage` (any method), `GET /usage`, or `OPTIONS *` (any route). Default:
   * `OPTIONS *` and `/usage`. */
  readonly unbilledRoutes?: string[];
  /** The capacity mode of the stream. An on-demand stream has at least four shards and adds more by itself. A provisioned
   * stream costs a third of it, and an alarm says when it needs more shards. Default: provisioned. */
  readonly streamMode?: StreamMode;
  /** The number of shards of a provisioned stream. Default: 1. */
  readonly shardCount?: number;
  /** Days for which the ledger keeps the rows of a day. Default: 400. */
  readonly usageRetentionDays?: number;
  /** The slices of request time and groups of log streams in which calls are claimed, as `FROM_MS:SLICE_MS:GROUPS`,
   * several separated by commas. Append a change, with a time in the future. Default: slices of ten seconds and one
   * group. */
  readonly claimLayout?: string;
  /** The maximum time for which a batch waits for more records, at most five minutes: longer is cheaper, shorter is
   * fresher. Default: 20 seconds. */
  readonly batchWindow?: Duration;
  /** Further settings of the consumer, for example `maxEvents`. */
  readonly consumerSettings?: ConsumerSettings;
}

/** The value of the mapping's limits for no limit. Source: Lambda API Reference, `CreateEventSourceMapping`,
 * `MaximumRecordAgeInSeconds` and `MaximumRetryAttempts`. */
const NO_LIMIT = -1;

/** The format of a claim layout. The function validates its values when it starts. */
const CLAIM_LAYOUT = /^0:\d+:\d+(,\d+:\d+:\d+)*$/;

/** The maximum number of log groups of a pipeline: the reconciler queries all in one request.
 *
 * Source: CloudWatch Logs API Reference, `StartQuery`, `logGroupNames`. */
const MAX_LOG_GROUPS = 50;

/** The maximum batching window, in seconds.
 *
 * Source: Lambda API Reference, `CreateEventSourceMapping`, `MaximumBatchingWindowInSeconds`. */
export const MAX_BATCH_WINDOW_S = 300;

/** The pipeline from the access logs to the ledger: subscriptions, stream, consumer, tables and quarantine. */
export class UsagePipeline extends Construct {
  /** The environment, which the names of all resources contain. */
  readonly environment: string;
  /** The metered access logs. */
  readonly accessLogGroups: ILogGroup[];
  /** The statuses with which calls are billed. */
  readonly billedStatuses: string[];
  /** The routes whose calls are not billed. */
  readonly unbilledRoutes: string[];
  readonly stream: Stream;
  /** The number of shards with which the stream is deployed; `undefined` for an on-demand stream. */
  readonly shardCount?: number;
  readonly usageTable: Table;
  readonly claimsTable: Table;
  readonly quarantineQueue: Queue;
  readonly givenUpRecords: Bucket;
  readonly consumer: MeterFunction;
  /** The event source mapping from the stream to the consumer. */
  readonly mapping: EventSourceMapping;

  constructor(scope: Construct, id: string, props: UsagePipelineProps) {
    super(scope, id);
    const { settings } = props;
    const names = namesOf(settings.environment);
    checkProps(props);
    this.environment = settings.environment;
    checkIsUnique(this);
    this.billedStatuses = props.billedStatuses ?? Array.from(BILLED_STATUSES);
    this.unbilledRoutes = props.unbilledRoutes ?? Array.from(UNBILLED_ROUTES);
    this.accessLogGroups = props.accessLogGroups ?? [meterLogGroup(this, 'AccessLog', settings, names.accessLogGroup)];
    if (props.streamMode !== StreamMode.ON_DEMAND) this.shardCount = props.shardCount ?? defaults.shardCount;
    this.stream = new Stream(this, 'Stream', {
      streamName: names.stream,
      encryption: StreamEncryption.MANAGED,
      retentionPeriod: Duration.hours(STREAM_RETENTION_HOURS),
      removalPolicy: removalPolicy(settings),
      ...(this.shardCount === undefined
        ? { streamMode: StreamMode.ON_DEMAND }
        : { streamMode: StreamMode.PROVISIONED, shardCount: this.shardCount }),
    });
    const role = subscriptionRole(this, 'SubscriptionRole', this.stream);
    const filterPattern = subscriptionFilterPattern(this.billedStatuses);
    for (const logGroup of this.accessLogGroups) {
      const suffix = props.accessLogGroups === undefined ? '' : suffixOf(logGroup);
      subscribe(this, { settings, logGroup, filterPattern, stream: this.stream, role, suffix });
    }
    const string = AttributeType.STRING;
    this.usageTable = meterTable(this, 'Usage', {
      settings,
      tableName: names.usageTable,
      partitionKey: { name: 'pk', type: string },
      sortKey: { name: 'sk', type: string },
    });
    this.claimsTable = meterTable(this, 'Claims', {
      settings,
      tableName: names.claimsTable,
      partitionKey: { name: 'pk', type: string },
      sortKey: { name: 'sk', type: string },
    });
    this.quarantineQueue = meterQueue(this, 'Quarantine', {
      settings,
      queueName: names.quarantineQueue,
      visibilityTimeout: Duration.minutes(5),
    });
    this.givenUpRecords = givenUpRecords(this, 'GivenUpRecords', settings);
    this.consumer = this.addConsumer(props);
    this.mapping = this.addMapping(this.consumer, props.batchWindow ?? Duration.seconds(defaults.batchWindowS));
    acknowledge(this.quarantineQueue, {
      'AwsSolutions::AwsSolutions-SQS3':
        'It is the queue for records that could not be counted. No function consumes it.',
      'Serverless::Serverless-SQSRedrivePolicy':
        'Only `meter quarantine` reads it, and deletes records that it put back.',
    });
    const bucket = Stack.of(this).getLogicalId(this.givenUpRecords.node.defaultChild as CfnBucket);
    acknowledge(this.consumer, {
      [`AwsSolutions::AwsSolutions-IAM5[Resource::<${bucket}.Arn>/*]`]:
        'Lambda chooses the names of the objects in the bucket of given-up records.',
      'Serverless::Serverless-LambdaDLQ': 'The on-failure destination of its event source mapping keeps the payload.',
    });
  }

  /** The access log for the stages of new APIs: the first if there are several. */
  get accessLogGroup(): ILogGroup {
    return this.accessLogGroups[0]!;
  }

  private addConsumer(props: UsagePipelineProps): MeterFunction {
    const consumer = new MeterFunction(this, 'Consumer', {
      settings: props.settings,
      service: 'usage-consumer',
      description: 'Counts billed API calls per key, day and hour, exactly once',
      functionSettings: {
        ...props.consumerSettings,
        ...checkedRetention(props),
        usageTable: this.usageTable.tableName,
        claimsTable: this.claimsTable.tableName,
        quarantineQueueUrl: this.quarantineQueue.queueUrl,
        billedStatuses: billedStatusesSetting(this.billedStatuses),
        unbilledRoutes: unbilledRoutesSetting(this.unbilledRoutes),
      } satisfies FunctionSettings<'usage-consumer'>,
    });
    this.allowConsumer(consumer);
    return consumer;
  }

  private allowConsumer(consumer: MeterFunction): void {
    // The function opens its connection with GetItem when it starts.
    consumer.allow(['dynamodb:UpdateItem', 'dynamodb:GetItem'], [this.usageTable.tableArn]);
    // A Put in a transaction needs PutItem, also with a condition. Only ConditionCheck would need ConditionCheckItem.
    // Source: DynamoDB Developer Guide, "Using IAM with DynamoDB transactions".
    consumer.allow(
      ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
      [this.claimsTable.tableArn],
    );
    consumer.allow(['sqs:SendMessage'], [this.quarantineQueue.queueArn]);
    consumer.allow(
      [
        'kinesis:DescribeStream',
        'kinesis:DescribeStreamSummary',
        'kinesis:GetRecords',
        'kinesis:GetShardIterator',
        // The function raises the retention of the stream when it is hours behind.
        'kinesis:IncreaseStreamRetentionPeriod',
        'kinesis:ListShards',
      ],
      [this.stream.streamArn],
    );
    // Source: Lambda Developer Guide, "Retain discarded batch records for a Kinesis Data Streams event source".
    consumer.allow(['s3:ListBucket'], [this.givenUpRecords.bucketArn]);
    consumer.allow(['s3:PutObject'], [this.givenUpRecords.arnForObjects('*')]);
  }

  private addMapping(consumer: MeterFunction, batchWindow: Duration): EventSourceMapping {
    const mapping = consumer.live.addEventSourceMapping('Stream', {
      eventSourceArn: this.stream.streamArn,
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: defaults.batchSize,
      maxBatchingWindow: batchWindow,
      // One batch of a shard at a time: each row of the ledger has one writer.
      parallelizationFactor: 1,
      bisectBatchOnError: true,
      reportBatchItemFailures: true,
      retryAttempts: NO_LIMIT,
      // The alarms about the mapping need these metrics. Source: Lambda Developer Guide, "Event source mapping metrics".
      metricsConfig: { metrics: [MetricType.EVENT_COUNT] },
      // CDK's own S3 destination would also grant the function read and delete access.
      onFailure: { bind: () => ({ destination: this.givenUpRecords.bucketArn }) },
    });
    // CDK accepts an age of at most seven days, and has no value for no limit.
    (mapping.node.defaultChild as CfnEventSourceMapping).maximumRecordAgeInSeconds = NO_LIMIT;
    // Lambda checks the permissions when it creates the mapping.
    mapping.node.addDependency(consumer.function.role!);
    return mapping;
  }
}

/** Throws an error that names the first invalid prop and says what to set. */
function checkProps({ accessLogGroups, streamMode, shardCount, batchWindow }: UsagePipelineProps): void {
  const names = accessLogGroups?.map(({ logGroupName }) => logGroupName) ?? ['created here'];
  if (names.length === 0 || names.length > MAX_LOG_GROUPS) {
    throw new Error(
      `The pipeline has ${names.length} log groups: set accessLogGroups to 1 to ${MAX_LOG_GROUPS} log groups, or omit it, and the pipeline creates one.`,
    );
  }
  const duplicate = names.find((name, place) => names.indexOf(name) !== place);
  if (duplicate !== undefined) {
    throw new Error(`The log group ${duplicate} is in accessLogGroups twice: name it once.`);
  }
  if (streamMode === StreamMode.ON_DEMAND && shardCount !== undefined) {
    throw new Error('Kinesis chooses the number of shards of an on-demand stream: omit shardCount, or streamMode.');
  }
  if (shardCount !== undefined && !(Number.isInteger(shardCount) && shardCount > 0)) {
    throw new Error(`A stream cannot have ${shardCount} shards: set shardCount to a whole number above 0.`);
  }
  const seconds = batchWindow?.toSeconds({ integral: false }) ?? 0;
  if (!(Number.isInteger(seconds) && seconds <= MAX_BATCH_WINDOW_S)) {
    throw new Error(
      `A batch cannot wait for ${seconds} s: set batchWindow to whole seconds up to ${MAX_BATCH_WINDOW_S}.`,
    );
  }
}

/** Throws an error if another pipeline of the app has resources of the same names in the same account and region. */
function checkIsUnique(pipeline: UsagePipeline): void {
  const { account, region } = Stack.of(pipeline);
  const other = pipeline.node.root.node
    .findAll()
    .find(
      (each): each is UsagePipeline =>
        each instanceof UsagePipeline &&
        each !== pipeline &&
        each.environment === pipeline.environment &&
        Stack.of(each).account === account &&
        Stack.of(each).region === region,
    );
  if (other !== undefined) {
    throw new Error(
      `The pipelines ${other.node.path} and ${pipeline.node.path} have the same environment ${pipeline.environment}, and so the same names of tables, stream ` +
        'and functions: set another environment in the settings of one, or use one pipeline with both log groups in accessLogGroups.',
    );
  }
}

/** The settings of the consumer for retention and claims, checked. */
function checkedRetention(
  props: UsagePipelineProps,
): Pick<FunctionSettings<'usage-consumer'>, 'usageRetentionDays' | 'claimRetentionDays' | 'claimLayout'> {
  const { claimLayout, usageRetentionDays: usage = USAGE_RETENTION_DAYS } = props;
  checkUsageRetention(usage);
  if (claimLayout !== undefined && !CLAIM_LAYOUT.test(claimLayout)) {
    throw new Error(
      `The claim layout ${JSON.stringify(claimLayout)} has to be FROM_MS:SLICE_MS:GROUPS, several separated by commas, ` +
        'the first from 0 on: set claimLayout to 0:10000:1, or omit it.',
    );
  }
  return { usageRetentionDays: usage, claimRetentionDays: CLAIM_RETENTION_DAYS, claimLayout };
}
