import { Duration, Stack } from 'aws-cdk-lib';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnAuthorizer, RequestAuthorizer } from 'aws-cdk-lib/aws-apigateway';
import { AttributeType, ITable, ProjectionType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Alias } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { LambdaSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
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
  /** How old an instance's last look at the invalidation log may be. */
  readonly syncInterval: Duration;
  /** For the methods of a REST API. The function remembers; the gateway does not, so that the bound holds. */
  readonly restAuthorizer: RequestAuthorizer;

  constructor(scope: Construct, id: string, props: ApiKeyAuthorizerProps) {
    super(scope, id);
    const { settings, invalidation } = props;
    this.syncInterval = props.syncInterval ?? Duration.seconds(1);
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
        SYNC_INTERVAL_MS: String(this.syncInterval.toMilliseconds()),
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
    acknowledge(this.authorizer, { 'CloudFormation-Validate::W3694': 'SNS invokes an alias as it does a function.' });
    invalidation.topic.addSubscription(
      new LambdaSubscription(this.authorizer.live, { deadLetterQueue: invalidation.deadLetterQueue }),
    );
    this.restAuthorizer = new RequestAuthorizer(this, 'RestAuthorizer', {
      handler: this.authorizer.live,
      identitySources: [],
      resultsCacheTtl: Duration.seconds(0),
    });
  }

  /** Adds the authorizer to a REST API whose methods this app does not make. Returns its id, which each of those
   * methods then names, with the authorization type CUSTOM. */
  attachTo(restApiId: string): string {
    const { partition, region, account } = Stack.of(this);
    const { functionArn } = this.authorizer.live;
    const added = new CfnAuthorizer(this, `Authorizer-${restApiId}`, {
      name: 'usage-meter',
      restApiId,
      type: 'REQUEST',
      authorizerUri: `arn:${partition}:apigateway:${region}:lambda:path/2015-03-31/functions/${functionArn}/invocations`,
      authorizerResultTtlInSeconds: 0,
    });
    this.authorizer.live.addPermission(`Invoke-${restApiId}`, {
      principal: new ServicePrincipal('apigateway.amazonaws.com'),
      sourceArn: `arn:${partition}:execute-api:${region}:${account}:${restApiId}/authorizers/${added.ref}`,
    });
    return added.ref;
  }
}
