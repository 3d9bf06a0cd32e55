import { Stack } from 'aws-cdk-lib';
import { AttributeType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Alias } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { LambdaSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { failedQueue } from './failed-queue';
import { MeterFunction } from './meter-function';
import { meterTable } from './meter-table';

/** A stage that caches the authorizer's answers. */
export interface CachingStage {
  readonly apiId: string;
  readonly stageName: string;
}

export interface InvalidationProps {
  readonly settings: MeterSettings;
  /** The stages to flush when a key is changed; where none is given, nothing caches, and there is no fan-out. */
  readonly cachingStages?: CachingStage[];
  /** Concurrency that is reserved for the fan-out, so that many messages share a flush. None where it is not given: an
   * account keeps at least 10 unreserved, and a new account has no more. */
  readonly fanoutConcurrency?: number;
}

/** How an instance of the authorizer hears that a key was changed: a log for certain, a topic for sooner. */
export class Invalidation extends Construct {
  readonly table: Table;
  readonly topic: Topic;
  readonly deadLetterQueue: Queue;
  /** What empties the caches of stages; only where there are any. */
  readonly fanout?: MeterFunction;
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
    this.deadLetterQueue = failedQueue(this, 'Failed', settings, 'invalidations');
    this.cachingStages = props.cachingStages ?? [];
    if (this.cachingStages.length > 0) {
      this.fanout = this.addFanout(props);
    }
  }

  private addFanout({ settings, fanoutConcurrency }: InvalidationProps): MeterFunction {
    const { cachingStages: stages } = this;
    const fanout = new MeterFunction(this, 'Fanout', {
      settings,
      service: 'invalidation-fanout',
      description: "Empties API Gateway's caches of authorizer answers when a key is changed",
      reservedConcurrency: fanoutConcurrency,
      functionSettings: { stages: stages.map((stage) => `${stage.apiId}/${stage.stageName}`).join(',') },
      deadLetterQueue: this.deadLetterQueue,
    });
    const { partition, region } = Stack.of(this);
    for (const { apiId, stageName } of stages) {
      const cache = `/restapis/${apiId}/stages/${stageName}/cache/authorizers`;
      fanout.allow(['apigateway:DELETE'], [`arn:${partition}:apigateway:${region}::${cache}`]);
    }
    acknowledge(fanout, { 'CloudFormation-Validate::W3694': 'SNS invokes an alias as it does a function.' });
    this.topic.addSubscription(new LambdaSubscription(fanout.live, { deadLetterQueue: this.deadLetterQueue }));
    return fanout;
  }
}
