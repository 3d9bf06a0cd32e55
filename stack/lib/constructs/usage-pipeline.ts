import { Duration, Stack } from 'aws-cdk-lib';
import { AttributeType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
import { StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { Distribution, FilterPattern, ILogGroup, LogGroup, SubscriptionFilter } from 'aws-cdk-lib/aws-logs';
import { KinesisDestination } from 'aws-cdk-lib/aws-logs-destinations';
import { BlockPublicAccess, Bucket, BucketEncryption, CfnBucket } from 'aws-cdk-lib/aws-s3';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import accessLog from '../access-log.json';
import { namesOf } from '../names';
import { MeterSettings, removalPolicy } from '../settings';
import { MeterFunction } from './meter-function';
import { meterTable } from './meter-table';

export interface UsagePipelineProps {
  readonly settings: MeterSettings;
  /** Where an existing API already writes its access log, in the meter's format; one is made where none is given. */
  readonly accessLogGroup?: ILogGroup;
  /** Resources of the API whose calls are not billed, such as that of the usage endpoint. */
  readonly unbilledResources?: string[];
  /** A fixed number of shards; on-demand capacity where it is not given. */
  readonly shardCount?: number;
  /** How long the ledger keeps a day. */
  readonly usageRetentionDays?: number;
  /** How long a batch waits to fill: longer is cheaper, shorter is fresher. */
  readonly batchWindow?: Duration;
  /** How often a batch that fails is tried again; until its records are 20 hours old where it is not given. */
  readonly retryAttempts?: number;
}

/** How long the stream keeps records. */
const STREAM_RETENTION = Duration.hours(24);
/** After how long a record that cannot be processed is given up: before the stream loses it, and not by a number of
 * tries. What fails is an outage, and a record that was given up cannot be put back into its row. */
const RECORD_AGE_LIMIT = Duration.hours(20);
/** How long claims are kept: longer than the stream keeps records. */
const CLAIM_RETENTION_HOURS = 72;

/** The filter of successful calls, but for those of some resources. */
function filterPattern(unbilledResources: string[]): string {
  const successful = accessLog.subscriptionFilterPattern.replace(/^\{\s*|\s*\}$/g, '');
  const billed = unbilledResources.map((resource) => `($.resourcePath != ${JSON.stringify(resource)})`);
  return `{ ${[`(${successful})`, ...billed].join(' && ')} }`;
}

/** From the access log to the ledger. */
export class UsagePipeline extends Construct {
  readonly accessLogGroup: ILogGroup;
  readonly stream: Stream;
  readonly usageTable: Table;
  readonly claimsTable: Table;
  readonly quarantineQueue: Queue;
  readonly givenUpRecords: Bucket;
  readonly consumer: MeterFunction;

  constructor(scope: Construct, id: string, props: UsagePipelineProps) {
    super(scope, id);
    const { settings } = props;
    const names = namesOf(settings.environment);
    this.accessLogGroup =
      props.accessLogGroup ??
      new LogGroup(this, 'AccessLog', {
        logGroupName: names.accessLogGroup,
        retention: settings.logRetention,
        removalPolicy: removalPolicy(settings),
      });
    this.stream = new Stream(this, 'Stream', {
      streamName: names.stream,
      encryption: StreamEncryption.MANAGED,
      retentionPeriod: STREAM_RETENTION,
      removalPolicy: removalPolicy(settings),
      ...(props.shardCount === undefined
        ? { streamMode: StreamMode.ON_DEMAND }
        : { streamMode: StreamMode.PROVISIONED, shardCount: props.shardCount }),
    });
    new SubscriptionFilter(this, 'Subscription', {
      logGroup: this.accessLogGroup,
      destination: new KinesisDestination(this.stream),
      filterPattern: FilterPattern.literal(filterPattern(props.unbilledResources ?? [])),
      // By log stream, the default, one busy stream would fill one shard.
      distribution: Distribution.RANDOM,
    });
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
    });
    this.quarantineQueue = new Queue(this, 'Quarantine', {
      queueName: names.quarantineQueue,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
      visibilityTimeout: Duration.minutes(5),
      removalPolicy: removalPolicy(settings),
    });
    this.givenUpRecords = new Bucket(this, 'GivenUpRecords', {
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      versioned: true,
      removalPolicy: removalPolicy(settings),
    });
    this.consumer = this.addConsumer(props);
    acknowledge(this.quarantineQueue, {
      'AwsSolutions::AwsSolutions-SQS3': 'It is itself where records wait that could not be counted; nothing consumes it.',
      'Serverless::Serverless-SQSRedrivePolicy': 'Only `meter quarantine` reads it, and deletes what was put back.',
    });
    acknowledge(this.givenUpRecords, {
      'AwsSolutions::AwsSolutions-S1': 'Only Lambda writes it, and CloudTrail can log who reads it.',
    });
    const bucket = Stack.of(this).getLogicalId(this.givenUpRecords.node.defaultChild as CfnBucket);
    acknowledge(this.consumer, {
      [`AwsSolutions::AwsSolutions-IAM5[Resource::<${bucket}.Arn>/*]`]: 'Lambda chooses the names of the objects in the bucket of given-up records.',
      'Serverless::Serverless-LambdaDLQ': 'It has an event source mapping, whose on-failure destination keeps the payload.',
    });
  }

  private addConsumer(props: UsagePipelineProps): MeterFunction {
    const consumer = new MeterFunction(this, 'Consumer', {
      settings: props.settings,
      service: 'usage-consumer',
      description: 'Counts successful API calls per key, day and hour, exactly once',
      memoryMiB: 256,
      timeout: Duration.seconds(60),
      environment: {
        USAGE_TABLE: this.usageTable.tableName,
        CLAIMS_TABLE: this.claimsTable.tableName,
        QUARANTINE_QUEUE_URL: this.quarantineQueue.queueUrl,
        USAGE_RETENTION_DAYS: String(props.usageRetentionDays ?? 400),
        CLAIM_RETENTION_HOURS: String(CLAIM_RETENTION_HOURS),
      },
    });
    // GetItem opens the connection while the function starts.
    consumer.allow(['dynamodb:UpdateItem', 'dynamodb:GetItem'], [this.usageTable.tableArn]);
    consumer.allow(['dynamodb:PutItem'], [this.claimsTable.tableArn]);
    consumer.allow(['sqs:SendMessage'], [this.quarantineQueue.queueArn]);
    consumer.allow(
      ['kinesis:DescribeStream', 'kinesis:DescribeStreamSummary', 'kinesis:GetRecords', 'kinesis:GetShardIterator', 'kinesis:ListShards'],
      [this.stream.streamArn],
    );
    consumer.allow(['s3:ListBucket'], [this.givenUpRecords.bucketArn]);
    consumer.allow(['s3:PutObject'], [this.givenUpRecords.arnForObjects('*')]);
    const mapping = consumer.live.addEventSourceMapping('Stream', {
      eventSourceArn: this.stream.streamArn,
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: 100,
      maxBatchingWindow: props.batchWindow ?? Duration.seconds(5),
      // One batch of a shard at a time: each row of the ledger has one writer.
      parallelizationFactor: 1,
      bisectBatchOnError: true,
      reportBatchItemFailures: true,
      maxRecordAge: RECORD_AGE_LIMIT,
      retryAttempts: props.retryAttempts,
      // CDK's own destination for S3 would let the function read and delete as well.
      onFailure: { bind: () => ({ destination: this.givenUpRecords.bucketArn }) },
    });
    // Lambda checks the permissions when the mapping is made.
    mapping.node.addDependency(consumer.function.role!);
    return consumer;
  }
}
