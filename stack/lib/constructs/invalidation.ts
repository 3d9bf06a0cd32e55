import { Duration, Stack } from 'aws-cdk-lib';
import { AttributeType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Alias } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { LambdaSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { namesOf } from '../names';
import { MeterSettings, removalPolicy } from '../settings';
import { MeterFunction } from './meter-function';
import { meterTable } from './meter-table';

/** A stage that caches the authorizer's answers. */
export interface CachingStage {
  readonly apiId: string;
  readonly stageName: string;
}

export interface InvalidationProps {
  readonly settings: MeterSettings;
  /** The stages to flush when a key is changed; none where they cache nothing. */
  readonly cachingStages?: CachingStage[];
}

/** How an instance of the authorizer hears that a key was changed: a log for certain, a topic for sooner. */
export class Invalidation extends Construct {
  readonly table: Table;
  readonly topic: Topic;
  readonly deadLetterQueue: Queue;
  readonly fanout: MeterFunction;
  /** The stages that are flushed when a key is changed. */
  readonly cachingStages: CachingStage[];

  constructor(scope: Construct, id: string, props: InvalidationProps) {
    super(scope, id);
    const { settings } = props;
    const names = namesOf(settings.environment);
    this.table = meterTable(this, 'Log', {
      settings,
      tableName: names.invalidationsTable,
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.NUMBER },
    });
    this.topic = new Topic(this, 'Topic', {
      topicName: names.invalidationsTopic,
      masterKey: Alias.fromAliasName(this, 'SnsKey', 'alias/aws/sns'),
      enforceSSL: true,
    });
    this.deadLetterQueue = new Queue(this, 'Failed', {
      queueName: `usage-invalidations-failed-${settings.environment}`,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
      removalPolicy: removalPolicy(settings),
    });
    acknowledge(this.deadLetterQueue, {
      'Serverless::Serverless-SQSRedrivePolicy': 'It is itself a dead-letter queue.',
    });
    const stages = props.cachingStages ?? [];
    this.cachingStages = stages;
    this.fanout = new MeterFunction(this, 'Fanout', {
      settings,
      service: 'invalidation-fanout',
      description: "Empties API Gateway's caches of authorizer answers when a key is changed",
      memoryMiB: 128,
      timeout: Duration.seconds(60),
      // One at a time, so that many messages share a flush.
      reservedConcurrency: 1,
      environment: { STAGES: stages.map((stage) => `${stage.apiId}/${stage.stageName}`).join(',') },
      deadLetterQueue: this.deadLetterQueue,
    });
    const { partition, region } = Stack.of(this);
    for (const { apiId, stageName } of stages) {
      const cache = `/restapis/${apiId}/stages/${stageName}/cache/authorizers`;
      this.fanout.allow(['apigateway:DELETE'], [`arn:${partition}:apigateway:${region}::${cache}`]);
    }
    acknowledge(this.fanout, { 'CloudFormation-Validate::W3694': 'SNS invokes an alias as it does a function.' });
    this.topic.addSubscription(new LambdaSubscription(this.fanout.live, { deadLetterQueue: this.deadLetterQueue }));
  }
}
