import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import {
  ApiGatewayV2Client,
  UpdateAuthorizerCommand,
  UpdateRouteCommand,
  UpdateStageCommand,
} from '@aws-sdk/client-apigatewayv2';
import { DeleteStreamCommand, KinesisClient } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { routeId } from '../verify/checks/http-gateway';
import { CLIENT, Deployment, readDeployment, Resource } from '../verify/deployment';
import { line, verify } from '../verify/verify';
import { OMITTED, setUnset } from './ministack/gaps';
import { Project } from './ministack/project';
import { Ministack } from './ministack/server';
import { outputOf } from './run';

const BINARIES = path.join(__dirname, '../../target/lambda-local');
const METER = path.join(__dirname, '../../target/debug/meter');
const ENVIRONMENT = 'dev';
const optionsWithout = (paths: string[]) => ['us-east-1', '--binaries', BINARIES, '--omit', paths.join(',')];
const OPTIONS = optionsWithout(Object.keys(OMITTED));
const UNVERIFIED = [ENVIRONMENT, ...OPTIONS, '--no-verify'];

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-http-'));
let ministack: Ministack;
let project: Project;
let deployment: Deployment;
let url: string;

const meter = (...words: string[]) => execFileSync(METER, [...words, '--aws', ENVIRONMENT], { encoding: 'utf8' });

/** Returns the resources of the HTTP API whose type ends with `type`. */
const resourcesOf = (type: string): Resource[] =>
  deployment.resources.filter((each) => each.type === `AWS::ApiGatewayV2::${type}`);

function call(route: string, secret?: string): Promise<Response> {
  return fetch(`${url}${route}`, { headers: secret === undefined ? {} : { 'x-api-key': secret } });
}

beforeAll(async () => {
  ministack = await Ministack.start(folder);
  ministack.useAsAws();
  project = new Project(path.join(folder, 'project'));
  project.edit('stack/cdk.json', '"context": {', '"context": { "example": "http",');
  project.commit('an HTTP API as the example');
  const [program, ...words] = /run: (.*cdk bootstrap .*)/
    .exec((await project.run('deploy.sh', UNVERIFIED)).output)![1]!
    .split(' ');
  await outputOf(program!, words, { cwd: project.folder });
  // API Gateway has no role to write logs. HTTP APIs need none.
  const { status, output } = await project.run('deploy.sh', UNVERIFIED);
  expect(status, output).toBe(0);
  deployment = await readDeployment(`UsageMeter-${ENVIRONMENT}`);
  url = ministack.httpApiUrl(resourcesOf('Api')[0]!.physicalId!, ENVIRONMENT);
});

afterAll(async () => {
  await ministack?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('an HTTP API in front of the meter', () => {
  test('admits a key, returns its limit and usage, and denies it after its deletion, by the real authorizer', async () => {
    const { api_key_id: keyId, api_key: secret } = JSON.parse(
      meter('keys', 'create', '--owner', 'acme', '--monthly-limit', '10', '--json'),
    );
    const admitted = await call('/status/200', secret);
    expect([admitted.status, admitted.headers.get('x-ratelimit-limit')]).toEqual([200, '10']);
    expect((await call('/status/404', secret)).status).toBe(404);
    const usage = await call('/usage', secret);
    expect([usage.status, JSON.stringify(await usage.json())]).toEqual([200, expect.stringContaining(keyId)]);
    expect((await call('/status/200', `${secret}x`)).status).toBe(403);
    meter('keys', 'delete', keyId);
    while ((await call('/status/200', secret)).status !== 403) await new Promise((resolve) => setTimeout(resolve, 200));
  });

  test('answers 401 to a call without a key, without invoking the authorizer', async () => {
    expect([(await call('/status/200')).status, (await call('/usage')).status]).toEqual([401, 401]);
  });
});

describe('the verification', () => {
  const gateway = () => new ApiGatewayV2Client(CLIENT);
  /** Returns the problems of the API and its resources. ministack.test.ts covers other resources. */
  const problems = async () => {
    const resources = deployment.resources.filter((each) => each.path.startsWith('Example/'));
    expect(resources.length).toBeGreaterThan(10);
    return (await verify({ ...deployment, resources })).filter((found) => found.problems.length > 0).map(line);
  };

  test('finds nothing wrong', async () => {
    await setUnset(deployment);
    expect(await problems()).toEqual([]);
  });

  test('is a script that calls the API at any URL, also after a deployment', async () => {
    const words = ['--api-url', `${url}/status/200`, '--wait-at-most', '1'];
    const { status, output } = await project.run('verify-deployment.sh', [
      ENVIRONMENT,
      'us-east-1',
      ...words,
      '--without-counting',
    ]);
    expect(output).toContain('a call over its limit was denied\n');
    expect(status, output).toBe(0);
    const deployed = await project.run('deploy.sh', [ENVIRONMENT, ...OPTIONS, ...words]);
    expect(deployed.output).toContain(`A call to ${url}/status/200:`);
    expect(deployed.output).toContain('its call was admitted');
    // The emulator writes no access log.
    expect(deployed.output).toContain('FAIL  the call was not counted within 1 s');
    expect(deployed.status).toBe(1);
  });

  const CHANGES: [string, () => Promise<unknown>, RegExp][] = [
    [
      'an authorizer with a cache',
      () => {
        const { physicalId, properties } = resourcesOf('Authorizer')[0]!;
        return gateway().send(
          new UpdateAuthorizerCommand({
            ApiId: properties.ApiId as string,
            AuthorizerId: physicalId,
            AuthorizerResultTtlInSeconds: 300,
          }),
        );
      },
      /its cache TTL in seconds is 300, expected 0/,
    ],
    [
      'a route without an authorizer',
      () => {
        const route = resourcesOf('Route')[0]!;
        return gateway().send(
          new UpdateRouteCommand({
            ApiId: route.properties.ApiId as string,
            RouteId: routeId(route),
            AuthorizationType: 'NONE',
          }),
        );
      },
      /its authorization type is "NONE", expected "CUSTOM"/,
    ],
    [
      'an access log in another format',
      () => {
        const { properties } = resourcesOf('Stage')[0]!;
        const { DestinationArn } = properties.AccessLogSettings as { DestinationArn: string };
        return gateway().send(
          new UpdateStageCommand({
            ApiId: properties.ApiId as string,
            StageName: properties.StageName as string,
            AccessLogSettings: { DestinationArn, Format: '$context.requestId' },
          }),
        );
      },
      /the format of its access log is "\$context.requestId"/,
    ],
  ];

  test.each(CHANGES)('detects %s', async (_, change, message) => {
    const before = await problems();
    await change();
    const news = (await problems()).filter((problem) => !before.includes(problem));
    expect(news).toEqual([expect.stringMatching(message)]);
  });
});

describe('a deployment without an example', () => {
  // It has no canary, and so no alarm about it.
  const options = optionsWithout(Object.keys(OMITTED).filter((place) => place !== 'Alarms/canary-missed'));
  const deploy = (...words: string[]) =>
    project.run('deploy.sh', ['demo', ...options, '--set', 'example=none', ...words]);
  const tags = () => project.git('tag', '--list', 'deployed/demo/*');

  test('is verified and tagged, and makes no call', async () => {
    const first = await deploy('--no-verify');
    expect(first.status, first.output).toBe(0);
    await setUnset(await readDeployment('UsageMeter-demo'));
    const { status, output } = await deploy('--wait-at-most', '1');
    expect(status, output).toBe(0);
    expect(output).toMatch(/(\d+) of \1 match the template/);
    expect(output).toContain('No call was made: the stack has neither an example nor a canary-url.');
    expect(tags()).toMatch(/^deployed\/demo\/\d{8}T\d{6}Z\n$/);
  });

  test('is not tagged if a resource differs from the template', async () => {
    const before = tags();
    await new KinesisClient(CLIENT).send(new DeleteStreamCommand({ StreamName: 'usage-demo' }));
    const { status, output } = await deploy('--wait-at-most', '1');
    expect(output).toMatch(/FAIL {2}Kinesis::Stream Pipeline\/Stream/);
    expect(status).toBe(1);
    expect(tags()).toBe(before);
  });
});
