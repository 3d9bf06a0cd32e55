import { Duration } from 'aws-cdk-lib';
import { AuthorizationType, IAuthorizer, IRestApi, RequestAuthorizer } from 'aws-cdk-lib/aws-apigateway';
import { IHttpApi, IHttpRouteAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2';
import { AttributeType, ITable, ProjectionType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { FunctionSettings } from '../function-settings';
import { AuthorizerSettings } from '../generated/free-settings';
import environment from '../generated/environment.json';
import defaults from '../generated/settings.json';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { ApiAttachments } from './api-attachments';
import { Invalidation } from './invalidation';
import { MeterFunction } from './meter-function';
import { meterTable } from './meter-table';
import { meterTopic } from './meter-topic';

export interface ApiKeyAuthorizerProps {
  readonly settings: MeterSettings;
  /** The invalidation log and topic, which publish changes of keys. */
  readonly invalidation: Invalidation;
  /** The ledger, for monthly limits. */
  readonly usageTable: ITable;
  /** The maximum age of an instance's last read of the invalidation log, at most a minute. Default: one second. */
  readonly syncInterval?: Duration;
  /** Further settings of the authorizer, for example `cacheTtlMs`. */
  readonly authorizerSettings?: AuthorizerSettings;
}

/** Options of the authorizer of a REST API. */
export interface RestAttachmentOptions {
  /** The time for which API Gateway caches a result of the authorizer, at most an hour. Default: no cache. If the cache
   * cannot be flushed, a deleted key is admitted for this time instead of the sync interval. The stages of the API have
   * to be among `cachingStages` of the invalidation. */
  readonly cacheTtl?: Duration;
}

/** The longest sync interval that the function accepts, in milliseconds. */
const MAX_SYNC_INTERVAL_MS = Number(environment['api-authorizer'].syncIntervalMs.max);

/** The index of the keys by the digest of their secret. */
const INDEX = 'hashedKey-index';

/** The table of API keys and the function that admits calls. */
export class ApiKeyAuthorizer extends Construct {
  readonly keysTable: Table;
  readonly alertsTable: Table;
  readonly alertsTopic: Topic;
  readonly authorizer: MeterFunction;
  /** The maximum age of an instance's last read of the invalidation log. */
  readonly syncInterval: Duration;
  private readonly attachments: ApiAttachments;
  private createdRestAuthorizer?: RequestAuthorizer;

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
    this.alertsTopic = meterTopic(this, 'AlertsTopic', names.alertsTopic);
    this.authorizer = new MeterFunction(this, 'Authorizer', {
      settings,
      service: 'api-authorizer',
      description: 'Admits calls with a valid API key',
      functionSettings: {
        ...props.authorizerSettings,
        keysTable: this.keysTable.tableName,
        invalidationsTable: invalidation.table.tableName,
        usageTable: props.usageTable.tableName,
        alertsTable: this.alertsTable.tableName,
        alertsTopicArn: this.alertsTopic.topicArn,
        syncIntervalMs: this.syncInterval.toMilliseconds(),
      } satisfies FunctionSettings<'api-authorizer'>,
      deadLetterQueue: invalidation.deadLetterQueue,
    });
    this.authorizer.allow(['dynamodb:GetItem'], [this.keysTable.tableArn]);
    this.authorizer.allow(
      ['dynamodb:Query'],
      [`${this.keysTable.tableArn}/index/${INDEX}`, invalidation.table.tableArn, props.usageTable.tableArn],
    );
    this.authorizer.allow(['dynamodb:PutItem', 'dynamodb:UpdateItem'], [this.alertsTable.tableArn]);
    this.authorizer.allow(['sns:Publish'], [this.alertsTopic.topicArn]);
    invalidation.subscribe(this.authorizer);
    this.attachments = new ApiAttachments(this, {
      environment: settings.environment,
      live: this.authorizer.live,
      cachingStages: invalidation.cachingStages,
    });
  }

  /** The authorizer for `defaultMethodOptions` of one REST API in the meter's own stack, which has to exist before the
   * API. Use `authorizerFor` for any other REST API. */
  get restAuthorizer(): RequestAuthorizer {
    // CDK refuses an authorizer without methods, so it is created on first use.
    this.createdRestAuthorizer ??= new RequestAuthorizer(this, 'RestAuthorizer', {
      handler: this.authorizer.live,
      identitySources: [],
      // The function caches keys. A cache of API Gateway would break the bound on the admission of deleted keys.
      resultsCacheTtl: Duration.seconds(defaults.authorizerCacheTtlS),
    });
    return this.createdRestAuthorizer;
  }

  /** Returns the authorizer for methods that this app adds to a REST API, its own or an imported one, in any stack. */
  authorizerFor(api: IRestApi, options: RestAttachmentOptions = {}): IAuthorizer {
    return { authorizerId: this.attachTo(api, options), authorizationType: AuthorizationType.CUSTOM };
  }

  /** Adds the authorizer to a REST API whose methods this app does not create, and returns its id for these methods.
   * Their authorization type is CUSTOM. Further calls return the same id. If only the API's id is known, the authorizer
   * is created in the meter's stack. */
  attachTo(api: IRestApi | string, options: RestAttachmentOptions = {}): string {
    return this.attachments.rest(api, options.cacheTtl ?? Duration.seconds(defaults.authorizerCacheTtlS));
  }

  /** The authorizer for routes that this app adds to any number of HTTP APIs, in any stack. */
  get httpAuthorizer(): IHttpRouteAuthorizer {
    return {
      bind: ({ route }) => ({
        authorizerId: this.attachToHttp(route.httpApi),
        authorizationType: AuthorizationType.CUSTOM,
      }),
    };
  }

  /** Adds the authorizer to an HTTP API whose routes this app does not create, and returns its id for these routes.
   * Their authorization type is CUSTOM. Further calls return the same id. */
  attachToHttp(api: IHttpApi | string): string {
    return this.attachments.http(api);
  }
}

/** Returns the interval if the function accepts it, and throws an error otherwise. */
function checkedSyncInterval(interval: Duration): Duration {
  if (interval.toMilliseconds({ integral: false }) > MAX_SYNC_INTERVAL_MS) {
    throw new Error(
      `The authorizer does not accept a sync interval of ${interval.toHumanString()}: set syncInterval to at most ${MAX_SYNC_INTERVAL_MS} ms.`,
    );
  }
  return interval;
}
