import { Duration, Stack } from 'aws-cdk-lib';
import { AttributeType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
import { CfnEventSourceMapping, EventSourceMapping, MetricType, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { ILogGroup, LogGroup } from 'aws-cdk-lib/aws-logs';
import { Bucket, CfnBucket } from 'aws-cdk-lib/aws-s3';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { FreeSettings, FunctionSettings } from '../function-settings';
import defaults from '../generated/settings.json';
import { namesOf } from '../names';
import {
  checkRetention,
  CLAIM_RETENTION_DAYS,
  QUARANTINE_RETENTION_DAYS,
  STREAM_RETENTION_HOURS,
  USAGE_RETENTION_DAYS,
} from '../retention';
import { MeterSettings, removalPolicy } from '../settings';
import { UNBILLED_ROUTES, unbilledRoutesVariable } from '../unbilled-routes';
import { subscribe, subscriptionRole, suffixOf } from './access-log-subscription';
import { givenUpRecords } from './given-up-records';
import { MeterFunction } from './meter-function';
import { meterTable } from './meter-table';

export interface UsagePipelineProps {
  readonly settings: MeterSettings;
  /** Where the stages of existing APIs write their access logs, in the meter's format. Each log group needs a free
   * subscription filter, of the two that it can have. One log group is made where none is given. */
  readonly accessLogGroups?: ILogGroup[];
  /** The calls that are not billed: a route as `/usage`, with its method as `GET /usage`, or all routes of a method as
   * `OPTIONS *`; `OPTIONS *` and `/usage` where it is not given. */
  readonly unbilledRoutes?: string[];
  /** A fixed number of shards; on-demand capacity where it is not given. */
  readonly shardCount?: number;
  /** Days for which the ledger keeps the rows of a day; 400 where it is not given. */
  readonly usageRetentionDays?: number;
  /** Days after it was made for which a call is recognised; 35 where it is not given. */
  readonly claimRetentionDays?: number;
  /** How calls are spread over slices of claims, as `FROM_MS:SLICE_MS:GROUPS`, several with commas between. A change
   * is added at the end, from a time on that is still to come; one group and slices of ten seconds where it is not given. */
  readonly claimLayout?: string;
  /** How long a batch waits to fill, up to five minutes: longer is cheaper, shorter is fresher. Five seconds where it
   * is not given. */
  readonly batchWindow?: Duration;
  /** Further settings of the consumer, for example `maxEvents`. */
  readonly consumerSettings?: FreeSettings<'usage-consumer'>;
}

/** The value of a mapping's limits that stands for no limit. Source: Lambda API Reference, `CreateEventSourceMapping`,
 * `MaximumRecordAgeInSeconds` and `MaximumRetryAttempts`. */
const NO_LIMIT = -1;

/** The form of a layout of claims; its meaning is checked by the function when it starts. */
const CLAIM_LAYOUT = /^0:\d+:\d+(,\d+:\d+:\d+)*$/;

/** The most log groups of one meter: the reconciler queries all of them at once.
 *
 * Source: CloudWatch Logs API Reference, `StartQuery`, `logGroupNames`. */
const MAX_LOG_GROUPS = 50;

/** How long a batch can wait to fill.
 *
 * Source: Lambda API Reference, `CreateEventSourceMapping`, `MaximumBatchingWindowInSeconds`. */
const MAX_BATCH_WINDOW_S = 300;

/** From the access logs to the ledger. */
export class UsagePipeline extends Construct {
  /** The environment, which names what is made here. */
  readonly environment: string;
  /** The access logs that are metered. */
  readonly accessLogGroups: ILogGroup[];
  /** The calls that are not billed. */
  readonly unbilledRoutes: readonly string[];
  readonly stream: Stream;
  readonly usageTable: Table;
  readonly claimsTable: Table;
  readonly quarantineQueue: Queue;
  readonly givenUpRecords: Bucket;
  readonly consumer: MeterFunction;
  /** What feeds the consumer. */
  readonly mapping: EventSourceMapping;

  constructor(scope: Construct, id: string, props: UsagePipelineProps) {
    super(scope, id);
    const { settings } = props;
    const names = namesOf(settings.environment);
    checkProps(props);
    this.environment = settings.environment;
    checkIsAlone(this);
    this.unbilledRoutes = props.unbilledRoutes ?? UNBILLED_ROUTES;
    this.accessLogGroups = props.accessLogGroups ?? [this.addLogGroup(settings)];
    this.stream = new Stream(this, 'Stream', {
      streamName: names.stream,
      encryption: StreamEncryption.MANAGED,
      retentionPeriod: Duration.hours(STREAM_RETENTION_HOURS),
      removalPolicy: removalPolicy(settings),
      ...(props.shardCount === undefined
        ? { streamMode: StreamMode.ON_DEMAND }
        : { streamMode: StreamMode.PROVISIONED, shardCount: props.shardCount }),
    });
    const role = subscriptionRole(this, 'SubscriptionRole', this.stream);
    for (const logGroup of this.accessLogGroups) {
      const suffix = props.accessLogGroups === undefined ? '' : suffixOf(logGroup);
      subscribe(this, { settings, logGroup, stream: this.stream, role, suffix });
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
    this.quarantineQueue = new Queue(this, 'Quarantine', {
      queueName: names.quarantineQueue,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(QUARANTINE_RETENTION_DAYS),
      visibilityTimeout: Duration.minutes(5),
      removalPolicy: removalPolicy(settings),
    });
    this.givenUpRecords = givenUpRecords(this, 'GivenUpRecords', settings);
    this.consumer = this.addConsumer(props);
    this.mapping = this.feed(this.consumer, props.batchWindow ?? Duration.seconds(defaults.batchWindowS));
    acknowledge(this.quarantineQueue, {
      'AwsSolutions::AwsSolutions-SQS3':
        'It is itself where records wait that could not be counted; nothing consumes it.',
      'Serverless::Serverless-SQSRedrivePolicy': 'Only `meter quarantine` reads it, and deletes what was put back.',
    });
    const bucket = Stack.of(this).getLogicalId(this.givenUpRecords.node.defaultChild as CfnBucket);
    acknowledge(this.consumer, {
      [`AwsSolutions::AwsSolutions-IAM5[Resource::<${bucket}.Arn>/*]`]:
        'Lambda chooses the names of the objects in the bucket of given-up records.',
      'Serverless::Serverless-LambdaDLQ':
        'It has an event source mapping, whose on-failure destination keeps the payload.',
    });
  }

  /** The access log for the stages of new APIs; the first where there are several. */
  get accessLogGroup(): ILogGroup {
    return this.accessLogGroups[0]!;
  }

  private addLogGroup(settings: MeterSettings): LogGroup {
    return new LogGroup(this, 'AccessLog', {
      logGroupName: namesOf(settings.environment).accessLogGroup,
      retention: settings.logRetention,
      removalPolicy: removalPolicy(settings),
    });
  }

  private addConsumer(props: UsagePipelineProps): MeterFunction {
    const consumer = new MeterFunction(this, 'Consumer', {
      settings: props.settings,
      service: 'usage-consumer',
      description: 'Counts successful API calls per key, day and hour, exactly once',
      functionSettings: {
        ...props.consumerSettings,
        ...checkedRetention(props),
        usageTable: this.usageTable.tableName,
        claimsTable: this.claimsTable.tableName,
        quarantineQueueUrl: this.quarantineQueue.queueUrl,
        unbilledRoutes: unbilledRoutesVariable(this.unbilledRoutes),
      },
    });
    this.allowConsumer(consumer);
    return consumer;
  }

  private allowConsumer(consumer: MeterFunction): void {
    // GetItem opens the connection while the function starts.
    consumer.allow(['dynamodb:UpdateItem', 'dynamodb:GetItem'], [this.usageTable.tableArn]);
    // A transaction's Put needs PutItem, also with a condition; only its ConditionCheck would need ConditionCheckItem.
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
        // The function raises the retention when it is hours behind.
        'kinesis:IncreaseStreamRetentionPeriod',
        'kinesis:ListShards',
      ],
      [this.stream.streamArn],
    );
    // Source: Lambda Developer Guide, "Retain discarded batch records for a Kinesis Data Streams event source".
    consumer.allow(['s3:ListBucket'], [this.givenUpRecords.bucketArn]);
    consumer.allow(['s3:PutObject'], [this.givenUpRecords.arnForObjects('*')]);
  }

  private feed(consumer: MeterFunction, batchWindow: Duration): EventSourceMapping {
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
      // What the alarms of the mapping are about. Source: Lambda Developer Guide, "Event source mapping metrics".
      metricsConfig: { metrics: [MetricType.EVENT_COUNT] },
      // CDK's own destination for S3 would let the function read and delete as well.
      onFailure: { bind: () => ({ destination: this.givenUpRecords.bucketArn }) },
    });
    // CDK takes an age of at most seven days, and no word for none.
    (mapping.node.defaultChild as CfnEventSourceMapping).maximumRecordAgeInSeconds = NO_LIMIT;
    // Lambda checks the permissions when the mapping is made.
    mapping.node.addDependency(consumer.function.role!);
    return mapping;
  }
}

/** Throws an error that names the first prop that AWS would refuse, and what to set. */
function checkProps({ accessLogGroups, shardCount, batchWindow }: UsagePipelineProps): void {
  const names = accessLogGroups?.map(({ logGroupName }) => logGroupName) ?? ['made here'];
  if (names.length === 0 || names.length > MAX_LOG_GROUPS) {
    throw new Error(
      `There are ${names.length} log groups to meter: set accessLogGroups to 1 to ${MAX_LOG_GROUPS} log groups, or leave it out to have one made.`,
    );
  }
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) {
    throw new Error(`The log group ${twice} is metered twice: name it once in accessLogGroups.`);
  }
  if (shardCount !== undefined && !(Number.isInteger(shardCount) && shardCount > 0)) {
    throw new Error(
      `A stream cannot have ${shardCount} shards: set shardCount to a whole number above 0, or leave it out for on-demand capacity.`,
    );
  }
  const seconds = batchWindow?.toSeconds({ integral: false }) ?? 0;
  if (!(Number.isInteger(seconds) && seconds <= MAX_BATCH_WINDOW_S)) {
    throw new Error(
      `A batch cannot wait for ${seconds} s: set batchWindow to whole seconds up to ${MAX_BATCH_WINDOW_S}.`,
    );
  }
}

/** Throws where another pipeline of the app is to make resources of the same names in the same account and region. */
function checkIsAlone(pipeline: UsagePipeline): void {
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
      `The pipelines ${other.node.path} and ${pipeline.node.path} are both of the environment ${pipeline.environment}, and their tables, stream ` +
        'and functions would have the same names: set another environment in the settings of one, or name both log groups in accessLogGroups of one pipeline.',
    );
  }
}

/** The settings of the consumer for retention and claims, checked. */
function checkedRetention(
  props: UsagePipelineProps,
): Pick<FunctionSettings<'usage-consumer'>, 'usageRetentionDays' | 'claimRetentionDays' | 'claimLayout'> {
  const {
    claimLayout,
    claimRetentionDays: claims = CLAIM_RETENTION_DAYS,
    usageRetentionDays: usage = USAGE_RETENTION_DAYS,
  } = props;
  checkRetention({ claims, usage });
  if (claimLayout !== undefined && !CLAIM_LAYOUT.test(claimLayout)) {
    throw new Error(
      `The layout of claims ${JSON.stringify(claimLayout)} has to be FROM_MS:SLICE_MS:GROUPS, several with commas between, ` +
        'the first from 0 on: set claimLayout to 0:10000:1, or leave it out.',
    );
  }
  return { usageRetentionDays: usage, claimRetentionDays: claims, claimLayout };
}
