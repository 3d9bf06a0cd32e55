import { Duration } from 'aws-cdk-lib';
import { AuthorizationType, IAuthorizer, IRestApi, RequestAuthorizer } from 'aws-cdk-lib/aws-apigateway';
import { IHttpApi, IHttpRouteAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2';
import { AttributeType, ITable, ProjectionType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Alias } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { LambdaSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { FreeSettings } from '../function-settings';
import environment from '../generated/environment.json';
import defaults from '../generated/settings.json';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { ApiAttachments } from './api-attachments';
import { Invalidation } from './invalidation';
import { MeterFunction } from './meter-function';
import { meterTable } from './meter-table';

export interface ApiKeyAuthorizerProps {
  readonly settings: MeterSettings;
  /** Where changes of keys are told. */
  readonly invalidation: Invalidation;
  /** The ledger, for monthly limits. */
  readonly usageTable: ITable;
  /** How old an instance's last look at the invalidation log may be, up to a minute; one second where it is not given. */
  readonly syncInterval?: Duration;
  /** Further settings of the authorizer, for example `cacheTtlMs`. */
  readonly authorizerSettings?: FreeSettings<'api-authorizer'>;
}

/** How a REST API asks the authorizer. */
export interface RestAttachmentOptions {
  /** For how long API Gateway may repeat an answer without asking, up to an hour; not at all where it is not given. If
   * the cache cannot be emptied, a deleted key is admitted for as long, instead of the sync interval. The stages of the
   * API have to be among `cachingStages` of the invalidation. */
  readonly cacheTtl?: Duration;
}

/** The longest sync interval that the function accepts, in milliseconds. */
const MAX_SYNC_INTERVAL_MS = Number(environment['api-authorizer'].syncIntervalMs.max);

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
  private readonly attachments: ApiAttachments;
  private madeRestAuthorizer?: RequestAuthorizer;

  constructor(scope: Construct, id: string, props: ApiKeyAuthorizerProps) {
    super(scope, id);
    const { settings, invalidation } = props;
    this.syncInterval = checkedSyncInterval(props.syncInterval ?? Duration.millis(defaults.syncIntervalMs));
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
      functionSettings: {
        ...props.authorizerSettings,
        keysTable: this.keysTable.tableName,
        invalidationsTable: invalidation.table.tableName,
        usageTable: props.usageTable.tableName,
        alertsTable: this.alertsTable.tableName,
        alertsTopicArn: this.alertsTopic.topicArn,
        syncIntervalMs: this.syncInterval.toMilliseconds(),
      },
      deadLetterQueue: invalidation.deadLetterQueue,
    });
    this.authorizer.allow(['dynamodb:GetItem'], [this.keysTable.tableArn]);
    this.authorizer.allow(
      ['dynamodb:Query'],
      [`${this.keysTable.tableArn}/index/${INDEX}`, invalidation.table.tableArn, props.usageTable.tableArn],
    );
    this.authorizer.allow(['dynamodb:PutItem', 'dynamodb:UpdateItem'], [this.alertsTable.tableArn]);
    this.authorizer.allow(['sns:Publish'], [this.alertsTopic.topicArn]);
    acknowledge(this.authorizer, { 'CloudFormation-Validate::W3694': 'SNS invokes an alias as it does a function.' });
    invalidation.topic.addSubscription(
      new LambdaSubscription(this.authorizer.live, { deadLetterQueue: invalidation.deadLetterQueue }),
    );
    this.attachments = new ApiAttachments(this, {
      environment: settings.environment,
      live: this.authorizer.live,
      cachingStages: invalidation.cachingStages,
    });
  }

  /** For `defaultMethodOptions` of one REST API in the meter's own stack, which can be set only before the API is made.
   * Any other REST API takes `authorizerFor`. */
  get restAuthorizer(): RequestAuthorizer {
    // CDK refuses an authorizer that no method takes, so it is made when it is asked for.
    this.madeRestAuthorizer ??= new RequestAuthorizer(this, 'RestAuthorizer', {
      handler: this.authorizer.live,
      identitySources: [],
      // The function remembers and the gateway does not, so that the bound holds.
      resultsCacheTtl: Duration.seconds(defaults.authorizerCacheTtlS),
    });
    return this.madeRestAuthorizer;
  }

  /** For the methods that this app adds to a REST API, its own or an imported one, in any stack. */
  authorizerFor(api: IRestApi, options: RestAttachmentOptions = {}): IAuthorizer {
    return { authorizerId: this.attachTo(api, options), authorizationType: AuthorizationType.CUSTOM };
  }

  /** Adds the authorizer to a REST API whose methods are not made here, once. Returns its id, which each of those
   * methods then names, with the authorization type CUSTOM. Where only the API's id is known, the authorizer is made in
   * the meter's stack. */
  attachTo(api: IRestApi | string, options: RestAttachmentOptions = {}): string {
    return this.attachments.rest(api, options.cacheTtl ?? Duration.seconds(defaults.authorizerCacheTtlS));
  }

  /** For the routes that this app adds to HTTP APIs, as many as there are, in any stack. */
  get httpAuthorizer(): IHttpRouteAuthorizer {
    return {
      bind: ({ route }) => ({
        authorizerId: this.attachToHttp(route.httpApi),
        authorizationType: AuthorizationType.CUSTOM,
      }),
    };
  }

  /** Adds the authorizer to an HTTP API whose routes are not made here, once. Returns its id, which each of those
   * routes then names, with the authorization type CUSTOM. */
  attachToHttp(api: IHttpApi | string): string {
    return this.attachments.http(api);
  }
}

/** The interval, if the function takes it. */
function checkedSyncInterval(interval: Duration): Duration {
  if (interval.toMilliseconds({ integral: false }) > MAX_SYNC_INTERVAL_MS) {
    throw new Error(
      `The authorizer cannot look at the invalidation log every ${interval.toHumanString()} only: set syncInterval to a minute or less.`,
    );
  }
  return interval;
}
