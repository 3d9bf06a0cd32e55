import { Stack } from 'aws-cdk-lib';
import { AttributeType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { LambdaSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { FunctionSettings } from '../function-settings';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { MeterFunction } from './meter-function';
import { failedQueue } from './meter-queue';
import { meterTable } from './meter-table';
import { meterTopic } from './meter-topic';

/** A stage of a REST API that caches authorizer results. */
export interface CachingStage {
  readonly apiId: string;
  readonly stageName: string;
}

export interface InvalidationProps {
  readonly settings: MeterSettings;
  /** The stages whose caches are flushed when a key is changed. Default: none, and no fan-out. */
  readonly cachingStages?: CachingStage[];
  /** The reserved concurrency of the fan-out, so that many messages share a flush. Default: none, because 10 units of an
   * account cannot be reserved, and a new account has only these. */
  readonly fanoutConcurrency?: number;
}

/** The invalidation log and topic. An instance of the authorizer reads changes of keys from the log at the latest, and
 * receives most of them sooner from the topic. */
export class Invalidation extends Construct {
  readonly table: Table;
  readonly topic: Topic;
  readonly deadLetterQueue: Queue;
  /** The function that flushes the caches of stages, if there are any. */
  readonly fanout?: MeterFunction;
  /** The stages whose caches are flushed when a key is changed. */
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
    this.topic = meterTopic(this, 'Topic', names.invalidationsTopic);
    this.deadLetterQueue = failedQueue(this, 'Failed', settings, 'invalidations');
    this.cachingStages = props.cachingStages ?? [];
    if (this.cachingStages.length > 0) {
      this.fanout = this.addFanout(props);
    }
  }

  /** Subscribes a function to the topic. The dead-letter queue receives messages that cannot be delivered. */
  subscribe(subscriber: MeterFunction): void {
    const { deadLetterQueue } = this;
    acknowledge(subscriber, { 'CloudFormation-Validate::W3694': 'SNS can invoke an alias.' });
    this.topic.addSubscription(new LambdaSubscription(subscriber.live, { deadLetterQueue }));
  }

  private addFanout({ settings, fanoutConcurrency }: InvalidationProps): MeterFunction {
    const { cachingStages: stages } = this;
    const fanout = new MeterFunction(this, 'Fanout', {
      settings,
      service: 'invalidation-fanout',
      description: "Flushes API Gateway's caches of authorizer results when a key is changed",
      reservedConcurrency: fanoutConcurrency,
      functionSettings: {
        stages: stages.map((stage) => `${stage.apiId}/${stage.stageName}`).join(','),
      } satisfies FunctionSettings<'invalidation-fanout'>,
      deadLetterQueue: this.deadLetterQueue,
    });
    const { partition, region } = Stack.of(this);
    for (const { apiId, stageName } of stages) {
      const cache = `/restapis/${apiId}/stages/${stageName}/cache/authorizers`;
      fanout.allow(['apigateway:DELETE'], [`arn:${partition}:apigateway:${region}::${cache}`]);
    }
    this.subscribe(fanout);
    return fanout;
  }
}
