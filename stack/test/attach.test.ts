import { Duration, Stack } from 'aws-cdk-lib';
import { CfnRestApi, IRestApi, LogGroupLogDestination, MockIntegration, RestApi } from 'aws-cdk-lib/aws-apigateway';
import { CfnApi, HttpApi, HttpMethod, IHttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpUrlIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { accessLogFormat } from '../lib/access-log';
import { ApiKeyAuthorizer } from '../lib/constructs/api-key-authorizer';
import { Invalidation } from '../lib/constructs/invalidation';
import { all, Parts } from './parts';

const REST = 'AWS::ApiGateway::Authorizer';
const HTTP = 'AWS::ApiGatewayV2::Authorizer';

const integration = () => new HttpUrlIntegration('Backend', 'https://backend.example.com');

/** Returns the logical ids of the resources of a type. */
const ids = (template: Template, type: string) => Object.keys(template.findResources(type));

/** Returns the source ARNs of API Gateway's permissions to invoke the function. */
function permitted(template: Template): unknown[] {
  return all(template, 'AWS::Lambda::Permission')
    .filter(({ Principal }) => Principal === 'apigateway.amazonaws.com')
    .map(({ SourceArn }) => SourceArn);
}

/** Returns the ARN of an authorizer in the same stack, as in a permission. */
function arnOf(api: string | { Ref: string }, authorizer: string): unknown {
  const before = [
    'arn:',
    { Ref: 'AWS::Partition' },
    ':execute-api:',
    { Ref: 'AWS::Region' },
    ':',
    { Ref: 'AWS::AccountId' },
  ];
  const middle = typeof api === 'string' ? [`:${api}/authorizers/`] : [':', api, '/authorizers/'];
  return { 'Fn::Join': ['', [...before, ...middle, { Ref: authorizer }]] };
}

describe('a meter', () => {
  test('has no API Gateway authorizer without an API', () => {
    const parts = new Parts();
    parts.keys();
    expect(ids(parts.template(), REST)).toEqual([]);
    expect(() => parts.app.synth()).not.toThrow();
  });
});

describe('REST APIs', () => {
  test('that are given by id get one authorizer each, which alone may invoke the function', () => {
    const parts = new Parts();
    const keys = parts.keys();
    const id = keys.attachTo('theirs1');
    expect(keys.attachTo('theirs1')).toBe(id);
    keys.attachTo('theirs2');
    const template = parts.template();
    expect(all(template, REST).map(({ RestApiId }) => RestApiId)).toEqual(['theirs1', 'theirs2']);
    for (const authorizer of all(template, REST)) {
      expect(authorizer).toMatchObject({ Type: 'REQUEST', IdentitySource: '', AuthorizerResultTtlInSeconds: 0 });
      expect(JSON.stringify(authorizer.AuthorizerUri)).toMatch(
        /:lambda:path\/2015-03-31\/functions\/.+KeysAuthorizerLive.+\/invocations/,
      );
    }
    const [one, two] = ids(template, REST);
    expect(permitted(template)).toEqual([arnOf('theirs1', one!), arnOf('theirs2', two!)]);
  });

  test('of the same app can be given by construct, by id, and by the id of a CfnRestApi', () => {
    const parts = new Parts();
    const keys = parts.keys();
    const api = new RestApi(parts.stack, 'Orders');
    const raw = new CfnRestApi(parts.stack, 'Raw', { name: 'raw' });
    const other = new CfnRestApi(parts.stack, 'Other', { name: 'other' });
    api.root.addMethod('GET', new MockIntegration(), { authorizer: keys.authorizerFor(api) });
    expect(keys.attachTo(api)).toBe(keys.attachTo(api.restApiId));
    keys.attachTo(raw.ref);
    keys.attachTo(other.attrRestApiId);
    const template = parts.template();
    expect(all(template, REST).length).toBe(3);
    expect(permitted(template).length).toBe(3);
    expect(() => parts.app.synth()).not.toThrow();
  });

  test('of one app with methods have an authorizer each', () => {
    const parts = new Parts();
    const keys = parts.keys();
    const apis = ['Orders', 'Parcels'].map((name) => new RestApi(parts.stack, name));
    for (const api of apis) {
      const authorizer = keys.authorizerFor(api);
      api.root.addMethod('GET', new MockIntegration(), { authorizer });
      api.root.addResource('items', { defaultMethodOptions: { authorizer } }).addMethod('GET', new MockIntegration());
    }
    const template = parts.template();
    const made = Object.entries(template.findResources(REST)).map(([id, { Properties }]) => [
      Properties.RestApiId.Ref,
      id,
    ]);
    expect(made.length).toBe(2);
    const methods = all(template, 'AWS::ApiGateway::Method');
    expect(methods.length).toBe(4);
    for (const { RestApiId, AuthorizationType, AuthorizerId } of methods) {
      expect(AuthorizationType).toBe('CUSTOM');
      expect(made).toContainEqual([RestApiId.Ref, AuthorizerId.Ref]);
    }
    expect(permitted(template)).toEqual(made.map(([api, id]) => arnOf({ Ref: api }, id)));
  });

  test('get a new deployment after the authorizer', () => {
    const deploymentOf = (attaches: boolean) => {
      const parts = new Parts();
      const keys = parts.keys();
      const api = new RestApi(parts.stack, 'Orders');
      api.root.addMethod('GET', new MockIntegration());
      if (attaches) keys.attachTo(api);
      return Object.entries(parts.template().findResources('AWS::ApiGateway::Deployment'))[0]!;
    };
    const [[without], [id, deployment]] = [deploymentOf(false), deploymentOf(true)];
    expect(id).not.toBe(without);
    expect(JSON.stringify(deployment.DependsOn)).toContain('UsageMeter');
  });

  test('can have it as the default of their methods', () => {
    const parts = new Parts();
    const keys = parts.keys();
    const api = new RestApi(parts.stack, 'Orders', { defaultMethodOptions: { authorizer: keys.restAuthorizer } });
    api.root.addMethod('GET', new MockIntegration());
    const template = parts.template();
    expect(all(template, 'AWS::ApiGateway::Method')[0]!.AuthorizerId.Ref).toBe(ids(template, REST)[0]);
    expect(all(template, REST)[0]!.IdentitySource).toBe('');
  });

  test('that are imported can have it for added methods', () => {
    const parts = new Parts();
    const keys = parts.keys();
    const theirs = RestApi.fromRestApiAttributes(parts.stack, 'Theirs', {
      restApiId: 'theirs1',
      rootResourceId: 'root',
    });
    theirs.root
      .addResource('orders')
      .addMethod('GET', new MockIntegration(), { authorizer: keys.authorizerFor(theirs) });
    const template = parts.template();
    expect(all(template, 'AWS::ApiGateway::Method')[0]).toMatchObject({
      RestApiId: 'theirs1',
      AuthorizationType: 'CUSTOM',
      AuthorizerId: { Ref: ids(template, REST)[0] },
    });
  });

  test('can have the authorizers of two meters', () => {
    const parts = new Parts();
    const api = new RestApi(parts.stack, 'Orders');
    api.root.addMethod('GET', new MockIntegration());
    const others = { ...parts.settings, environment: 'others' };
    const invalidation = new Invalidation(parts.stack, 'OtherInvalidation', { settings: others });
    const second = new ApiKeyAuthorizer(parts.stack, 'OtherKeys', {
      settings: others,
      invalidation,
      usageTable: parts.pipeline.usageTable,
    });
    parts.keys().attachTo(api);
    second.attachTo(api);
    expect(all(parts.template(), REST).length).toBe(2);
  });
});

describe('HTTP APIs', () => {
  /** Source: API Gateway Developer Guide, "Control access to HTTP APIs with AWS Lambda authorizers". */
  const AUTHORIZER = {
    AuthorizerType: 'REQUEST',
    AuthorizerPayloadFormatVersion: '2.0',
    EnableSimpleResponses: true,
    AuthorizerResultTtlInSeconds: 0,
    IdentitySource: ['$request.header.x-api-key'],
  };

  test('of one app can have the authorizer for routes and as the default', () => {
    const parts = new Parts();
    const keys = parts.keys();
    const orders = new HttpApi(parts.stack, 'Orders', { defaultAuthorizer: keys.httpAuthorizer });
    const parcels = new HttpApi(parts.stack, 'Parcels');
    orders.addRoutes({ path: '/orders', methods: [HttpMethod.GET], integration: integration() });
    orders.addRoutes({ path: '/items', methods: [HttpMethod.GET], integration: integration() });
    parcels.addRoutes({
      path: '/parcels',
      methods: [HttpMethod.GET],
      integration: integration(),
      authorizer: keys.httpAuthorizer,
    });
    const template = parts.template();
    const made = Object.entries(template.findResources(HTTP)).map(([id, { Properties }]) => [Properties.ApiId.Ref, id]);
    expect(all(template, HTTP)).toEqual([expect.objectContaining(AUTHORIZER), expect.objectContaining(AUTHORIZER)]);
    const routes = all(template, 'AWS::ApiGatewayV2::Route');
    expect(routes.length).toBe(3);
    for (const { ApiId, AuthorizationType, AuthorizerId } of routes) {
      expect(AuthorizationType).toBe('CUSTOM');
      expect(made).toContainEqual([ApiId.Ref, AuthorizerId.Ref]);
    }
    expect(permitted(template)).toEqual(made.map(([api, id]) => arnOf({ Ref: api }, id)));
  });

  test('that are imported or given by id get one authorizer', () => {
    const parts = new Parts();
    const keys = parts.keys();
    const imported: IHttpApi = HttpApi.fromHttpApiAttributes(parts.stack, 'Theirs', { httpApiId: 'theirs1' });
    expect(keys.attachToHttp(imported)).toBe(keys.attachToHttp(imported));
    keys.attachToHttp('theirs2');
    keys.attachToHttp(new CfnApi(parts.stack, 'Raw', { name: 'raw', protocolType: 'HTTP' }).ref);
    const template = parts.template();
    const made = Object.entries(template.findResources(HTTP)).map(([id, { Properties }]) => [Properties.ApiId, id]);
    const apis = made.map(([api]) => api);
    expect(apis.length).toBe(3);
    expect(apis).toEqual(
      expect.arrayContaining(['theirs1', 'theirs2', { Ref: ids(template, 'AWS::ApiGatewayV2::Api')[0] }]),
    );
    const wanted = made.map(([api, id]) => JSON.stringify(arnOf(api, id)));
    expect(
      permitted(template)
        .map((arn) => JSON.stringify(arn))
        .sort(),
    ).toEqual(wanted.sort());
  });
});

describe('an API in another stack than the meter', () => {
  /** Adds API stacks to an app with a meter and synthesises them. CDK refuses stacks that depend on each other. */
  function synthesise(
    attach: (keys: ApiKeyAuthorizer, stack: Stack) => void,
    env?: { account: string; region: string },
  ) {
    const parts = new Parts(undefined, env);
    const apis = new Stack(parts.app, 'Apis', { env });
    attach(parts.keys(), apis);
    parts.app.synth();
    return {
      meter: parts.template(),
      apis: parts.template(apis),
      dependencies: [parts.stack, apis].map((stack) => stack.dependencies),
    };
  }

  const attachments: [string, string, (keys: ApiKeyAuthorizer, stack: Stack) => void][] = [
    [
      'a REST API',
      REST,
      (keys, stack) => {
        const api = new RestApi(stack, 'Orders');
        api.root.addMethod('GET', new MockIntegration(), { authorizer: keys.authorizerFor(api) });
      },
    ],
    [
      'an imported REST API',
      REST,
      (keys, stack) => {
        const api: IRestApi = RestApi.fromRestApiAttributes(stack, 'Orders', {
          restApiId: 'theirs1',
          rootResourceId: 'root',
        });
        api.root.addMethod('GET', new MockIntegration(), { authorizer: keys.authorizerFor(api) });
      },
    ],
    [
      'an HTTP API',
      HTTP,
      (keys, stack) => {
        const api = new HttpApi(stack, 'Orders', { defaultAuthorizer: keys.httpAuthorizer });
        api.addRoutes({ path: '/orders', methods: [HttpMethod.GET], integration: integration() });
      },
    ],
  ];

  test('writes its access log to a log group of the meter', () => {
    const parts = new Parts();
    const apis = new Stack(parts.app, 'Apis');
    const keys = parts.keys();
    const deployOptions = {
      accessLogDestination: new LogGroupLogDestination(parts.pipeline.accessLogGroup),
      accessLogFormat: accessLogFormat('rest'),
    };
    const api = new RestApi(apis, 'Orders', { deployOptions });
    api.root.addMethod('GET', new MockIntegration(), { authorizer: keys.authorizerFor(api) });
    expect(() => parts.app.synth()).not.toThrow();
    expect(all(parts.template(apis), 'AWS::ApiGateway::Stage')[0]!.AccessLogSetting.DestinationArn).toEqual({
      'Fn::ImportValue': expect.any(String),
    });
  });

  test.each(attachments)(
    '%s has its authorizer and permission in its own stack, which depends on that of the meter',
    (_, type, attach) => {
      for (const env of [undefined, { account: '123456789012', region: 'cn-north-1' }]) {
        const { meter, apis, dependencies } = synthesise(attach, env);
        expect([all(meter, type).length, all(apis, type).length]).toEqual([0, 1]);
        expect([permitted(meter).length, permitted(apis).length]).toEqual([0, 1]);
        expect(dependencies.map((each) => each.length)).toEqual([0, 1]);
        expect(JSON.stringify(all(apis, type)[0]!.AuthorizerUri)).toContain('Fn::ImportValue');
      }
    },
  );
});

describe('a cache of API Gateway', () => {
  const stages = [{ apiId: 'theirs1', stageName: 'v1' }];

  test('has the API key as its cache key', () => {
    const parts = new Parts();
    parts.keys(stages).attachTo('theirs1', { cacheTtl: Duration.minutes(5) });
    expect(all(parts.template(), REST)[0]).toMatchObject({
      AuthorizerResultTtlInSeconds: 300,
      IdentitySource: 'method.request.header.x-api-key',
    });
  });

  test('is possible for an API of this app', () => {
    const parts = new Parts();
    const api = new RestApi(parts.stack, 'Orders');
    const keys = parts.keys([{ apiId: api.restApiId, stageName: 'prod' }]);
    api.root.addMethod('GET', new MockIntegration(), {
      authorizer: keys.authorizerFor(api, { cacheTtl: Duration.minutes(5) }),
    });
    expect(() => parts.app.synth()).not.toThrow();
    expect(all(parts.template(), REST)[0]!.AuthorizerResultTtlInSeconds).toBe(300);
  });

  test.each<[string, Duration, RegExp]>([
    [
      'that is not flushed',
      Duration.minutes(5),
      /cached for 300 s.+add its stages to cachingStages of the Invalidation, or omit cacheTtl/,
    ],
    ['of more than an hour', Duration.hours(2), /cache a result for 7200 s: set cacheTtl to whole seconds up to 3600/],
    ['of half a second', Duration.millis(500), /for 0.5 s/],
  ])('%s is refused', (_, cacheTtl, message) => {
    expect(() => new Parts().keys().attachTo('theirs2', { cacheTtl })).toThrow(message);
  });

  test('is the same for all methods of an API', () => {
    const keys = new Parts().keys(stages);
    keys.attachTo('theirs1');
    expect(() => keys.attachTo('theirs1', { cacheTtl: Duration.minutes(5) })).toThrow(
      /already has the meter's authorizer with a cacheTtl of 0 s/,
    );
  });
});

test('a sync interval that the function does not accept is refused', () => {
  const parts = new Parts();
  const { settings, stack } = parts;
  const invalidation = new Invalidation(stack, 'Invalidation', { settings });
  const props = { settings, invalidation, usageTable: parts.pipeline.usageTable, syncInterval: Duration.hours(5) };
  expect(() => new ApiKeyAuthorizer(stack, 'Keys', props)).toThrow(
    /interval of 5 hours: set syncInterval to at most 60000 ms/,
  );
});
