import { createHash } from 'node:crypto';
import { Duration, Stack, Token } from 'aws-cdk-lib';
import { CfnAuthorizer, IRestApi } from 'aws-cdk-lib/aws-apigateway';
import { CfnAuthorizer as CfnHttpAuthorizer, IHttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Alias } from 'aws-cdk-lib/aws-lambda';
import { Construct, IConstruct } from 'constructs';
import { CachingStage } from './invalidation';

/** The longest time for which API Gateway caches a result of an authorizer, in seconds.
 *
 * Source: API Gateway API Reference, `CreateAuthorizer`, `authorizerResultTtlInSeconds`. */
const MAX_CACHE_TTL_S = 3_600;

/** The name of the authorizers in API Gateway. */
const NAME = 'usage-meter';

export interface ApiAttachmentsProps {
  /** The environment of the meter. It distinguishes the constructs of several meters in one API. */
  readonly environment: string;
  /** The authorizer function. */
  readonly live: Alias;
  /** The stages whose caches are flushed when a key is changed. */
  readonly cachingStages: CachingStage[];
}

interface Attachment {
  readonly authorizerId: string;
  readonly cacheTtlS: number;
}

/**
 * The API Gateway authorizers that invoke one function, one per API.
 *
 * An authorizer and its permission to invoke the function are created in the stack of the API. So the stack of an API
 * depends on the stack of the meter, and never the other way round.
 */
export class ApiAttachments {
  private readonly attachments = new Map<string, Attachment>();

  constructor(
    private readonly scope: Construct,
    private readonly props: ApiAttachmentsProps,
  ) {}

  /** Returns the id of the authorizer of a REST API, which is created on the first call. */
  rest(api: IRestApi | string, cacheTtl: Duration): string {
    const restApiId = typeof api === 'string' ? api : api.restApiId;
    const cacheTtlS = this.checkedCacheTtl(restApiId, cacheTtl);
    return this.once(restApiId, cacheTtlS, () => {
      const scope = this.scopeFor(api, restApiId);
      const authorizer = new CfnAuthorizer(scope, 'Authorizer', {
        name: NAME,
        restApiId,
        type: 'REQUEST',
        authorizerUri: this.authorizerUri(),
        authorizerResultTtlInSeconds: cacheTtlS,
        // The key of the cache. Without a cache it is empty, so that calls without an API key reach the function, which
        // returns the reason of the denial. The property is required.
        // Source: API Gateway API Reference, `CreateAuthorizer`, `identitySource`.
        identitySource: cacheTtlS > 0 ? 'method.request.header.x-api-key' : '',
      });
      const deployment = typeof api === 'string' ? undefined : api.latestDeployment;
      // A stage uses a changed authorizer only after a new deployment.
      deployment?.node.addDependency(authorizer);
      deployment?.addToLogicalId({ usageMeter: { environment: this.props.environment, cacheTtlS } });
      return this.allow(scope, restApiId, authorizer.ref);
    });
  }

  /** Returns the id of the authorizer of an HTTP API, which is created on the first call. */
  http(api: IHttpApi | string): string {
    const apiId = typeof api === 'string' ? api : api.apiId;
    return this.once(apiId, 0, () => {
      const scope = this.scopeFor(api, apiId);
      const authorizer = new CfnHttpAuthorizer(scope, 'Authorizer', {
        name: NAME,
        apiId,
        authorizerType: 'REQUEST',
        authorizerUri: this.authorizerUri(),
        authorizerPayloadFormatVersion: '2.0',
        enableSimpleResponses: true,
        authorizerResultTtlInSeconds: 0,
        // API Gateway answers a call without the header with 401, without an invocation.
        // Source: API Gateway V2 API Reference, `CreateAuthorizer`, `identitySource`.
        identitySource: ['$request.header.x-api-key'],
      });
      return this.allow(scope, apiId, authorizer.ref);
    });
  }

  private once(apiId: string, cacheTtlS: number, create: () => string): string {
    const found = this.attachments.get(apiId) ?? { authorizerId: create(), cacheTtlS };
    if (found.cacheTtlS !== cacheTtlS) {
      throw new Error(
        `The API ${apiId} already has the meter's authorizer with a cacheTtl of ${found.cacheTtlS} s: set the same instead of ${cacheTtlS} s.`,
      );
    }
    this.attachments.set(apiId, found);
    return found.authorizerId;
  }

  /** Creates the scope for the resources of an API: in the API, or in the meter if only the API's id is known. */
  private scopeFor(api: IConstruct | string, apiId: string): Construct {
    if (typeof api !== 'string') {
      return new Construct(api, `UsageMeter-${this.props.environment}`);
    }
    return new Construct(
      this.scope,
      `Api-${Token.isUnresolved(apiId) ? digest(Stack.of(this.scope).resolve(apiId)) : apiId}`,
    );
  }

  private authorizerUri(): string {
    const { live } = this.props;
    const { partition, region } = Stack.of(live);
    return `arn:${partition}:apigateway:${region}:lambda:path/2015-03-31/functions/${live.functionArn}/invocations`;
  }

  /** Lets this authorizer of this API, and nothing else of API Gateway, invoke the function. */
  private allow(scope: Construct, apiId: string, authorizerId: string): string {
    const { partition, region, account } = Stack.of(scope);
    this.props.live.addPermission('Permission', {
      scope,
      principal: new ServicePrincipal('apigateway.amazonaws.com'),
      sourceArn: `arn:${partition}:execute-api:${region}:${account}:${apiId}/authorizers/${authorizerId}`,
    });
    return authorizerId;
  }

  private checkedCacheTtl(restApiId: string, cacheTtl: Duration): number {
    const seconds = cacheTtl.toSeconds({ integral: false });
    if (!(Number.isInteger(seconds) && seconds <= MAX_CACHE_TTL_S)) {
      throw new Error(
        `API Gateway cannot cache a result for ${seconds} s: set cacheTtl to whole seconds up to ${MAX_CACHE_TTL_S}.`,
      );
    }
    if (seconds > 0 && !this.props.cachingStages.some(({ apiId }) => apiId === restApiId)) {
      throw new Error(
        `Results for the API ${restApiId} would be cached for ${seconds} s, and no stage of it is flushed when a key is ` +
          'changed: add its stages to cachingStages of the Invalidation, or omit cacheTtl.',
      );
    }
    return seconds;
  }
}

/** Returns a name for an id that is known only at deployment. */
function digest(resolved: unknown): string {
  return createHash('sha256').update(JSON.stringify(resolved)).digest('hex').slice(0, 8);
}
