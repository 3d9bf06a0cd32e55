import * as path from 'node:path';
import { outputOf } from './run';

const AWS = path.join(__dirname, '../../target/venv/bin/aws');

/** Runs the AWS CLI and returns the document that it prints. */
async function aws(...words: string[]): Promise<Record<string, unknown>> {
  const text = await outputOf(AWS, [...words, '--output', 'json']);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** An API that was there before the meter: with one open route, a stage, and an access log of its own. */
export interface OwnApi {
  readonly kind: 'rest' | 'http';
  readonly id: string;
  readonly stage: string;
  /** Returns the settings that `meter attach` changes. */
  settings(): Promise<unknown>;
}

const LOG = {
  destinationArn: 'arn:aws:logs:eu-central-1:000000000000:log-group:/their/access-log',
  format: '{"requestId":"$context.requestId","ip":"$context.identity.sourceIp","status":"$context.status"}',
};

/** Creates a REST API with `GET /orders`, which answers 200 by itself, and a preflight. */
async function createRestApi(): Promise<OwnApi> {
  const { id } = (await aws('apigateway', 'create-rest-api', '--name', 'orders')) as { id: string };
  const api = ['--rest-api-id', id];
  const { items } = (await aws('apigateway', 'get-resources', ...api)) as { items: { id: string }[] };
  const resource = ['create-resource', '--parent-id', items[0]!.id, '--path-part', 'orders'];
  const { id: resourceId } = (await aws('apigateway', ...resource, ...api)) as { id: string };
  for (const method of ['GET', 'OPTIONS']) {
    const of = [...api, '--resource-id', resourceId, '--http-method', method];
    await aws('apigateway', 'put-method', ...of, '--authorization-type', 'NONE');
    const templates = '{"application/json":"{\\"statusCode\\":200}"}';
    await aws('apigateway', 'put-integration', ...of, '--type', 'MOCK', '--request-templates', templates);
    await aws('apigateway', 'put-method-response', ...of, '--status-code', '200');
    await aws('apigateway', 'put-integration-response', ...of, '--status-code', '200');
  }
  const stage = 'v1';
  await aws('apigateway', 'create-deployment', ...api, '--stage-name', stage);
  const patches = Object.entries(LOG).map(([name, value]) => ({
    op: 'replace',
    path: `/accessLogSettings/${name}`,
    value,
  }));
  const operations = ['--patch-operations', JSON.stringify(patches)];
  await aws('apigateway', 'update-stage', ...api, '--stage-name', stage, ...operations);
  const settings = async () => {
    const { accessLogSettings } = await aws('apigateway', 'get-stage', ...api, '--stage-name', stage);
    const { items: authorizers } = await aws('apigateway', 'get-authorizers', ...api);
    const method = (name: string) =>
      aws('apigateway', 'get-method', ...api, '--resource-id', resourceId, '--http-method', name);
    const types = (await Promise.all(['GET', 'OPTIONS'].map(method))).map(({ authorizationType }) => authorizationType);
    return { accessLogSettings, authorizers: authorizers ?? [], types };
  };
  return { kind: 'rest', id, stage, settings };
}

/** Creates an HTTP API with `GET /orders` of a backend, whose stage deploys changes by itself. */
async function createHttpApi(backend: string): Promise<OwnApi> {
  const created = await aws('apigatewayv2', 'create-api', '--name', 'orders', '--protocol-type', 'HTTP');
  const id = created.ApiId as string;
  const api = ['--api-id', id];
  const integration = ['create-integration', '--integration-type', 'HTTP_PROXY', '--integration-method', 'GET'];
  const uri = ['--integration-uri', `${backend}/orders`, '--payload-format-version', '1.0'];
  const { IntegrationId } = (await aws('apigatewayv2', ...integration, ...api, ...uri)) as { IntegrationId: string };
  const target = ['--target', `integrations/${IntegrationId}`];
  await aws('apigatewayv2', 'create-route', ...api, '--route-key', 'GET /orders', ...target);
  const stage = '$default';
  const logs = ['--access-log-settings', `DestinationArn=${LOG.destinationArn},Format='${LOG.format}'`];
  await aws('apigatewayv2', 'create-stage', ...api, '--stage-name', stage, '--auto-deploy', ...logs);
  const settings = async () => {
    const { AccessLogSettings } = await aws('apigatewayv2', 'get-stage', ...api, '--stage-name', stage);
    const { Items: authorizers } = await aws('apigatewayv2', 'get-authorizers', ...api);
    const { Items: routes } = (await aws('apigatewayv2', 'get-routes', ...api)) as { Items: Record<string, unknown>[] };
    const types = routes.map(({ AuthorizationType }) => AuthorizationType ?? 'NONE');
    return { AccessLogSettings, authorizers, types };
  };
  return { kind: 'http', id, stage, settings };
}

/** Creates an API of a kind. `backend` answers the calls of an HTTP API. */
export function createOwnApi(kind: OwnApi['kind'], backend: string): Promise<OwnApi> {
  return kind === 'rest' ? createRestApi() : createHttpApi(backend);
}
