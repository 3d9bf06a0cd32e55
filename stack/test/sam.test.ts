import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accessLogFormat, ApiKind } from '../lib/access-log';
import { namesOf } from '../lib/names';
import { writeFiles } from '../release/files';
import { ofType, Template } from '../release/json';
import { samFiles } from '../release/sam';
import { Release, releaseTemplate } from '../release/template';
import { CLIENT } from '../verify/deployment';
import { OMITTED } from './ministack/gaps';
import { Ministack } from './ministack/server';
import { outputOf } from './run';

const ROOT = path.join(__dirname, '../..');
const VENV = path.join(ROOT, 'target/venv/bin');
const BINARIES = path.join(ROOT, 'target/lambda-local');
const RELEASE: Release = { version: '1.2.3', binaries: BINARIES, architecture: 'x86_64' };

/** Prints the template into which AWS transforms a SAM template. */
const TRANSLATE = `
import json, sys
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

class NoPolicies:
    def load(self):
        return {}

print(json.dumps(transform(yaml_parse(open(sys.argv[1]).read()), {}, NoPolicies())))
`;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-sam-'));
const fileOf = (kind: ApiKind) => path.join(folder, `${kind}-api.yaml`);

beforeAll(() => writeFiles(folder, samFiles()));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

async function translated(kind: ApiKind): Promise<Template> {
  const env = { ...process.env, AWS_DEFAULT_REGION: 'us-east-1' };
  return JSON.parse(await outputOf(path.join(VENV, 'python'), ['-c', TRANSLATE, fileOf(kind)], { env })) as Template;
}

describe.each([
  ['rest', 'ApiGateway', 'RestApi', 'AccessLogSetting'],
  ['http', 'ApiGatewayV2', 'Api', 'AccessLogSettings'],
] as const)('the SAM template of a %s API', (kind, service, type, accessLog) => {
  let template: Template;

  beforeAll(async () => {
    template = await translated(kind);
  });

  test('writes the access log of its only stage to the meter, in the format of the meter', () => {
    const stages = ofType(template.Resources, `AWS::${service}::Stage`);
    expect(stages.map(({ Properties }) => Properties[accessLog])).toEqual([
      { DestinationArn: { Ref: 'AccessLogGroupArn' }, Format: accessLogFormat(kind).toString() },
    ]);
  });

  test('has the authorizer of the production template on each method', () => {
    const [api] = ofType(template.Resources, `AWS::${service}::${type}`);
    const { paths, components } = api!.Properties.Body as Record<string, any>;
    const methods = Object.values(paths as Record<string, Record<string, { security: unknown }>>).flatMap((methodsOf) =>
      Object.values(methodsOf),
    );
    expect(methods.map(({ security }) => security)).toEqual([[{ UsageMeter: [] }]]);
    const { authorizerUri, ...authorizer } = components.securitySchemes.UsageMeter['x-amazon-apigateway-authorizer'];
    expect(authorizerUri['Fn::Sub'][1]).toEqual({ __FunctionArn__: { Ref: 'AuthorizerArn' } });
    expect(authorizerUri['Fn::Sub'][0]).toMatch(
      /:lambda:path\/2015-03-31\/functions\/\$\{__FunctionArn__\}\/invocations$/,
    );
    const { Resources } = releaseTemplate('production', RELEASE);
    const expected = ofType(Resources, `AWS::${service}::Authorizer`)[0]!.Properties;
    const ofHttp = {
      identitySource: expected.IdentitySource,
      authorizerPayloadFormatVersion: expected.AuthorizerPayloadFormatVersion,
      enableSimpleResponses: expected.EnableSimpleResponses,
    };
    expect(authorizer).toEqual({
      type: 'request',
      authorizerResultTtlInSeconds: expected.AuthorizerResultTtlInSeconds,
      // An empty identity source is left out.
      ...(expected.IdentitySource !== '' && ofHttp),
    });
  });

  test('lets the authorizers of the API invoke the function', () => {
    const permissions = ofType(template.Resources, 'AWS::Lambda::Permission').map(({ Properties }) => Properties);
    const [permission] = permissions.filter(({ FunctionName }) =>
      JSON.stringify(FunctionName).includes('AuthorizerArn'),
    );
    expect(JSON.stringify(permission!.SourceArn)).toContain('${__ApiId__}/authorizers/*');
  });

  test('passes cfn-lint before and after its translation', async () => {
    const file = path.join(folder, `${kind}.template.json`);
    fs.writeFileSync(file, JSON.stringify(template));
    await outputOf(path.join(VENV, 'cfn-lint'), ['--', fileOf(kind), file]);
  });
});

test('the outputs of the production template are not exported, so that a SAM template takes them as parameters', () => {
  const { Outputs } = releaseTemplate('production', RELEASE);
  expect(Object.keys(Outputs!)).toEqual(expect.arrayContaining(['AuthorizerArn', 'AccessLogGroupArn']));
  for (const output of Object.values(Outputs!)) expect(output).not.toHaveProperty('Export');
});

describe('a REST API of SAM beside the production stack', () => {
  const environment = 'sam';
  let ministack: Ministack;
  let url: string;

  const aws = (...words: string[]) => outputOf(path.join(VENV, 'aws'), words, { cwd: folder });
  const meter = async (...words: string[]) =>
    JSON.parse(
      await outputOf(path.join(ROOT, 'target/debug/meter'), [...words, '--aws', environment, '--json']),
    ) as Record<string, string | number>;

  /** Deploys a template and returns the outputs of the stack. */
  async function deploy(
    stack: string,
    file: string,
    parameters: Record<string, string>,
  ): Promise<Record<string, string>> {
    const overrides = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
    const words = ['--stack-name', stack, '--template-file', file, '--s3-bucket', 'artifacts'];
    const capabilities = ['--capabilities', 'CAPABILITY_IAM', 'CAPABILITY_AUTO_EXPAND'];
    await aws('cloudformation', 'deploy', ...words, ...capabilities, '--parameter-overrides', ...overrides);
    const described = JSON.parse(await aws('cloudformation', 'describe-stacks', '--stack-name', stack));
    const outputs = described.Stacks[0].Outputs as { OutputKey: string; OutputValue: string }[];
    return Object.fromEntries(outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
  }

  beforeAll(async () => {
    ministack = await Ministack.start(folder);
    ministack.useAsAws();
    await aws('s3', 'mb', 's3://artifacts');
    for (const service of fs.readdirSync(BINARIES).filter((name) => name !== 'architecture')) {
      const zip = path.join(folder, 'zips', `${service}.zip`);
      fs.mkdirSync(path.dirname(zip), { recursive: true });
      const words = ['-m', 'zipfile', '--create', zip, 'bootstrap'];
      await outputOf(path.join(VENV, 'python'), words, { cwd: path.join(BINARIES, service) });
    }
    await aws('s3', 'sync', '--quiet', 'zips', 's3://artifacts/usage-meter/1.2.3/x86_64/');
    const omit = Object.keys(OMITTED)
      .filter((place) => place !== 'Alarms/canary-missed')
      .join(',');
    const template = releaseTemplate('production', { ...RELEASE, omit });
    fs.writeFileSync(path.join(folder, 'meter.template.json'), JSON.stringify(template));
    const parameters = { Environment: environment, ArtifactsBucket: 'artifacts' };
    const { AuthorizerArn, AccessLogGroupArn } = await deploy('meter', 'meter.template.json', parameters);
    const outputs = { AuthorizerArn: AuthorizerArn!, AccessLogGroupArn: AccessLogGroupArn! };
    const { Url } = await deploy('orders', 'rest-api.yaml', outputs);
    const [, apiId] = /https:\/\/(\w+)\.execute-api\..*\/live\/orders$/.exec(Url!)!;
    url = `${ministack.apiUrl(apiId!, 'live')}/orders`;
  });
  afterAll(() => ministack?.stop());

  test('admits a key by the real authorizer, whose call is counted from a line of its access log', async () => {
    const { api_key: secret, api_key_id: key } = await meter('keys', 'create', '--owner', 'acme');
    const call = (headers: Record<string, string>) => fetch(url, { headers });
    expect((await call({ 'x-api-key': String(secret) })).status).toBe(200);
    expect((await call({ 'x-api-key': 'unknown' })).status).toBe(403);
    expect((await call({})).status).toBe(403);

    // The emulator writes no access log. The line has the format of the stage.
    const [stage] = ofType((await translated('rest')).Resources, 'AWS::ApiGateway::Stage');
    const { Format } = stage!.Properties.AccessLogSetting as { Format: string };
    const values: Record<string, string | number> = {
      'authorizer.apiKeyId': key!,
      requestTimeEpoch: Date.now(),
      status: '200',
    };
    const message = Format.replaceAll(/\$context\.([\w.]+)/g, (_, name: string) => String(values[name] ?? '-'));
    const logEvents = [{ id: '1', timestamp: Date.now(), message: message.replace('"id":"-"', '"id":"a"') }];
    const envelope = { messageType: 'DATA_MESSAGE', owner: '1', logGroup: 'a', logStream: 'b', logEvents };
    const Data = Buffer.from(JSON.stringify({ ...envelope, subscriptionFilters: ['usage'] }));
    const StreamName = namesOf(environment).stream;
    await new KinesisClient(CLIENT).send(new PutRecordCommand({ StreamName, PartitionKey: 'one', Data }));
    while ((await meter('usage', String(key))).calls !== 1) await new Promise((resolve) => setTimeout(resolve, 200));
  });
});
