import { Duration } from 'aws-cdk-lib';
import { RequestAuthorizer } from 'aws-cdk-lib/aws-apigateway';
import { AttributeType, ITable, ProjectionType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Alias } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { LambdaSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { Invalidation } from './invalidation';
import { MeterFunction } from './meter-function';
import { meterTable } from './meter-table';

export interface ApiKeyAuthorizerProps {
  readonly settings: MeterSettings;
  readonly invalidation: Invalidation;
  /** The ledger, for monthly limits. */
  readonly usageTable: ITable;
  /** How old an instance's last look at the invalidation log may be. */
  readonly syncInterval?: Duration;
}

/** The index of keys by the digest of their secret. */
const INDEX = 'hashedKey-index';

/** The keys, and the function that admits them. */
export class ApiKeyAuthorizer extends Construct {
  readonly keysTable: Table;
  readonly alertsTable: Table;
  readonly alertsTopic: Topic;
  readonly authorizer: MeterFunction;
  /** For the methods of a REST API. The function remembers; the gateway does not, so that the bound holds. */
  readonly restAuthorizer: RequestAuthorizer;

  constructor(scope: Construct, id: string, props: ApiKeyAuthorizerProps) {
    super(scope, id);
    const { settings, invalidation } = props;
    const names = namesOf(settings.environment);
    const pk = { name: 'pk', type: AttributeType.STRING };
    this.keysTable = meterTable(this, 'Keys', { settings, tableName: names.keysTable, partitionKey: pk });
    this.keysTable.addGlobalSecondaryIndex({
      indexName: INDEX,
      partitionKey: { name: 'hashedKey', type: AttributeType.STRING },
      projectionType: ProjectionType.ALL,
    });
    this.alertsTable = meterTable(this, 'Alerts', { settings, tableName: names.alertsTable, partitionKey: pk });
    this.alertsTopic = new Topic(this, 'AlertsTopic', {
      topicName: names.alertsTopic,
      masterKey: Alias.fromAliasName(this, 'SnsKey', 'alias/aws/sns'),
      enforceSSL: true,
    });
    this.authorizer = new MeterFunction(this, 'Authorizer', {
      settings,
      service: 'api-authorizer',
      description: 'Admits API keys, and no deleted one',
      memoryMiB: 256,
      timeout: Duration.seconds(5),
      environment: {
        KEYS_TABLE: this.keysTable.tableName,
        INVALIDATIONS_TABLE: invalidation.table.tableName,
        USAGE_TABLE: props.usageTable.tableName,
        ALERTS_TABLE: this.alertsTable.tableName,
        ALERTS_TOPIC_ARN: this.alertsTopic.topicArn,
        SYNC_INTERVAL_MS: String((props.syncInterval ?? Duration.seconds(1)).toMilliseconds()),
      },
      deadLetterQueue: invalidation.deadLetterQueue,
    });
    this.authorizer.allow(['dynamodb:GetItem'], [this.keysTable.tableArn]);
    this.authorizer.allow(['dynamodb:Query'], [
      `${this.keysTable.tableArn}/index/${INDEX}`,
      invalidation.table.tableArn,
      props.usageTable.tableArn,
    ]);
    this.authorizer.allow(['dynamodb:PutItem', 'dynamodb:UpdateItem'], [this.alertsTable.tableArn]);
    this.authorizer.allow(['sns:Publish'], [this.alertsTopic.topicArn]);
    invalidation.topic.addSubscription(
      new LambdaSubscription(this.authorizer.function, { deadLetterQueue: invalidation.deadLetterQueue }),
    );
    this.restAuthorizer = new RequestAuthorizer(this, 'RestAuthorizer', {
      handler: this.authorizer.function,
      identitySources: [],
      resultsCacheTtl: Duration.seconds(0),
    });
  }
}
