import { Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { LambdaDeploymentConfig } from 'aws-cdk-lib/aws-codedeploy';
import { StreamMode } from 'aws-cdk-lib/aws-kinesis';
import { describe, expect, test } from 'vitest';
import accessLog from '../lib/generated/access-log.json';
import { GradualDeployment } from '../lib/constructs/gradual-deployment';
import { Invalidation } from '../lib/constructs/invalidation';
import { UsagePipeline, UsagePipelineProps } from '../lib/constructs/usage-pipeline';
import { namesOf } from '../lib/names';
import { CLAIM_RETENTION_DAYS, GIVEN_UP_RETENTION_DAYS, QUEUE_RETENTION_DAYS } from '../lib/retention';
import { stackOf, templateOf } from '../verify/offline';

const template = templateOf('test');

interface TemplateResource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

/** The types of resources with data. */
const HOLDS_DATA = [
  'AWS::DynamoDB::Table',
  'AWS::Kinesis::Stream',
  'AWS::Logs::LogGroup',
  'AWS::S3::Bucket',
  'AWS::SQS::Queue',
];

/** Types whose names are unique across the regions of an account or across accounts, with the property of the name. */
const GLOBAL_NAMES: Record<string, string> = {
  'AWS::CloudWatch::Dashboard': 'DashboardName',
  'AWS::IAM::InstanceProfile': 'InstanceProfileName',
  'AWS::IAM::ManagedPolicy': 'ManagedPolicyName',
  'AWS::IAM::Role': 'RoleName',
  'AWS::IAM::User': 'UserName',
  'AWS::S3::Bucket': 'BucketName',
};

/** Returns the statements of the role of a function, with actions and resources as lists. */
function statementsOf(service: string): { Action: string[]; Resource: unknown[]; Condition?: unknown }[] {
  const functions = template.findResources('AWS::Lambda::Function', {
    Properties: { FunctionName: `${service}-test` },
  });
  const role = Object.values(functions)[0]?.Properties.Role['Fn::GetAtt'][0] as string;
  const policies = template.findResources('AWS::IAM::Policy', { Properties: { Roles: [{ Ref: role }] } });
  const list = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value]);
  return Object.values(policies)
    .flatMap((policy) => policy.Properties.PolicyDocument.Statement)
    .map((statement) => ({ ...statement, Action: list(statement.Action), Resource: list(statement.Resource) }));
}

/** Returns the template of a stack with only a pipeline. */
function pipelineWith(props: Omit<UsagePipelineProps, 'settings'>): Template {
  const { app, stack } = stackOf('other');
  const alone = new Stack(app, 'Alone');
  new UsagePipeline(alone, 'Pipeline', { settings: { ...stack.settings, environment: 'alone' }, ...props });
  return Template.fromStack(alone);
}

function actionsOf(service: string): string[] {
  return [...new Set(statementsOf(service).flatMap((statement) => statement.Action))].sort();
}

describe('least privilege', () => {
  test('each function has only the actions that it uses', () => {
    const log = ['logs:CreateLogStream', 'logs:PutLogEvents'];
    const kinesis = [
      'DescribeStream',
      'DescribeStreamSummary',
      'GetRecords',
      'GetShardIterator',
      'IncreaseStreamRetentionPeriod',
      'ListShards',
    ];
    expect(actionsOf('usage-consumer')).toEqual(
      [
        ...kinesis.map((action) => `kinesis:${action}`),
        ...log,
        'dynamodb:GetItem',
        'dynamodb:PutItem',
        'dynamodb:Query',
        'dynamodb:UpdateItem',
        's3:ListBucket',
        's3:PutObject',
        'sqs:SendMessage',
      ].sort(),
    );
    expect(actionsOf('api-authorizer')).toEqual(
      [
        ...log,
        'dynamodb:GetItem',
        'dynamodb:PutItem',
        'dynamodb:Query',
        'dynamodb:UpdateItem',
        'sns:Publish',
        'sqs:SendMessage',
      ].sort(),
    );
    expect(actionsOf('usage-endpoint')).toEqual(
      [...log, 'dynamodb:GetItem', 'dynamodb:Query', 'kinesis:ListShards'].sort(),
    );
    expect(actionsOf('usage-reconciler')).toEqual(
      [
        ...log,
        'dynamodb:GetItem',
        'dynamodb:PutItem',
        'dynamodb:Query',
        'logs:GetQueryResults',
        'logs:StartQuery',
        'sqs:SendMessage',
      ].sort(),
    );
  });

  test('the consumer reads and replaces claims, adds to the ledger, and deletes nothing', () => {
    const table = (name: string) =>
      Object.keys(template.findResources('AWS::DynamoDB::Table', { Properties: { TableName: name } }))[0];
    const actionsOn = (name: string) =>
      statementsOf('usage-consumer')
        .filter(({ Resource }) => JSON.stringify(Resource) === JSON.stringify([{ 'Fn::GetAtt': [table(name), 'Arn'] }]))
        .flatMap(({ Action }) => Action)
        .sort();
    expect(actionsOn('usage-test')).toEqual(['dynamodb:GetItem', 'dynamodb:UpdateItem']);
    expect(actionsOn('usage-claims-test')).toEqual([
      'dynamodb:GetItem',
      'dynamodb:PutItem',
      'dynamodb:Query',
      'dynamodb:UpdateItem',
    ]);
  });

  /** Returns the statements of a function on the claims table. */
  const onClaims = (service: string) => {
    const claims = Object.keys(
      template.findResources('AWS::DynamoDB::Table', { Properties: { TableName: 'usage-claims-test' } }),
    )[0];
    return statementsOf(service).filter(({ Resource }) => JSON.stringify(Resource).includes(`"${claims}"`));
  };

  test('the reconciler has access to the compared hours and not to claims', () => {
    expect(onClaims('usage-reconciler')).toEqual([
      expect.objectContaining({
        Action: ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query'],
        Condition: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['reconciliation'] } },
      }),
    ]);
  });

  test('the usage endpoint reads heads and weights and not claims', () => {
    const [heads, weights] = onClaims('usage-endpoint');
    expect(heads).toEqual(
      expect.objectContaining({
        Action: ['dynamodb:GetItem'],
        Condition: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['shard#*'] } },
      }),
    );
    expect(weights).toEqual(
      expect.objectContaining({
        Action: ['dynamodb:Query'],
        Condition: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['class-weights'] } },
      }),
    );
  });

  test('no statement of a function has all resources', () => {
    for (const service of ['usage-consumer', 'api-authorizer', 'usage-endpoint']) {
      for (const { Action, Resource } of statementsOf(service)) {
        expect(Resource.includes('*'), `${service}: ${Action.join()}`).toBe(false);
      }
    }
  });

  test('the authorizer never scans and never writes a key', () => {
    const keys = Object.keys(
      template.findResources('AWS::DynamoDB::Table', { Properties: { TableName: 'usage-keys-test' } }),
    )[0];
    const onKeys = statementsOf('api-authorizer').filter(({ Resource }) =>
      JSON.stringify(Resource).includes(`"${keys}"`),
    );
    expect([...new Set(onKeys.flatMap(({ Action }) => Action))].sort()).toEqual(['dynamodb:GetItem', 'dynamodb:Query']);
  });
});

describe('the pipeline', () => {
  test('processes records in order, without limits of age or retries, and keeps given-up records', () => {
    const [bucket] = Object.keys(template.findResources('AWS::S3::Bucket'));
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      ParallelizationFactor: 1,
      BisectBatchOnFunctionError: true,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      MaximumRecordAgeInSeconds: -1,
      MaximumRetryAttempts: -1,
      StartingPosition: 'TRIM_HORIZON',
      DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': [bucket, 'Arn'] } } },
    });
    template.hasResourceProperties('AWS::Kinesis::Stream', {
      RetentionPeriodHours: 24,
      ShardCount: 1,
      StreamModeDetails: { StreamMode: 'PROVISIONED' },
      StreamEncryption: Match.anyValue(),
    });
  });

  test('receives all lines that may be billable, distributed over all shards', () => {
    template.hasResourceProperties('AWS::Logs::SubscriptionFilter', {
      FilterPattern: accessLog.subscriptionFilterPatterns[2],
      Distribution: 'Random',
    });
    template.hasResourceProperties('AWS::ApiGateway::Stage', { AccessLogSetting: { Format: accessLog.restFormat } });
  });

  test('has the given shard count', () => {
    pipelineWith({ shardCount: 7 }).hasResourceProperties('AWS::Kinesis::Stream', { ShardCount: 7 });
  });

  test('has no shard count if Kinesis adds shards', () => {
    pipelineWith({ streamMode: StreamMode.ON_DEMAND }).hasResourceProperties('AWS::Kinesis::Stream', {
      ShardCount: Match.absent(),
      StreamModeDetails: { StreamMode: 'ON_DEMAND' },
    });
  });

  test('sets the tables, the queue and the retention of the consumer, and a claim layout only if it is given', () => {
    const [consumer] = Object.values(
      template.findResources('AWS::Lambda::Function', { Properties: { FunctionName: 'usage-consumer-test' } }),
    );
    const variables = consumer!.Properties.Environment.Variables;
    expect(Object.keys(variables).sort()).toEqual([
      'BILLED_STATUSES',
      'CLAIMS_TABLE',
      'CLAIM_RETENTION_DAYS',
      'ENVIRONMENT_NAME',
      'QUARANTINE_QUEUE_URL',
      'UNBILLED_ROUTES',
      'USAGE_RETENTION_DAYS',
      'USAGE_TABLE',
    ]);
    expect([variables.CLAIM_RETENTION_DAYS, variables.USAGE_RETENTION_DAYS]).toEqual(['35', '400']);
    const claimLayout = '0:10000:1,1795509600000:2000:4';
    pipelineWith({ claimLayout }).hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ CLAIM_LAYOUT: claimLayout }) },
    });
  });

  test.each([
    [{ usageRetentionDays: 62.5 }, /Set usageRetentionDays to a whole number/],
    [{ usageRetentionDays: 61 }, /could not be read. Set usageRetentionDays to a whole number of at least 62/],
    [{ claimLayout: '1:10000:1' }, /set claimLayout to 0:10000:1, or omit it/],
  ])('refuses %j with a remedy', (props, message) => {
    expect(() => pipelineWith(props)).toThrow(message);
  });

  test('recognises a call for longer than it can be delivered, and shorter than a given-up record is kept', () => {
    const raisedStreamRetentionDays = 7;
    expect(CLAIM_RETENTION_DAYS).toBeGreaterThan(Math.max(raisedStreamRetentionDays, QUEUE_RETENTION_DAYS));
    expect(CLAIM_RETENTION_DAYS).toBeLessThan(GIVEN_UP_RETENTION_DAYS);
  });

  test('accepts the shortest retention of usage', () => {
    expect(() => pipelineWith({ usageRetentionDays: 62 })).not.toThrow();
  });

  test('keeps given-up records encrypted, private, for 90 days, and after the stack is deleted', () => {
    const name = { 'Fn::Join': ['', ['usage-given-up-test-', { Ref: 'AWS::AccountId' }, '-', { Ref: 'AWS::Region' }]] };
    template.hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'RetainExceptOnCreate',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BucketName: name,
        BucketEncryption: Match.anyValue(),
        LifecycleConfiguration: { Rules: [Match.objectLike({ ExpirationInDays: 90, Status: 'Enabled' })] },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
      },
    });
    const longest = namesOf('a'.repeat(20)).givenUpBucket('123456789012', 'ap-southeast-1');
    expect(longest.length).toBe(63);
  });
});

describe('a deployment', () => {
  test('shifts calls of the consumer and the authorizer step by step, and back if an alarm goes off', () => {
    const groups = Object.values(template.findResources('AWS::CodeDeploy::DeploymentGroup'));
    expect(groups.map(({ Properties }) => Properties.DeploymentConfigName)).toEqual([
      'CodeDeployDefault.LambdaLinear10PercentEvery3Minutes',
      'CodeDeployDefault.LambdaCanary10Percent10Minutes',
    ]);
    for (const { Properties } of groups) {
      expect(Properties.AutoRollbackConfiguration).toEqual({
        Enabled: true,
        Events: ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_REQUEST', 'DEPLOYMENT_STOP_ON_ALARM'],
      });
    }
    const moved = Object.values(template.findResources('AWS::Lambda::Alias')).filter(
      ({ UpdatePolicy }) => UpdatePolicy,
    );
    expect(moved.length).toBe(2);
  });

  test('is stopped by alarms about a new version, which exist before it receives calls', () => {
    const alarms = template.findResources('AWS::CloudWatch::Alarm');
    const id = (logicalId: string) => (alarms[logicalId]!.Properties.AlarmName as string).replace('usage-test-', '');
    const stoppedBy = Object.values(template.findResources('AWS::CodeDeploy::DeploymentGroup')).map(({ Properties }) =>
      (Properties.AlarmConfiguration.Alarms as { Name: { Ref: string } }[]).map(({ Name }) => Name.Ref),
    );
    // `quarantine` is not among them: it is on as long as a record is in quarantine.
    expect(stoppedBy.map((ids) => ids.map(id).sort())).toEqual(
      [
        ['authorizer-latency', 'authorizer-version-errors', 'invalidation-lag'],
        ['consumer-errors', 'consumer-version-errors'],
      ].reverse(),
    );
    for (const ids of stoppedBy) {
      const watching = Object.values(template.findResources('AWS::Lambda::Alias')).filter(({ DependsOn }) =>
        DependsOn?.includes(ids[0]!),
      );
      expect(watching.length).toBe(1);
      const version = Object.values(alarms).find(({ Properties }) =>
        Properties.Dimensions?.some(
          ({ Value }: { Value: unknown }) =>
            JSON.stringify(Value) === JSON.stringify(watching[0]!.Properties.FunctionVersion),
        ),
      );
      expect(version?.Properties.AlarmName).toMatch(/-version-errors$/);
    }
  });

  test('can have other steps', () => {
    const { stack } = stackOf('test');
    new GradualDeployment(stack, 'Slow', {
      function: stack.reconciliation.reconciler,
      versionAlarm: stack.alarms.alarm('ledger-drift'),
      alarms: [],
      config: LambdaDeploymentConfig.LINEAR_10PERCENT_EVERY_10MINUTES,
    });
    Template.fromStack(stack).hasResourceProperties('AWS::CodeDeploy::DeploymentGroup', {
      DeploymentConfigName: Match.stringLikeRegexp('Linear10PercentEvery10Minutes$'),
    });
  });

  test('can route all calls at once, regardless of alarms', () => {
    const atOnce = templateOf('test', { 'all-at-once': 'yes' });
    expect(
      Object.values(atOnce.findResources('AWS::Lambda::Alias')).filter(({ UpdatePolicy }) => UpdatePolicy),
    ).toEqual([]);
    expect(Object.keys(atOnce.findResources('AWS::CodeDeploy::DeploymentGroup')).length).toBe(2);
  });

  test('invokes only aliases', () => {
    const called = [
      'AWS::SNS::Subscription',
      'AWS::Lambda::EventSourceMapping',
      'AWS::ApiGateway::Authorizer',
      'AWS::Events::Rule',
    ].flatMap((type) => Object.values(template.findResources(type)));
    for (const { Type, Properties } of called) {
      const text = JSON.stringify([
        Properties.Endpoint,
        Properties.FunctionName,
        Properties.AuthorizerUri,
        Properties.Targets,
      ]);
      expect(text, Type).toMatch(/Live[0-9A-F]{8}/);
    }
  });

  test('omits constructs, and refuses unknown ones', () => {
    const without = templateOf('test', { omit: 'ConsumerDeployment,Alarms/freshness,Alarms/consumer-errors' });
    const there = Object.keys(without.toJSON().Resources);
    const needed = Object.values(without.toJSON().Resources as Record<string, { DependsOn?: string[] }>).flatMap(
      ({ DependsOn }) => DependsOn ?? [],
    );
    expect(needed.filter((id) => !there.includes(id))).toEqual([]);
    expect(Object.keys(without.findResources('AWS::CodeDeploy::DeploymentGroup')).length).toBe(1);
    expect(() => templateOf('test', { omit: 'Alarms/nothing' })).toThrow(/no construct Alarms\/nothing/);
  });
});

describe('data', () => {
  test('every table is encrypted, recoverable and has an expiry', () => {
    const tables = Object.values(template.findResources('AWS::DynamoDB::Table'));
    expect(tables.map((table) => table.Properties.TableName as string).sort()).toEqual([
      'usage-alerts-test',
      'usage-claims-test',
      'usage-invalidations-test',
      'usage-keys-test',
      'usage-test',
    ]);
    for (const { Properties } of tables) {
      expect(Properties.SSESpecification).toEqual({ SSEEnabled: true });
      expect(Properties.PointInTimeRecoverySpecification).toEqual({ PointInTimeRecoveryEnabled: true });
      expect(Properties.TimeToLiveSpecification).toEqual({ AttributeName: 'ttl', Enabled: true });
    }
  });

  test('ledger and claims have a sort key', () => {
    for (const TableName of ['usage-test', 'usage-claims-test']) {
      template.hasResourceProperties('AWS::DynamoDB::Table', {
        TableName,
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'S' },
        ],
      });
    }
  });

  test.each(['prod', 'production', 'prod-eu', 'staging', 'devops', 'acme'])('%s is protected', (environment) => {
    const { stack } = stackOf(environment);
    const resources = Template.fromStack(stack).toJSON().Resources as Record<string, TemplateResource>;
    const kept = Object.values(resources).filter(({ Type }) => HOLDS_DATA.includes(Type));
    expect(new Set(kept.map(({ Type }) => Type))).toEqual(new Set(HOLDS_DATA));
    for (const { Type, Properties, DeletionPolicy, UpdateReplacePolicy } of kept) {
      // Resources of a failed creation would conflict with the next one.
      expect([Type, DeletionPolicy, UpdateReplacePolicy]).toEqual([Type, 'RetainExceptOnCreate', 'Retain']);
      if (Type === 'AWS::DynamoDB::Table') expect(Properties.DeletionProtectionEnabled).toBe(true);
      if (Type === 'AWS::Logs::LogGroup') expect(Properties.RetentionInDays).toBe(90);
    }
    expect(stack.terminationProtection).toBe(true);
  });

  test.each(['dev', 'dev-anna', 'dev2', 'test', 'sandbox', 'ci-17'])('%s is not protected', (environment) => {
    const { stack } = stackOf(environment);
    expect([stack.terminationProtection, stack.settings.protectsData, stack.settings.logRetention]).toEqual([
      false,
      false,
      14,
    ]);
  });

  test('resources have no deletion protection while the stack is created', () => {
    const { stack } = stackOf('prod', { creating: 'yes' });
    expect(stack.terminationProtection).toBe(false);
    for (const { Properties, DeletionPolicy } of Object.values(
      Template.fromStack(stack).findResources('AWS::DynamoDB::Table'),
    )) {
      expect([Properties.DeletionProtectionEnabled, DeletionPolicy]).toEqual([false, 'RetainExceptOnCreate']);
    }
  });

  test('every log group has a retention', () => {
    for (const group of Object.values(template.findResources('AWS::Logs::LogGroup'))) {
      expect(group.Properties.RetentionInDays).toBe(14);
    }
  });
});

describe('keys', () => {
  test('API Gateway does not cache authorizer results', () => {
    template.hasResourceProperties('AWS::ApiGateway::Authorizer', { Type: 'REQUEST', AuthorizerResultTtlInSeconds: 0 });
  });

  test('the authorizer and the fan-out subscribe to changes with a dead-letter queue', () => {
    const ofFanout = templateOf('test', { 'caching-stages': 'a1/prod' }).findResources('AWS::SNS::Subscription');
    expect(Object.keys(ofFanout).length).toBe(2);
    const subscriptions = Object.values({ ...ofFanout, ...template.findResources('AWS::SNS::Subscription') });
    expect(subscriptions.length).toBe(2);
    for (const { Properties } of subscriptions) {
      expect([Properties.Protocol, Properties.RedrivePolicy === undefined]).toEqual(['lambda', false]);
    }
    template.hasResourceProperties('AWS::DynamoDB::Table', {
      TableName: 'usage-keys-test',
      GlobalSecondaryIndexes: [
        Match.objectLike({ IndexName: 'hashedKey-index', Projection: { ProjectionType: 'ALL' } }),
      ],
    });
  });

  test('a denial is a JSON error with its reason', () => {
    template.hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
      ResponseType: 'ACCESS_DENIED',
      StatusCode: '403',
      ResponseTemplates: {
        'application/json': '{"message":"$context.authorizer.message","reason":"$context.authorizer.reason"}',
      },
      ResponseParameters: Match.objectLike({
        'gatewayresponse.header.X-RateLimit-Limit': 'context.authorizer.usageLimit',
      }),
    });
  });

  test('no concurrency is reserved by default, and there is no fan-out without caching stages', () => {
    const functions = Object.values(template.findResources('AWS::Lambda::Function')).map(
      ({ Properties }) => Properties,
    );
    expect(functions.map(({ FunctionName }) => FunctionName)).not.toContain('invalidation-fanout-test');
    const caching = templateOf('test', { 'caching-stages': 'a1/prod' });
    const all = [
      ...functions,
      ...Object.values(caching.findResources('AWS::Lambda::Function')).map(({ Properties }) => Properties),
    ];
    expect(all.filter(({ ReservedConcurrentExecutions }) => ReservedConcurrentExecutions !== undefined)).toEqual([]);
    templateOf('test', { 'caching-stages': 'a1/prod', 'fanout-concurrency': '1' }).hasResourceProperties(
      'AWS::Lambda::Function',
      {
        FunctionName: 'invalidation-fanout-test',
        ReservedConcurrentExecutions: 1,
      },
    );
  });

  test('the fan-out may flush only the caching stages', () => {
    const { app, stack } = stackOf('other');
    const alone = new Stack(app, 'Alone');
    const settings = { ...stack.settings, environment: 'alone' };
    new Invalidation(alone, 'Invalidation', { settings, cachingStages: [{ apiId: 'a1', stageName: 'prod' }] });
    const text = JSON.stringify(Template.fromStack(alone).toJSON());
    expect(text).toContain('::/restapis/a1/stages/prod/cache/authorizers');
    expect(text).toContain('"STAGES":"a1/prod"');
  });
});

describe('the template', () => {
  test('has no partition in its ARNs', () => {
    const { Mappings, ...rest } = template.toJSON();
    expect(JSON.stringify(rest)).not.toMatch(/arn:aws:/);
    // The mapping has the ARN of the canary's extension by region.
    expect(Object.keys(Mappings)).toEqual(['ParamsandsecretslayerMap']);
    expect(JSON.stringify(Mappings.ParamsandsecretslayerMap['us-gov-west-1'])).toContain('arn:aws-us-gov:');
  });

  test('has the region in every name that is unique across regions', () => {
    const resources = Object.values(template.toJSON().Resources as Record<string, TemplateResource>);
    const named = resources.filter(({ Type, Properties }) => Properties?.[GLOBAL_NAMES[Type] ?? ''] !== undefined);
    expect(named.map(({ Type }) => Type).sort()).toEqual(['AWS::CloudWatch::Dashboard', 'AWS::S3::Bucket']);
    for (const { Type, Properties } of named) {
      expect(JSON.stringify(Properties[GLOBAL_NAMES[Type]!]), Type).toContain('{"Ref":"AWS::Region"}');
    }
  });

  test('has the execution log of API Gateway, created before API Gateway creates one that never expires', () => {
    const [id, log] = Object.entries(template.findResources('AWS::Logs::LogGroup')).find(([, { Properties }]) =>
      JSON.stringify(Properties.LogGroupName).includes('API-Gateway-Execution-Logs_'),
    )!;
    expect(log.Properties.RetentionInDays).toBe(14);
    template.hasResource('AWS::ApiGateway::Stage', { DependsOn: Match.arrayWith([id]) });
  });

  test("keeps Lambda's own lines of each invocation out of the logs", () => {
    for (const { Properties } of Object.values(template.findResources('AWS::Lambda::Function'))) {
      expect(Properties.LoggingConfig).toMatchObject({ LogFormat: 'JSON', SystemLogLevel: 'WARN' });
    }
  });
});

describe('the environment', () => {
  test.each(['', 'Prod', '1st', 'a_b', 'a'.repeat(21)])('%j is refused with the valid format', (environment) => {
    expect(() => templateOf(environment)).toThrow(/1 to 20 of a-z/);
  });
});
