import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { Match } from 'aws-cdk-lib/assertions';
import { afterAll, describe, expect, test } from 'vitest';
import { stackOf, templateOf } from '../verify/offline';
import { OptionName, OPTIONS } from '../lib/options';
import { PORTAL_KEY } from './parts';

const environments = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-environments-'));
afterAll(() => fs.rmSync(environments, { recursive: true, force: true }));

/** The effect of each option on the template of the environment `test`. */
const EFFECTS: Record<OptionName, { value: string; type: string; properties: unknown }> = {
  protect: { value: 'yes', type: 'AWS::DynamoDB::Table', properties: { DeletionProtectionEnabled: true } },
  example: { value: 'http', type: 'AWS::ApiGatewayV2::Api', properties: { ProtocolType: 'HTTP' } },
  'account-role': { value: 'yes', type: 'AWS::ApiGateway::Account', properties: {} },
  'stream-mode': {
    value: 'on-demand',
    type: 'AWS::Kinesis::Stream',
    properties: { StreamModeDetails: { StreamMode: 'ON_DEMAND' } },
  },
  shards: { value: '3', type: 'AWS::Kinesis::Stream', properties: { ShardCount: 3 } },
  'batch-window-s': {
    value: '45',
    type: 'AWS::Lambda::EventSourceMapping',
    properties: { MaximumBatchingWindowInSeconds: 45 },
  },
  'usage-retention-days': {
    value: '500',
    type: 'AWS::Lambda::Function',
    properties: variables({ USAGE_RETENTION_DAYS: '500' }),
  },
  'billed-statuses': {
    value: '200-299,304',
    type: 'AWS::Lambda::Function',
    properties: variables({ BILLED_STATUSES: '200-299,304' }),
  },
  'claim-layout': {
    value: '0:20000:1',
    type: 'AWS::Lambda::Function',
    properties: variables({ CLAIM_LAYOUT: '0:20000:1' }),
  },
  'log-retention-days': { value: '30', type: 'AWS::Logs::LogGroup', properties: { RetentionInDays: 30 } },
  'sync-interval-ms': {
    value: '250',
    type: 'AWS::Lambda::Function',
    properties: variables({ SYNC_INTERVAL_MS: '250' }),
  },
  'caching-stages': {
    value: 'a1/prod,b2/v1',
    type: 'AWS::Lambda::Function',
    properties: variables({ STAGES: 'a1/prod,b2/v1' }),
  },
  'fanout-concurrency': { value: '2', type: 'AWS::Lambda::Function', properties: { ReservedConcurrentExecutions: 2 } },
  'alarm-topic': {
    value: 'arn:aws:sns:eu-west-1:123456789012:a',
    type: 'AWS::CloudWatch::Alarm',
    properties: { AlarmActions: ['arn:aws:sns:eu-west-1:123456789012:a'] },
  },
  'alarm-email': {
    value: 'ops@example.org',
    type: 'AWS::SNS::Subscription',
    properties: { Endpoint: 'ops@example.org' },
  },
  // Tests below cover the omitted resources.
  canary: { value: 'no', type: 'AWS::CloudWatch::Dashboard', properties: {} },
  'canary-url': {
    value: 'https://api.example.org/ping',
    type: 'AWS::Lambda::Function',
    properties: variables({ CANARY_URL: 'https://api.example.org/ping' }),
  },
  'portal-public-keys': {
    value: PORTAL_KEY,
    type: 'AWS::Lambda::Function',
    properties: variables({ PORTAL_PUBLIC_KEYS: PORTAL_KEY }),
  },
  'portal-frame-ancestors': {
    value: 'https://app.example.com, http://localhost:3000',
    type: 'AWS::Lambda::Function',
    properties: variables({ PORTAL_FRAME_ANCESTORS: 'https://app.example.com,http://localhost:3000' }),
  },
  'portal-concurrency': {
    value: '25',
    type: 'AWS::Lambda::Function',
    properties: { ReservedConcurrentExecutions: 25 },
  },
  'all-at-once': { value: 'yes', type: 'AWS::Lambda::Alias', properties: {} },
  'function-settings': {
    value: 'usage-consumer.maxEvents=2000,api-authorizer.cacheTtlMs=5000',
    type: 'AWS::Lambda::Function',
    properties: variables({ MAX_EVENTS: '2000' }),
  },
  tags: {
    value: 'team=billing,cost=a=b',
    type: 'AWS::SQS::Queue',
    properties: {
      Tags: Match.arrayWith([
        { Key: 'cost', Value: 'a=b' },
        { Key: 'team', Value: 'billing' },
      ]),
    },
  },
  'bootstrap-qualifier': {
    value: 'ours',
    type: 'AWS::Lambda::Function',
    properties: { Code: { S3Bucket: { 'Fn::Sub': Match.stringLikeRegexp('^cdk-ours-assets-') } } },
  },
  'permissions-boundary': {
    value: 'arn:aws:iam::123456789012:policy/b',
    type: 'AWS::IAM::Role',
    properties: { PermissionsBoundary: 'arn:aws:iam::123456789012:policy/b' },
  },
};

/** Options that other options need. */
const NEEDED: Partial<Record<OptionName, Record<string, string>>> = {
  'fanout-concurrency': { 'caching-stages': 'a1/prod' },
  'portal-frame-ancestors': { 'portal-public-keys': PORTAL_KEY },
  'portal-concurrency': { 'portal-public-keys': PORTAL_KEY },
};

function variables(some: Record<string, string>): unknown {
  return { Environment: { Variables: Match.objectLike(some) } };
}

describe('an option', () => {
  test.each(Object.keys(OPTIONS) as OptionName[])(
    '%s has its effect, in the context and in the file of an environment',
    (name) => {
      const { value, type, properties } = EFFECTS[name];
      const needed = NEEDED[name] ?? {};
      templateOf('test', { [name]: value, ...needed }).hasResourceProperties(type, properties);
      fs.writeFileSync(path.join(environments, 'test.json'), JSON.stringify({ [name]: value, ...needed }));
      const byFile = templateOf('test', { environments });
      byFile.hasResourceProperties(type, properties);
      expect(byFile.toJSON()).toEqual(templateOf('test', { [name]: value, ...needed }).toJSON());
      if (name !== 'all-at-once') expect(byFile.toJSON()).not.toEqual(templateOf('test', needed).toJSON());
    },
  );

  test('of the context has precedence over the file', () => {
    fs.writeFileSync(path.join(environments, 'test.json'), '{"shards": 2, "batch-window-s": 10}');
    const template = templateOf('test', { environments, shards: '4' });
    template.hasResourceProperties('AWS::Kinesis::Stream', { ShardCount: 4 });
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', { MaximumBatchingWindowInSeconds: 10 });
  });

  test.each([
    [{ shard: '4' }, /There is no option shard, which is set in the context; the options are protect, shards/],
    [{ shards: 'four' }, /The option shards is "four": set it to a whole number/],
    [{ protect: 'true' }, /The option protect is "true": set it to yes or no/],
    [{ tags: 'team' }, /The option tags contains "team": set it to NAME=VALUE/],
    [{ 'log-retention-days': '31' }, /a retention of 31 days: set log-retention-days to one of 1, 3, 5, 7, 14, 30/],
    [{ 'portal-concurrency': 'few', 'portal-public-keys': PORTAL_KEY }, /The option portal-concurrency is "few"/],
    [{ 'portal-frame-ancestors': 'https://a.example' }, /There is no usage page without public keys/],
    [{ 'portal-concurrency': 'none' }, /There is no usage page without public keys: set portalPublicKeys/],
    [{ 'usage-retention-days': '7' }, /Set usageRetentionDays to a whole number of at least 62/],
  ])('%j is refused with a remedy', (context, message) => {
    expect(() => templateOf('test', context)).toThrow(message);
  });

  test('that does not exist is refused with the name of its file', () => {
    fs.writeFileSync(path.join(environments, 'dev.json'), '{"alarm-mail": "a@example.org"}');
    expect(() => templateOf('dev', { environments })).toThrow(
      /There is no option alarm-mail, which is set in .*dev\.json/,
    );
  });

  test('can remove the default protection of an environment', () => {
    expect(stackOf('prod', { protect: 'no' }).stack.terminationProtection).toBe(false);
  });
});

describe('the canary', () => {
  const template = templateOf('test');
  const canaries = (context: Record<string, string>) =>
    Object.values(
      templateOf('test', context).findResources('AWS::Lambda::Function', {
        Properties: { FunctionName: 'usage-canary-test' },
      }),
    );

  test('is deployed if there is an API to call and the extension for its secret, unless it is switched off', () => {
    expect(canaries({}).length).toBe(1);
    expect(canaries({ canary: 'no' })).toEqual([]);
    expect(canaries({ example: 'none' })).toEqual([]);
    expect(canaries({ example: 'none', 'canary-url': 'https://api.example.org/ping' }).length).toBe(1);
    expect(canaries({ region: 'eu-west-1', architecture: 'arm64' }).length).toBe(1);
    expect(canaries({ region: 'ap-northeast-3', architecture: 'x86_64' }).length).toBe(1);
    expect(canaries({ region: 'ap-northeast-3', architecture: 'arm64' })).toEqual([]);
  });

  test.each([
    [{ canary: 'yes', example: 'none' }, /The canary has no API to call: set canary-url/],
    [{ canary: 'no', 'canary-url': 'https://api.example.org/ping' }, /canary-url is set and there is no canary/],
    [
      { canary: 'yes', region: 'ap-northeast-3', architecture: 'arm64' },
      /no Parameters and Secrets Lambda Extension in ap-northeast-3 for arm64/,
    ],
  ])('is refused with %j, with the reason', (context, message) => {
    expect(() => templateOf('test', context)).toThrow(message);
  });

  test.each([
    ['arm64', 'Arm64'],
    ['x86_64', 'Extension:'],
  ])('reads its secret through the extension for %s', (architecture, named) => {
    const { Mappings } = templateOf('test', { architecture }).toJSON();
    const [canary] = canaries({ architecture });
    const [
      {
        'Fn::FindInMap': [map, , version],
      },
    ] = canary!.Properties.Layers;
    expect(Mappings[map]['eu-west-1'][version]).toContain(
      `AWS-Parameters-and-Secrets-Lambda-${named === 'Arm64' ? 'Extension-Arm64:' : named}`,
    );
  });

  test('calls each minute, and reads the ledger and its secret, which is not in the template', () => {
    template.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: 'rate(1 minute)' });
    const [canary] = Object.values(
      template.findResources('AWS::Lambda::Function', { Properties: { FunctionName: 'usage-canary-test' } }),
    );
    expect(
      Object.keys(canary!.Properties.Environment.Variables)
        // CDK sets the variables of the extension.
        .filter((name) => !/^(PARAMETERS_SECRETS|SECRETS_MANAGER|SSM_PARAMETER_STORE)_/.test(name))
        .sort(),
    ).toEqual([
      'CANARY_API_KEY_ID',
      'CANARY_SECRET_PARAMETER',
      'CANARY_URL',
      'ENVIRONMENT_NAME',
      'TIMEOUT_MS',
      'USAGE_TABLE',
    ]);
    const role = canary!.Properties.Role['Fn::GetAtt'][0] as string;
    const [policy] = Object.values(
      template.findResources('AWS::IAM::Policy', { Properties: { Roles: [{ Ref: role }] } }),
    );
    const actions = (policy!.Properties.PolicyDocument.Statement as { Action: string | string[] }[]).flatMap(
      ({ Action }) => Action,
    );
    expect(actions.sort()).toEqual(['dynamodb:Query', 'logs:CreateLogStream', 'logs:PutLogEvents', 'ssm:GetParameter']);
  });

  test('is on the dashboard', () => {
    expect(JSON.stringify(template.findResources('AWS::CloudWatch::Dashboard'))).toContain('CanaryFreshness');
  });

  test('is refused without its binary', () => {
    const folder = stackOf('test').stack.settings.binaries;
    fs.rmSync(path.join(folder, 'usage-canary'), { recursive: true });
    expect(() => templateOf('test', { canary: 'yes', binaries: folder })).toThrow(
      /There is no usage-canary in .*build-lambdas\.sh/,
    );
  });
});
