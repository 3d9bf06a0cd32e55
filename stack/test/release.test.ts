import * as fs from 'node:fs';
import { createServer } from 'node:http';
import { AddressInfo } from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { namesOf } from '../lib/names';
import { Json, ofType, replaced, Template } from '../release/json';
import {
  Kind,
  KINDS,
  parametersIn,
  Release,
  releaseTemplate,
  synthesized,
  useUnpublishedPortal,
  withParameters,
} from '../release/template';
import { Block, blocksOf } from './doc-blocks';
import { LocalMeter } from './local-meter';
import { OMITTED } from './ministack/gaps';
import { Ministack } from './ministack/server';
import { Newcomer } from './newcomer';
import { createOwnApi } from './own-api';
import { installInto } from './packed';
import { PORTAL_KEY } from './parts';
import { outputOf } from './run';
import { Steps } from './steps';

const ROOT = path.join(__dirname, '../..');
const AWS = path.join(ROOT, 'target/venv/bin/aws');
const BINARIES = path.join(ROOT, 'target/lambda-local');
const RELEASE: Release = { version: '1.2.3', binaries: BINARIES, architecture: 'x86_64' };
const VALUES: Record<string, string> = {
  Environment: 'my-dev',
  Shards: '3',
  BatchWindowSeconds: '45',
  UsageRetentionDays: '500',
  AlarmTopicArn: 'arn:aws:sns:eu-central-1:123456789012:alarms',
  RestApiId: 'abc123',
  HttpApiId: 'def456',
  PortalPublicKeys: PORTAL_KEY,
  PortalFrameAncestors: 'https://app.example.com',
};
const OPTIONS = {
  environment: 'my-dev',
  shards: '3',
  'batch-window-s': '45',
  'usage-retention-days': '500',
  'alarm-topic': VALUES.AlarmTopicArn!,
  'portal-public-keys': VALUES.PortalPublicKeys!,
  'portal-frame-ancestors': VALUES.PortalFrameAncestors!,
};

/** Returns a template with values for parameters, as CloudFormation resolves it. */
function resolved(value: Json): Json {
  if (Array.isArray(value)) return value.map(resolved);
  if (typeof value !== 'object' || value === null) return value;
  const { Ref } = value;
  if (typeof Ref === 'string' && Ref in VALUES) return VALUES[Ref]!;
  const choice = value['Fn::If'] as Json[] | undefined;
  if (choice?.[0] === 'HasAlarmTopic') return resolved(choice[1]!);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolved(each)]));
}

/** Joins the texts of each `Fn::Join`, also of nested ones. */
function joined(value: Json): Json {
  if (Array.isArray(value)) return value.map(joined);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, each]): [string, Json] => [key, joined(each)]);
  const join = entries.find(([key]) => key === 'Fn::Join')?.[1] as [string, Json[]] | undefined;
  if (join?.[0] !== '') return Object.fromEntries(entries);
  const parts: Json[] = [];
  const inner = (part: Json) => (part as { 'Fn::Join'?: [string, Json[]] } | null)?.['Fn::Join'];
  for (const part of join[1].flatMap((each) => (typeof each === 'object' ? (inner(each)?.[1] ?? [each]) : [each]))) {
    if (typeof part === 'string' && typeof parts.at(-1) === 'string') parts.push(`${parts.pop() as string}${part}`);
    else parts.push(part);
  }
  return parts.length === 1 ? parts[0]! : { 'Fn::Join': ['', parts] };
}

/** Returns the resources without what CDK derives from the name of the stack: parts of logical ids, and hashes. */
function comparable({ Resources }: Template): string[] {
  const anonymous = (text: string | number) =>
    String(text)
      .replaceAll(/CurrentVersion[0-9A-Fa-f]+/g, 'CurrentVersion')
      .replaceAll(/[0-9A-F]{8}/g, '#')
      .replaceAll(/UsageMeter(Environment|mydev|my-dev)/g, 'UsageMeter')
      .replaceAll(/Stage(Environment|mydev)#/g, 'Stage#')
      .replaceAll(/KeysApi(Rest|abc123)/g, 'KeysApiRest')
      .replaceAll(/KeysApi(Http|def456)/g, 'KeysApiHttp');
  const texts = replaced(joined(resolved(Resources as unknown as Json)), anonymous) as Record<string, Json>;
  return Object.entries(texts)
    .map(([id, resource]) => `${anonymous(id)} ${JSON.stringify(resource)}`)
    .sort();
}

describe.each(KINDS)('the %s template', (kind: Kind) => {
  let template: Template;

  beforeEach(() => {
    template = releaseTemplate(kind, RELEASE);
  });

  test('has the resources that CDK synthesizes for the values of its parameters', () => {
    const expected = synthesized(kind, RELEASE, OPTIONS, { rest: VALUES.RestApiId!, http: VALUES.HttpApiId! });
    const tables = [expected, template].flatMap(({ Resources }) => ofType(Resources, 'AWS::DynamoDB::Table'));
    const protection = tables.map(({ Properties }) => Properties.DeletionProtectionEnabled);
    const byParameter = kind === 'production' ? { Ref: 'DeletionProtection' } : false;
    expect(protection).toEqual([
      ...Array.from({ length: 5 }, () => false),
      ...Array.from({ length: 5 }, () => byParameter),
    ]);
    for (const { Properties } of tables) delete Properties.DeletionProtectionEnabled;
    useUnpublishedPortal(expected.Resources);
    // The template adds conditions and descriptions of versions, and deletes a bucket, which CDK retains.
    for (const { Properties } of ofType(template.Resources, 'AWS::Lambda::Version')) delete Properties.Description;
    for (const resource of Object.values(template.Resources)) delete resource.Condition;
    for (const { Resources } of [expected, template]) {
      const [bucket] = Object.keys(Resources).filter((id) => Resources[id]!.Type === 'AWS::S3::Bucket');
      const policies = { DeletionPolicy: undefined, UpdateReplacePolicy: undefined };
      Resources[bucket!] = { ...Resources[bucket!]!, ...policies };
    }
    expect(comparable(template)).toEqual(comparable(expected));
  });

  test('uses each of its parameters, and nothing of CDK or of the synthesis', () => {
    // The ids of versions have a hash, in which any number may occur.
    const text = JSON.stringify(template).replaceAll(/CurrentVersion[0-9A-Fa-f]{40}/g, 'CurrentVersion');
    for (const name of Object.keys(template.Parameters!)) expect(text).toContain(`{"Ref":"${name}"}`);
    expect(text).not.toMatch(/zq|7919|35353|aws:cdk|cdk-|hnb659fds|BootstrapVersion/);
  });

  test('retains its data exactly if it is for production', () => {
    const policies = Object.values(template.Resources).flatMap(({ DeletionPolicy }) => DeletionPolicy ?? []);
    expect(policies.length).toBeGreaterThan(10);
    expect(new Set(policies)).toEqual(new Set([kind === 'production' ? 'RetainExceptOnCreate' : 'Delete']));
  });

  test('has a usage page exactly if there are public keys', () => {
    const { Resources, Outputs, Conditions } = template;
    expect(Conditions!.HasPortal).toEqual({ 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'PortalPublicKeys' }, ''] }] });
    const conditional = Object.entries(Resources).filter(([, { Condition }]) => Condition === 'HasPortal');
    expect(conditional.map(([, { Type }]) => Type).sort()).toEqual([
      'AWS::IAM::Policy',
      'AWS::IAM::Role',
      'AWS::Lambda::Alias',
      'AWS::Lambda::Function',
      'AWS::Lambda::Permission',
      'AWS::Lambda::Permission',
      'AWS::Lambda::Url',
      'AWS::Logs::LogGroup',
    ]);
    const ids = conditional.map(([id]) => id);
    const others = Object.entries(Resources).filter(([id]) => !ids.includes(id));
    for (const id of ids) expect(JSON.stringify(others)).not.toContain(`"${id}"`);
    expect(JSON.stringify(others)).not.toMatch(/portal/i);
    const referring = Object.entries(Outputs!).filter(([, output]) =>
      ids.some((id) => JSON.stringify(output).includes(`"${id}"`)),
    );
    expect(referring).toEqual([['PortalUrl', expect.objectContaining({ Condition: 'HasPortal' })]]);
  });

  test('has the usage page take new public keys at once, which a description of a version could not hold', () => {
    const ofPortal = (type: string) =>
      Object.entries(template.Resources).flatMap(([id, { Type, Properties }]) =>
        Type === type && id.startsWith('Portal') ? [Properties] : [],
      );
    expect(ofPortal('AWS::Lambda::Alias').map(({ FunctionVersion }) => FunctionVersion)).toEqual(['$LATEST']);
    expect(ofPortal('AWS::Lambda::Version')).toEqual([]);
    expect(parametersIn(ofPortal('AWS::Lambda::Function')[0]!.Environment!)).toEqual(
      expect.arrayContaining(['PortalFrameAncestors', 'PortalPublicKeys']),
    );
  });

  test('publishes a version of each function whose environment has a changed parameter', () => {
    const versions = ofType(template.Resources, 'AWS::Lambda::Version');
    const used = versions.map(({ Properties }) => {
      const { Ref } = Properties.FunctionName as { Ref: string };
      return [
        parametersIn(template.Resources[Ref]!.Properties.Environment!),
        parametersIn(Properties.Description ?? null),
      ];
    });
    for (const [ofFunction, ofVersion] of used) {
      expect(ofVersion).toEqual(ofFunction!.filter((name) => name !== 'Environment'));
    }
    expect(used.filter(([, ofVersion]) => ofVersion!.includes('UsageRetentionDays')).length).toBeGreaterThan(0);
  });
});

test('a logical id in which a number of a parameter happens to occur stays as it is', () => {
  const version = { Type: 'AWS::Lambda::Version', Properties: { Description: '293' } };
  const alias = {
    Type: 'AWS::Lambda::Alias',
    Properties: { FunctionVersion: { 'Fn::GetAtt': ['Version1293c', 'Version'] } },
  };
  expect(withParameters({ Resources: { Version1293c: version, Live: alias } })).toEqual({
    Resources: {
      Version1293c: { ...version, Properties: { Description: { Ref: 'BatchWindowSeconds' } } },
      Live: alias,
    },
  });
});

describe('a release', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-release-test-'));
  const dist = path.join(folder, 'dist');
  const environment = 'trial';
  const names = namesOf(environment);
  let ministack: Ministack;
  /** The steps of a newcomer without Rust, CDK or Node.js. */
  const steps = new Steps();
  let commands: string;
  let newcomer: Newcomer;
  let secretOfKey: string;

  const meter = (...words: string[]) => newcomer.run(environment, ...words);

  beforeAll(async () => {
    ministack = await Ministack.start(folder);
    ministack.useAsAws();
    const binaries = ['--functions', BINARIES, '--commands', path.join(ROOT, 'target/debug')];
    await outputOf(path.join(ROOT, 'target/debug/dev'), ['release', '--out', dist, '--without-licences', ...binaries]);
  });

  afterAll(async () => {
    await ministack?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
    steps.print();
  });

  test('has the files that its checksums list, and the commands with what they run', async () => {
    await outputOf('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: dist });
    const files = (fs.readdirSync(dist, { recursive: true }) as string[]).sort();
    expect(files).toEqual(
      expect.arrayContaining([
        'functions/x86_64/usage-consumer.zip',
        'sam/http-api.yaml',
        'terraform/meter/variables.tf',
        'usage-meter-stack-0.1.0.tgz',
        'usage_meter_stack-0.1.0-py3-none-any.whl',
      ]),
    );
    const archive = files.find((file) => file.endsWith('.tar.gz'))!;
    const unpack = ['--extract', '--file', path.join(dist, archive), '--directory', folder];
    await steps.run('unpack the commands', () => outputOf('tar', unpack));
    commands = path.join(folder, 'usage-meter-0.1.0');
    newcomer = new Newcomer(ministack, path.join(commands, 'meter'), steps);
    expect(await outputOf(path.join(commands, 'meter'), ['--version'])).toBe('meter 0.1.0\n');
    expect(fs.readdirSync(commands)).toEqual(
      expect.arrayContaining(['LICENSE', 'api-authorizer', 'completions', 'loadtest', 'man', 'usage-consumer']),
    );
    expect(fs.readdirSync(path.join(commands, 'man/man1'))).toContain('meter-keys.1');
  });

  test('runs everything on one machine from its archive alone', async () => {
    const local = await steps.run('start everything on one machine', () =>
      LocalMeter.startWith(path.join(commands, 'meter')),
    );
    try {
      await local.meter('traffic', '--calls', '100');
      const counted = async () => {
        const lines = (await local.meter('usage', '--all', '--by', 'total', '--json')).trim().split('\n');
        return lines.reduce((sum, text) => sum + (text === '' ? 0 : (JSON.parse(text) as { calls: number }).calls), 0);
      };
      await steps.run('see its calls counted', async () => {
        while ((await counted()) !== 70) await new Promise((resolve) => setTimeout(resolve, 200));
      });
    } finally {
      await local.stop();
    }
  });

  test('is deployed by CloudFormation alone, admits a key and counts its call', async () => {
    const aws = (...words: string[]) => outputOf(AWS, words, { cwd: dist });
    const template = 'usage-meter-trial.template.json';
    // The emulator lacks some resources, so that the template of the release is written without them.
    const omit = Object.keys(OMITTED)
      .filter((place) => place !== 'Alarms/canary-missed')
      .join(',');
    const written = releaseTemplate('trial', { ...RELEASE, version: '0.1.0', omit });
    fs.writeFileSync(path.join(dist, template), JSON.stringify(written));
    await steps.run('copy the functions to a bucket', async () => {
      await aws('s3', 'mb', 's3://artifacts');
      await aws('s3', 'sync', '--quiet', 'functions', 's3://artifacts/usage-meter/0.1.0/');
    });
    const stack = ['cloudformation', 'deploy', '--stack-name', 'meter', '--template-file', template];
    const bucket = ['--s3-bucket', 'artifacts', '--capabilities', 'CAPABILITY_IAM'];
    const parameters = ['--parameter-overrides', `Environment=${environment}`, 'ArtifactsBucket=artifacts'];
    await steps.run('deploy the stack', () => aws(...stack, ...bucket, ...parameters));
    const query = "Stacks[0].Outputs[?OutputKey=='ExampleUrl'].OutputValue";
    const shown = ['cloudformation', 'describe-stacks', '--stack-name', 'meter', '--output', 'text', '--query', query];
    const [, apiId] = /https:\/\/(\w+)\.execute-api/.exec(await aws(...shown))!;

    secretOfKey = await newcomer.countCall(environment, `${ministack.httpApiUrl(apiId!, environment)}/status/200`);
  });

  test('is deployed with CDK by an app in an empty folder', async () => {
    const app = path.join(folder, 'app');
    fs.mkdirSync(app);
    await steps.run('CDK: npm install', () => installInto(app, path.join(dist, 'usage-meter-stack-0.1.0.tgz')));
    const [{ code }] = blocksOf('stack/README.md', 'ts') as [Block];
    const withFunctions = code
      .replace("'target/lambda'", JSON.stringify(path.join(dist, 'functions/x86_64')))
      .replace('Architecture.ARM_64', 'Architecture.X86_64');
    fs.writeFileSync(path.join(app, 'app.ts'), withFunctions);
    const cdk = path.join(app, 'node_modules/.bin/cdk');
    await newcomer.deployReadme({ folder: app, cdk, command: 'npx tsx app.ts' }, 'CDK: ');
  });

  test.each(['rest', 'http'] as const)(
    'meters a %s API that was there before, and leaves it as it was',
    async (kind) => {
      const backend = createServer((_, response) => response.end('{}'));
      await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
      const { port } = backend.address() as AddressInfo;
      try {
        const api = await createOwnApi(kind, `http://127.0.0.1:${port}`);
        const before = await api.settings();
        const call = async (headers: Record<string, string> = {}) =>
          (await fetch(`${ministack.httpApiUrl(api.id, api.stage)}/orders`, { headers })).status;
        expect(await call()).toBe(200);

        const planned = await meter('attach', api.id, '--authorizer');
        expect(planned).toMatchObject({ api_id: api.id, kind, stage: api.stage, applied: false });
        expect(await api.settings()).toEqual(before);

        const made = await steps.run(`attach a ${kind} API`, () =>
          meter('attach', api.id, '--authorizer', '--apply', '--yes'),
        );
        expect(made).toEqual({ ...planned, applied: true });
        expect(JSON.stringify(await api.settings())).toContain(`log-group:${names.accessLogGroup}`);
        expect([await call(), await call({ 'x-api-key': 'unknown' })]).toEqual(
          kind === 'rest' ? [403, 403] : [401, 403],
        );
        expect(await call({ 'x-api-key': secretOfKey })).toBe(200);
        expect((await meter('attach', api.id, '--authorizer')).changes).toEqual([]);

        await meter('detach', api.id, '--apply', '--yes');
        expect(await api.settings()).toEqual(before);
        expect(await call()).toBe(200);
        await expect(meter('detach', api.id)).rejects.toThrow('has changed nothing of the stage');
      } finally {
        backend.close();
      }
    },
  );
});
