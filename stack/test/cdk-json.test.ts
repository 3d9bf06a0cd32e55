import * as fs from 'node:fs';
import * as path from 'node:path';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { MockIntegration, RequestAuthorizer, RestApi } from 'aws-cdk-lib/aws-apigateway';
import { Template } from 'aws-cdk-lib/assertions';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { expect, test } from 'vitest';

const { context } = JSON.parse(fs.readFileSync(path.join(__dirname, '../cdk.json'), 'utf8')) as {
  context: Record<string, unknown>;
};

/** Returns the logical id of the deployment of a REST API whose authorizer has this cache TTL. */
function deploymentOf(resultsCacheTtl: Duration): string | undefined {
  const stack = new Stack(new App({ context }), 'Stack');
  const handler = new LambdaFunction(stack, 'Authorizer', {
    runtime: Runtime.NODEJS_24_X,
    handler: 'a.b',
    code: Code.fromInline('1'),
  });
  const authorizer = new RequestAuthorizer(stack, 'Request', {
    handler,
    identitySources: ['method.request.header.x-api-key'],
    resultsCacheTtl,
  });
  new RestApi(stack, 'Api').root.addMethod('GET', new MockIntegration(), { authorizer });
  return Object.keys(Template.fromStack(stack).findResources('AWS::ApiGateway::Deployment'))[0];
}

// API Gateway uses the methods and authorizers of a deployment. CDK creates a new one if its logical id differs.
test('a changed authorizer causes a new deployment of a REST API, by the context of cdk.json', () => {
  expect(deploymentOf(Duration.seconds(0))).toBe(deploymentOf(Duration.seconds(0)));
  expect(deploymentOf(Duration.seconds(60))).not.toBe(deploymentOf(Duration.seconds(0)));
});
