import { Duration, Stack } from 'aws-cdk-lib';
import { AttributeType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
import { CfnEventSourceMapping, EventSourceMapping, MetricType, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { Distribution, FilterPattern, ILogGroup, LogGroup, SubscriptionFilter } from 'aws-cdk-lib/aws-logs';
import { KinesisDestination } from 'aws-cdk-lib/aws-logs-destinations';
import { Bucket, CfnBucket } from 'aws-cdk-lib/aws-s3';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import accessLog from '../access-log.json';
import { namesOf } from '../names';
import {
  checkRetention,
  CLAIM_RETENTION_DAYS,
  QUARANTINE_RETENTION_DAYS,
  STREAM_RETENTION_HOURS,
  USAGE_RETENTION_DAYS,
} from '../retention';
import { MeterSettings, removalPolicy } from '../settings';
import { givenUpRecords } from './given-up-records';
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
  /** Days for which the ledger keeps the rows of a day; 400 where it is not given. */
  readonly usageRetentionDays?: number;
  /** Days after it was made for which a call is recognised; 35 where it is not given. */
  readonly claimRetentionDays?: number;
  /** How calls are spread over slices of claims, as `FROM_MS:SLICE_MS:GROUPS`, several with commas between. A change
   * is added at the end, from a time on that is still to come; one group and slices of ten seconds where it is not given. */
  readonly claimLayout?: string;
  /** How long a batch waits to fill: longer is cheaper, shorter is fresher. */
  readonly batchWindow?: Duration;
}

/** The value of a mapping's limits that stands for no limit. Source: Lambda API Reference, `CreateEventSourceMapping`,
 * `MaximumRecordAgeInSeconds` and `MaximumRetryAttempts`. */
const NO_LIMIT = -1;

/** The form of a layout of claims; its meaning is checked by the function when it starts. */
const CLAIM_LAYOUT = /^0:\d+:\d+(,\d+:\d+:\d+)*$/;

/** The filter of successful calls, but for those of some resources. */
function filterPattern(unbilledResources: string[]): string {
  const successful = accessLog.subscriptionFilterPattern.replace(/^\{\s*|\s*\}$/g, '');
  const billed = unbilledResources.map((resource) => `($.resourcePath != ${JSON.stringify(resource)})`);
  return `{ ${[`(${successful})`, ...billed].join(' && ')} }`;
}

/** From the access log to the ledger. */
export class UsagePipeline extends Construct {
  readonly accessLogGroup: ILogGroup;
  /** The access logs that are metered. */
  readonly accessLogGroups: ILogGroup[];
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
    this.accessLogGroup =
      props.accessLogGroup ??
      new LogGroup(this, 'AccessLog', {
        logGroupName: names.accessLogGroup,
        retention: settings.logRetention,
        removalPolicy: removalPolicy(settings),
      });
    this.accessLogGroups = [this.accessLogGroup];
    this.stream = new Stream(this, 'Stream', {
      streamName: names.stream,
      encryption: StreamEncryption.MANAGED,
      retentionPeriod: Duration.hours(STREAM_RETENTION_HOURS),
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
    this.mapping = this.feed(this.consumer, props.batchWindow ?? Duration.seconds(5));
    acknowledge(this.quarantineQueue, {
      'AwsSolutions::AwsSolutions-SQS3': 'It is itself where records wait that could not be counted; nothing consumes it.',
      'Serverless::Serverless-SQSRedrivePolicy': 'Only `meter quarantine` reads it, and deletes what was put back.',
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
        ...settingsOfConsumer(props),
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
      batchSize: 100,
      maxBatchingWindow: batchWindow,
      // One batch of a shard at a time: each row of the ledger has one writer.
      parallelizationFactor: 1,
      bisectBatchOnError: true,
      reportBatchItemFailures: true,
      retryAttempts: NO_LIMIT,
      // CDK's own destination for S3 would let the function read and delete as well.
      // What the alarms of the mapping are about. Source: Lambda Developer Guide, "Event source mapping metrics".
      metricsConfig: { metrics: [MetricType.EVENT_COUNT] },
      onFailure: { bind: () => ({ destination: this.givenUpRecords.bucketArn }) },
    });
    // CDK takes an age of at most seven days, and no word for none.
    (mapping.node.defaultChild as CfnEventSourceMapping).maximumRecordAgeInSeconds = NO_LIMIT;
    // Lambda checks the permissions when the mapping is made.
    mapping.node.addDependency(consumer.function.role!);
    return mapping;
  }
}

/** The settings of the consumer that can be chosen, checked. */
function settingsOfConsumer(props: UsagePipelineProps): Record<string, string> {
  const { claimLayout, claimRetentionDays: claims = CLAIM_RETENTION_DAYS, usageRetentionDays: usage = USAGE_RETENTION_DAYS } = props;
  checkRetention({ claims, usage });
  if (claimLayout !== undefined && !CLAIM_LAYOUT.test(claimLayout)) {
    throw new Error(
      `The layout of claims ${JSON.stringify(claimLayout)} has to be FROM_MS:SLICE_MS:GROUPS, several with commas between, ` +
        'the first from 0 on: set claimLayout to 0:10000:1, or leave it out.',
    );
  }
  return {
    USAGE_RETENTION_DAYS: String(usage),
    CLAIM_RETENTION_DAYS: String(claims),
    ...(claimLayout === undefined ? {} : { CLAIM_LAYOUT: claimLayout }),
  };
}
