import { Duration, Environment, Stack } from 'aws-cdk-lib';
import { CfnStage, HttpApi, HttpStage, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { StreamMode } from 'aws-cdk-lib/aws-kinesis';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { describe, expect, test } from 'vitest';
import { accessLogFormat } from '../lib/access-log';
import { statusExpression, subscriptionFilterPattern } from '../lib/billed-statuses';
import accessLog from '../lib/generated/access-log.json';
import { Reconciliation } from '../lib/constructs/reconciliation';
import { UsageAlarms } from '../lib/constructs/usage-alarms';
import { UsageDashboard } from '../lib/constructs/usage-dashboard';
import { UsagePipeline, UsagePipelineProps } from '../lib/constructs/usage-pipeline';
import { accessLogMetric } from '../lib/meter-metric';
import { all, Parts, settingsOf } from './parts';

describe('the access-log format', () => {
  /** Variables that only one kind of API has. Source: API Gateway Developer Guide, "Variables for access logging for
   * API Gateway" and "Customize HTTP API access logs". */
  const ONLY = { rest: ['resourcePath', 'extendedRequestId'], http: ['routeKey', 'requestId'] };

  test.each(['rest', 'http'] as const)(
    'of a %s API is one line of JSON with quoted values and no variables of the other kind',
    (kind) => {
      const text = accessLogFormat(kind).toString();
      expect(text).not.toContain('\n');
      const fields = JSON.parse(text) as Record<string, string>;
      const names = ['id', 'key', 'customerId', 'time', 'status', 'ms', 'method', 'route', 'stage', 'api'];
      expect(Object.keys(fields)).toEqual(names);
      const variables = Object.values(fields).map((value) => /^\$context\.(.+)$/.exec(value)![1]!);
      expect(variables.filter((name) => ONLY[kind === 'rest' ? 'http' : 'rest'].includes(name))).toEqual([]);
      expect(variables).toEqual(expect.arrayContaining(ONLY[kind]));
    },
  );

  test.each(['rest', 'http'] as const)('of a %s API has the length of the response on request', (kind) => {
    const fields = (text: string) => JSON.parse(text) as Record<string, string>;
    const plain = fields(accessLogFormat(kind).toString());
    const format = accessLogFormat(kind, { responseLength: true }).toString();
    expect(fields(format)).toEqual({ ...plain, bytes: '$context.responseLength' });
    expect(accessLogFormat(kind, { responseLength: false }).toString()).toBe(accessLogFormat(kind).toString());
  });

  test('is accepted by HttpStage and CfnStage of HTTP APIs', () => {
    const { stack, pipeline, template } = new Parts();
    const httpApi = new HttpApi(stack, 'Api', { createDefaultStage: false });
    const destination = new LogGroupLogDestination(pipeline.accessLogGroup);
    new HttpStage(stack, 'Stage', {
      httpApi,
      stageName: 'one',
      accessLogSettings: { destination, format: accessLogFormat('http') },
    });
    const accessLogSettings = {
      destinationArn: 'arn:aws:logs:eu-central-1:123456789012:log-group:a',
      format: accessLogFormat('http').toString(),
    };
    new CfnStage(stack, 'Other', { apiId: httpApi.apiId, stageName: 'two', accessLogSettings });
    expect(all(template(), 'AWS::ApiGatewayV2::Stage').map((stage) => stage.AccessLogSettings.Format)).toEqual([
      accessLog.httpFormat,
      accessLog.httpFormat,
    ]);
  });
});

/** Two log groups, an imported one and one of this app. */
const two = (stack: Stack) => ({
  accessLogGroups: [
    LogGroup.fromLogGroupName(stack, 'Theirs', '/their/access-log'),
    new LogGroup(stack, 'Ours', { logGroupName: '/our/access-log' }),
  ],
});

describe('several access logs', () => {
  const { stack, pipeline, settings, template } = new Parts(two);
  new Reconciliation(stack, 'Reconciliation', { settings, pipeline });
  const made = template();
  const ours = Object.keys(
    made.findResources('AWS::Logs::LogGroup', { Properties: { LogGroupName: '/our/access-log' } }),
  )[0];
  const groups = ['/their/access-log', { Ref: ours }];

  test('are subscribed to one stream by one role, with the generated pattern', () => {
    const filters = all(made, 'AWS::Logs::SubscriptionFilter');
    expect(filters.map(({ LogGroupName }) => LogGroupName)).toEqual(groups);
    for (const filter of filters) {
      expect([filter.FilterPattern, filter.Distribution]).toEqual([accessLog.subscriptionFilterPatterns[2], 'Random']);
      expect([filter.RoleArn, filter.DestinationArn]).toEqual([filters[0]!.RoleArn, filters[0]!.DestinationArn]);
    }
  });

  test('have metric filters for all lines and for readable lines', () => {
    const filters = all(made, 'AWS::Logs::MetricFilter');
    const counted = groups.flatMap((group) => [
      [group, accessLog.allLinesPattern, 'LoggedLines-parts'],
      [group, accessLog.readableLinesPattern, 'ReadableLines-parts'],
    ]);
    expect(
      filters.map((filter) => [filter.LogGroupName, filter.FilterPattern, filter.MetricTransformations[0].MetricName]),
    ).toEqual(counted);
    for (const { MetricTransformations } of filters) {
      expect(MetricTransformations).toEqual([
        expect.objectContaining({ MetricNamespace: 'UsageMeter', MetricValue: '1', DefaultValue: 0 }),
      ]);
    }
    const { metricName, namespace, dimensions } = accessLogMetric(settings, 'ReadableLines');
    expect([metricName, namespace, dimensions]).toEqual(['ReadableLines-parts', 'UsageMeter', undefined]);
  });

  test('are all compared with the ledger, with permission of the reconciler', () => {
    const [reconciler] = all(made, 'AWS::Lambda::Function').filter(
      ({ FunctionName }) => FunctionName === 'usage-reconciler-parts',
    );
    expect(reconciler!.Environment.Variables).toMatchObject({
      ACCESS_LOG_GROUPS: { 'Fn::Join': ['', ['/their/access-log,', { Ref: ours }]] },
      UNBILLED_ROUTES: 'OPTIONS *,/usage',
    });
    const statements = all(made, 'AWS::IAM::Policy').flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
    const [query] = statements.filter(({ Action }) => Action === 'logs:StartQuery');
    expect(query.Resource.length).toBe(2);
    expect(JSON.stringify(query.Resource)).toContain(':log-group:/their/access-log:*');
  });

  test('keep the logical id of their subscription in another order', () => {
    const backwards = new Parts((at) => ({ accessLogGroups: two(at).accessLogGroups.reverse() })).template();
    const ids = [made, backwards].map((each) => Object.keys(each.findResources('AWS::Logs::SubscriptionFilter')));
    expect(ids[1]).toEqual(ids[0]!.reverse());
  });
});

describe('the role of the subscriptions', () => {
  test('is for log groups of this account and region, and only puts records', () => {
    const made = new Parts().template();
    const [role] = all(made, 'AWS::IAM::Role').filter(
      ({ AssumeRolePolicyDocument: { Statement } }) => Statement[0].Principal.Service === 'logs.amazonaws.com',
    );
    const account = {
      'Fn::Join': [
        '',
        ['arn:', { Ref: 'AWS::Partition' }, ':logs:', { Ref: 'AWS::Region' }, ':', { Ref: 'AWS::AccountId' }, ':*'],
      ],
    };
    expect(role!.AssumeRolePolicyDocument.Statement[0].Condition).toEqual({ StringLike: { 'aws:SourceArn': account } });
    const [subscription] = Object.values(made.findResources('AWS::Logs::SubscriptionFilter'));
    const [policy] = Object.entries(made.findResources('AWS::IAM::Policy')).filter(([id]) =>
      id.startsWith('PipelineSubscriptionRole'),
    );
    expect(policy![1].Properties.PolicyDocument.Statement).toEqual([
      expect.objectContaining({ Action: ['kinesis:PutRecord', 'kinesis:PutRecords'] }),
    ]);
    expect(subscription!.DependsOn).toContain(policy![0]);
  });
});

describe('calls that are not billed', () => {
  test('are a setting of the consumer, and not filtered by the subscription', () => {
    const made = new Parts(() => ({ unbilledRoutes: ['GET /usage', '/health', 'OPTIONS *'] })).template();
    const [consumer] = all(made, 'AWS::Lambda::Function').filter(
      ({ FunctionName }) => FunctionName === 'usage-consumer-parts',
    );
    expect(consumer!.Environment.Variables.UNBILLED_ROUTES).toBe('GET /usage,/health,OPTIONS *');
    expect(all(made, 'AWS::Logs::SubscriptionFilter')[0]!.FilterPattern).toBe(accessLog.subscriptionFilterPatterns[2]);
  });

  test.each(['usage', 'get /usage', 'GET', '/a,/b', '* /usage', ''])(
    '%j is refused with the accepted formats',
    (route) => {
      expect(() => new Parts(() => ({ unbilledRoutes: [route] }))).toThrow(
        /cannot be parsed: write a route as '\/usage'/,
      );
    },
  );
});

describe('billed statuses', () => {
  test('are a setting of the consumer and the reconciler, and delivered by the subscription', () => {
    const { stack, pipeline, settings, template } = new Parts(() => ({ billedStatuses: ['200-299', '304'] }));
    new Reconciliation(stack, 'Reconciliation', { settings, pipeline });
    const made = template();
    for (const name of ['usage-consumer-parts', 'usage-reconciler-parts']) {
      const [reader] = all(made, 'AWS::Lambda::Function').filter(({ FunctionName }) => FunctionName === name);
      expect(reader!.Environment.Variables.BILLED_STATUSES).toBe('200-299,304');
    }
    const pattern = String.raw`%\x22status\x22\s*:\s*\x22?[23]\d\d%`;
    expect(all(made, 'AWS::Logs::SubscriptionFilter')[0]!.FilterPattern).toBe(pattern);
  });

  test.each([
    [['204', '400-499'], '24'],
    [['299-500'], '2345'],
    [['503'], '5'],
  ])('%j are delivered by the first digits %s', (statuses, digits) => {
    const patterns: Record<string, string> = accessLog.subscriptionFilterPatterns;
    expect(subscriptionFilterPattern(statuses)).toBe(patterns[digits]);
    expect(patterns[digits]).toContain(digits.length > 1 ? `[${digits}]` : `?${digits}`);
  });

  test.each([
    [['200-299'], '^(2[0-9][0-9])$'],
    [['200-299', '304'], '^(2[0-9][0-9]|304)$'],
    [['299-301', '500-599'], '^(299|300|301|5[0-9][0-9])$'],
  ])('the expression of a query matches exactly the billed statuses %j', (statuses, expression) => {
    expect(statusExpression(statuses)).toBe(expression);
    const isBilled = (status: number) =>
      statuses
        .map((range) => range.split('-').map(Number))
        .some((range) => range[0]! <= status && status <= range.at(-1)!);
    const codes = Array.from({ length: 500 }, (_, place) => 100 + place);
    expect(codes.filter((status) => new RegExp(expression).test(String(status)))).toEqual(codes.filter(isBilled));
  });

  test.each(['2xx', '199', '600', '204-200', '200-', '', '200,304'])(
    '%j is refused with the accepted forms',
    (status) => {
      expect(() => new Parts(() => ({ billedStatuses: [status] }))).toThrow(
        /cannot be parsed: write a status from 200/,
      );
    },
  );

  test.each([0, 51])('cannot be %d', (count) => {
    const billedStatuses = Array.from({ length: count }, () => '200');
    expect(() => new Parts(() => ({ billedStatuses }))).toThrow(/set billedStatuses to 1 to 50 statuses/);
  });
});

describe('a pipeline refuses', () => {
  const named = (stack: Stack, id: string) => LogGroup.fromLogGroupName(stack, id, '/their/access-log');
  test.each<[string, (stack: Stack) => Omit<UsagePipelineProps, 'settings'>, RegExp]>([
    [
      'no log group',
      () => ({ accessLogGroups: [] }),
      /has 0 log groups.+set accessLogGroups to 1 to 50 log groups, or omit it/,
    ],
    [
      'more than one query can have',
      (stack) => ({
        accessLogGroups: Array.from({ length: 51 }, (_, place) =>
          LogGroup.fromLogGroupName(stack, `G${place}`, `/g/${place}`),
        ),
      }),
      /has 51 log groups/,
    ],
    [
      'a log group twice',
      (stack) => ({ accessLogGroups: [named(stack, 'A'), named(stack, 'B')] }),
      /log group \/their\/access-log is in accessLogGroups twice/,
    ],
    ['no shard', () => ({ shardCount: 0 }), /0 shards: set shardCount to a whole number above 0/],
    [
      'shards of an on-demand stream',
      () => ({ shardCount: 2, streamMode: StreamMode.ON_DEMAND }),
      /omit shardCount, or streamMode/,
    ],
    ['half a shard', () => ({ shardCount: 1.5 }), /1.5 shards/],
    [
      'a batching window that is too long',
      () => ({ batchWindow: Duration.minutes(6) }),
      /wait for 360 s: set batchWindow to whole seconds up to 300/,
    ],
    ['a batching window of half a second', () => ({ batchWindow: Duration.millis(500) }), /wait for 0.5 s/],
  ])('%s', (_, props, message) => {
    expect(() => new Parts(props)).toThrow(message);
  });
});

describe('two pipelines of an app', () => {
  const another = (parts: Parts, environment: string, env?: Environment) =>
    new UsagePipeline(new Stack(parts.app, 'Another', { env }), 'Pipeline', { settings: settingsOf(environment) });

  test('cannot have one environment, because their resource names would be the same', () => {
    expect(() => another(new Parts(), 'parts')).toThrow(
      /The pipelines Meter\/Pipeline and Another\/Pipeline have the same environment parts.+set another environment in the settings of one/,
    );
    const env = { account: '123456789012', region: 'eu-west-1' };
    expect(() => another(new Parts(undefined, env), 'parts', env)).toThrow(/have the same environment parts/);
  });

  test('can have two environments, or one in two regions or accounts', () => {
    const env = { account: '123456789012', region: 'eu-west-1' };
    another(new Parts(), 'others');
    another(new Parts(undefined, env), 'parts', { ...env, region: 'eu-west-2' });
    another(new Parts(undefined, env), 'parts', { ...env, account: '210987654321' });
  });
});

describe('metering without the authorizer', () => {
  const { stack, pipeline, settings, template } = new Parts(two);
  const reconciliation = new Reconciliation(stack, 'Reconciliation', { settings, pipeline });
  new UsageAlarms(stack, 'Alarms', { settings, pipeline, reconciliation });
  new UsageDashboard(stack, 'Dashboard', {
    settings,
    pipeline,
    stages: [
      { kind: 'rest', api: 'orders', stageName: 'v1' },
      { kind: 'http', api: 'a1b2c3', stageName: '$default' },
    ],
  });
  const made = template();

  test('has alarms about counting, and none about keys', () => {
    const names = all(made, 'AWS::CloudWatch::Alarm').map(({ AlarmName }) => AlarmName as string);
    expect(names).toEqual(
      expect.arrayContaining(['usage-parts-freshness', 'usage-parts-quarantine', 'usage-parts-ledger-drift']),
    );
    expect(names.filter((name) => /authorizer|invalidation/.test(name))).toEqual([]);
  });

  test('has a dashboard of both kinds of API and all access logs', () => {
    const body = JSON.stringify(all(made, 'AWS::CloudWatch::Dashboard')[0]!.DashboardBody).replaceAll('\\"', '"');
    expect(body).toContain('"ApiName","orders","Stage","v1"');
    expect(body).toContain('"4xx","ApiId","a1b2c3","Stage","$default"');
    expect(body).toContain('/their/access-log');
    expect(body).not.toContain('api-authorizer');
    expect(body).not.toContain('undefined');
  });

  test('has only the tables and functions for counting', () => {
    expect(all(made, 'AWS::DynamoDB::Table').map(({ TableName }) => TableName)).toEqual([
      'usage-parts',
      'usage-claims-parts',
    ]);
    expect(all(made, 'AWS::Lambda::Function').map(({ FunctionName }) => FunctionName)).toEqual([
      'usage-consumer-parts',
      'usage-reconciler-parts',
    ]);
  });
});
