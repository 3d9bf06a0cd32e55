import { Match, Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import accessLog from '../lib/generated/access-log.json';
import { stackOf, templateOf } from '../verify/offline';
import { all } from './parts';

/** The resource types of the two kinds of API. */
const REST = 'AWS::ApiGateway::RestApi';
const HTTP = 'AWS::ApiGatewayV2::Api';

const apisOf = (template: Template) => [all(template, REST).length, all(template, HTTP).length];

describe('the example', () => {
  test('is a regional REST API by default, without a request validator', () => {
    const template = templateOf('test');
    expect(apisOf(template)).toEqual([1, 0]);
    expect(all(template, REST)[0]!.EndpointConfiguration.Types).toEqual(['REGIONAL']);
    expect(all(template, 'AWS::ApiGateway::RequestValidator')).toEqual([]);
  });

  test('does not set the role of API Gateway for logs by default', () => {
    expect(all(templateOf('test'), 'AWS::ApiGateway::Account')).toEqual([]);
    expect(all(templateOf('test', { 'account-role': 'yes' }), 'AWS::ApiGateway::Account').length).toBe(1);
  });

  test('retains the role of API Gateway for logs when the option is removed', () => {
    const template = templateOf('test', { 'account-role': 'yes' });
    const [account] = Object.values(template.findResources('AWS::ApiGateway::Account'));
    const role = template.findResources('AWS::IAM::Role')[account!.Properties.CloudWatchRoleArn['Fn::GetAtt'][0]];
    expect([account!.DeletionPolicy, role!.DeletionPolicy]).toEqual(['Retain', 'Retain']);
  });

  test('can be omitted, with its URL and usage endpoint', () => {
    const template = templateOf('test', { example: 'none' });
    expect(apisOf(template)).toEqual([0, 0]);
    expect(Object.keys(template.findOutputs('*'))).toEqual(['AccessLogGroupArn', 'AuthorizerArn']);
    const functions = all(template, 'AWS::Lambda::Function').map(({ FunctionName }) => FunctionName);
    expect(functions).not.toContain('usage-endpoint-test');
    expect(functions).toContain('usage-consumer-test');
  });

  test('can be an HTTP API, with its access-log format, the authorizer and the usage endpoint', () => {
    const { app, stack } = stackOf('test', { example: 'http' });
    const template = Template.fromStack(stack);
    expect(apisOf(template)).toEqual([0, 1]);
    template.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      StageName: 'test',
      AutoDeploy: true,
      AccessLogSettings: { Format: accessLog.httpFormat, DestinationArn: Match.anyValue() },
    });
    expect(
      all(template, 'AWS::ApiGatewayV2::Route')
        .map(({ RouteKey, AuthorizationType }) => `${RouteKey} ${AuthorizationType}`)
        .sort(),
    ).toEqual(['GET /status/{code} CUSTOM', 'GET /usage CUSTOM']);
    const [consumer] = all(template, 'AWS::Lambda::Function').filter(
      ({ FunctionName }) => FunctionName === 'usage-consumer-test',
    );
    expect(consumer!.Environment.Variables.UNBILLED_ROUTES.split(',')).toContain('/usage');
    expect(stack.resolve(stack.example!.statusUrl)['Fn::Join'][1].at(-1)).toBe('/test/status/200');
    // The synthesis fails on findings of cdk-nag that are not acknowledged.
    expect(() => app.synth()).not.toThrow();
  });

  test.each([
    ['example', 'websocket', /rest, http, none/],
    ['account-role', 'perhaps', /yes or no/],
  ])('refuses %s=%s', (name, value, message) => {
    expect(() => templateOf('test', { [name]: value })).toThrow(message);
  });
});

test('the backend of the example HTTP API answers with the status and the limit of the key', async () => {
  const template = templateOf('test', { example: 'http' });
  const [backend] = all(template, 'AWS::Lambda::Function').filter(
    ({ FunctionName }) => FunctionName === 'usage-example-test',
  );
  const module = { exports: {} as { handler: (event: unknown) => Promise<Record<string, unknown>> } };
  // oxlint-disable-next-line typescript/no-implied-eval -- The program is this repository's own.
  new Function('exports', backend!.Code.ZipFile)(module.exports);
  const call = (code: string, lambda: object) =>
    module.exports.handler({ pathParameters: { code }, requestContext: { authorizer: { lambda } } });
  expect(await call('404', { usageLimit: 10, remainingCalls: 0, usageResetSeconds: null })).toEqual({
    statusCode: 404,
    headers: { 'content-type': 'application/json', 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': '0' },
    body: '{"status":404}',
  });
  expect(await call('__proto__', {})).toMatchObject({ statusCode: 400 });
});
