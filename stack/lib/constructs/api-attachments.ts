import { createHash } from 'node:crypto';
import { Duration, Stack, Token } from 'aws-cdk-lib';
import { CfnAuthorizer, IRestApi } from 'aws-cdk-lib/aws-apigateway';
import { CfnAuthorizer as CfnHttpAuthorizer, IHttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Alias } from 'aws-cdk-lib/aws-lambda';
import { Construct, IConstruct } from 'constructs';
import { CachingStage } from './invalidation';

/** How long API Gateway can keep an authorizer's answer.
 *
 * Source: API Gateway API Reference, `CreateAuthorizer`, `authorizerResultTtlInSeconds`. */
const MAX_CACHE_TTL_S = 3_600;

/** The name that an authorizer has in the console. */
const NAME = 'usage-meter';

export interface ApiAttachmentsProps {
  /** The environment of the meter, which tells its parts of an API from those of another meter. */
  readonly environment: string;
  /** The function that is asked. */
  readonly live: Alias;
  /** The stages whose caches are emptied when a key is changed. */
  readonly cachingStages: CachingStage[];
}

interface Attachment {
  readonly authorizerId: string;
  readonly cacheTtlS: number;
}

/**
 * The authorizers of the APIs that ask one function, one for each API.
 *
 * An authorizer and the permission to ask the function are made where the API is: so the stack of an API depends on
 * the stack of the meter, and never the other way round.
 */
export class ApiAttachments {
  private readonly attachments = new Map<string, Attachment>();

  constructor(
    private readonly scope: Construct,
    private readonly props: ApiAttachmentsProps,
  ) {}

  /** The id of the authorizer of a REST API, which is made where there is none yet. */
  rest(api: IRestApi | string, cacheTtl: Duration): string {
    const restApiId = typeof api === 'string' ? api : api.restApiId;
    const cacheTtlS = this.checkedCacheTtl(restApiId, cacheTtl);
    return this.once(restApiId, cacheTtlS, () => {
      const place = this.place(api, restApiId);
      const authorizer = new CfnAuthorizer(place, 'Authorizer', {
        name: NAME,
        restApiId,
        type: 'REQUEST',
        authorizerUri: this.authorizerUri(),
        authorizerResultTtlInSeconds: cacheTtlS,
        // What a cached answer is found by. Without a cache the function says what is wrong with a call that has no
        // key; the property has to be there all the same.
        // Source: API Gateway API Reference, `CreateAuthorizer`, `identitySource`.
        identitySource: cacheTtlS > 0 ? 'method.request.header.x-api-key' : '',
      });
      const deployment = typeof api === 'string' ? undefined : api.latestDeployment;
      // A stage serves another authorizer only after a new deployment.
      deployment?.node.addDependency(authorizer);
      deployment?.addToLogicalId({ usageMeter: { environment: this.props.environment, cacheTtlS } });
      return this.allow(place, restApiId, authorizer.ref);
    });
  }

  /** The id of the authorizer of an HTTP API, which is made where there is none yet. */
  http(api: IHttpApi | string): string {
    const apiId = typeof api === 'string' ? api : api.apiId;
    return this.once(apiId, 0, () => {
      const place = this.place(api, apiId);
      const authorizer = new CfnHttpAuthorizer(place, 'Authorizer', {
        name: NAME,
        apiId,
        authorizerType: 'REQUEST',
        authorizerUri: this.authorizerUri(),
        authorizerPayloadFormatVersion: '2.0',
        enableSimpleResponses: true,
        authorizerResultTtlInSeconds: 0,
        // A call without the header is answered with 401, and costs no invocation.
        // Source: API Gateway V2 API Reference, `CreateAuthorizer`, `identitySource`.
        identitySource: ['$request.header.x-api-key'],
      });
      return this.allow(place, apiId, authorizer.ref);
    });
  }

  private once(apiId: string, cacheTtlS: number, make: () => string): string {
    const found = this.attachments.get(apiId) ?? { authorizerId: make(), cacheTtlS };
    if (found.cacheTtlS !== cacheTtlS) {
      throw new Error(
        `The API ${apiId} has the meter's authorizer already, with a cacheTtl of ${found.cacheTtlS} s: it cannot have ${cacheTtlS} s as well.`,
      );
    }
    this.attachments.set(apiId, found);
    return found.authorizerId;
  }

  /** The construct in which what belongs to an API is made: within the API, or here where only its id is known. */
  private place(api: IConstruct | string, apiId: string): Construct {
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

  /** Lets this authorizer of this API, and nothing else of API Gateway, ask the function. */
  private allow(place: Construct, apiId: string, authorizerId: string): string {
    const { partition, region, account } = Stack.of(place);
    this.props.live.addPermission('Permission', {
      scope: place,
      principal: new ServicePrincipal('apigateway.amazonaws.com'),
      sourceArn: `arn:${partition}:execute-api:${region}:${account}:${apiId}/authorizers/${authorizerId}`,
    });
    return authorizerId;
  }

  private checkedCacheTtl(restApiId: string, cacheTtl: Duration): number {
    const seconds = cacheTtl.toSeconds({ integral: false });
    if (!(Number.isInteger(seconds) && seconds <= MAX_CACHE_TTL_S)) {
      throw new Error(
        `API Gateway cannot keep an answer for ${seconds} s: set cacheTtl to whole seconds up to ${MAX_CACHE_TTL_S}.`,
      );
    }
    if (seconds > 0 && !this.props.cachingStages.some(({ apiId }) => apiId === restApiId)) {
      throw new Error(
        `Answers about the API ${restApiId} would be kept for ${seconds} s, and no stage of it is emptied when a key is ` +
          'changed: add its stages to cachingStages of the Invalidation, or leave cacheTtl out.',
      );
    }
    return seconds;
  }
}

/** A name for an id that is known only when the stack is deployed. */
function digest(resolved: unknown): string {
  return createHash('sha256').update(JSON.stringify(resolved)).digest('hex').slice(0, 8);
}
