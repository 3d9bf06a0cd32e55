import {
  APIGatewayClient,
  DeleteAuthorizerCommand,
  DeleteDeploymentCommand,
  DeleteGatewayResponseCommand,
  DeleteMethodCommand,
  DeleteRequestValidatorCommand,
  DeleteResourceCommand,
  DeleteRestApiCommand,
  DeleteStageCommand,
  GetRequestValidatorsCommand,
  UpdateAccountCommand,
  UpdateAuthorizerCommand,
  UpdateMethodCommand,
  UpdateStageCommand,
} from '@aws-sdk/client-api-gateway';
import {
  CloudWatchClient,
  DeleteAlarmsCommand,
  DeleteDashboardsCommand,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  CloudWatchLogsClient,
  DeleteLogGroupCommand,
  DeleteMetricFilterCommand,
  DeleteRetentionPolicyCommand,
  DeleteSubscriptionFilterCommand,
  DescribeMetricFiltersCommand,
  DescribeSubscriptionFiltersCommand,
  PutSubscriptionFilterCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { DeleteTableCommand, DynamoDBClient, UpdateTimeToLiveCommand } from '@aws-sdk/client-dynamodb';
import {
  DeleteRuleCommand,
  DisableRuleCommand,
  EventBridgeClient,
  ListTargetsByRuleCommand,
  RemoveTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import {
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetRolePolicyCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { DeleteStreamCommand, KinesisClient } from '@aws-sdk/client-kinesis';
import {
  AddPermissionCommand,
  DeleteAliasCommand,
  DeleteEventSourceMappingCommand,
  DeleteFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  DeleteFunctionUrlConfigCommand,
  GetPolicyCommand,
  LambdaClient,
  RemovePermissionCommand,
  UpdateEventSourceMappingCommand,
  UpdateFunctionConfigurationCommand,
  UpdateFunctionUrlConfigCommand,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import {
  DeleteBucketCommand,
  DeleteBucketLifecycleCommand,
  DeleteBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  DeleteTopicCommand,
  SetSubscriptionAttributesCommand,
  SetTopicAttributesCommand,
  SNSClient,
  UnsubscribeCommand,
} from '@aws-sdk/client-sns';
import { DeleteQueueCommand, SetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { qualified } from '../../verify/checks/functions';
import { CLIENT, Resource } from '../../verify/deployment';

const gateway = new APIGatewayClient(CLIENT);
const cloudWatch = new CloudWatchClient(CLIENT);
const logs = new CloudWatchLogsClient(CLIENT);
const dynamodb = new DynamoDBClient(CLIENT);
const eventBridge = new EventBridgeClient(CLIENT);
const iam = new IAMClient(CLIENT);
const kinesis = new KinesisClient(CLIENT);
const lambda = new LambdaClient(CLIENT);
const s3 = new S3Client({ ...CLIENT, forcePathStyle: true });
const sns = new SNSClient(CLIENT);
const sqs = new SQSClient(CLIENT);

type Remove = (resource: Resource) => Promise<unknown>;
const text = (resource: Resource, name: string) => resource.properties[name] as string;
const api = (resource: Resource) => ({ restApiId: text(resource, 'RestApiId') });

/** A policy for a topic without one. */
const DEFAULT_TOPIC_POLICY = JSON.stringify({ Statement: [] });

/** Removes a resource, by type. In this order, no removal removes other resources as well. */
export const REMOVALS: Record<string, Remove> = {
  'AWS::CloudWatch::Alarm': ({ physicalId }) => cloudWatch.send(new DeleteAlarmsCommand({ AlarmNames: [physicalId!] })),
  'AWS::CloudWatch::Dashboard': ({ physicalId }) =>
    cloudWatch.send(new DeleteDashboardsCommand({ DashboardNames: [physicalId!] })),
  'AWS::Events::Rule': async ({ physicalId: Rule }) => {
    const { Targets } = await eventBridge.send(new ListTargetsByRuleCommand({ Rule }));
    await eventBridge.send(new RemoveTargetsCommand({ Rule, Ids: (Targets ?? []).map(({ Id }) => Id!) }));
    await eventBridge.send(new DeleteRuleCommand({ Name: Rule }));
  },
  'AWS::Lambda::EventSourceMapping': ({ physicalId }) =>
    lambda.send(new DeleteEventSourceMappingCommand({ UUID: physicalId })),
  'AWS::SNS::Subscription': ({ physicalId }) => sns.send(new UnsubscribeCommand({ SubscriptionArn: physicalId })),
  'AWS::Logs::SubscriptionFilter': (resource) => removeSubscriptionFilter(text(resource, 'LogGroupName')),
  'AWS::Lambda::Permission': removePermission,
  'AWS::Lambda::Url': (resource) =>
    lambda.send(
      new DeleteFunctionUrlConfigCommand({
        FunctionName: text(resource, 'TargetFunctionArn'),
        Qualifier: text(resource, 'Qualifier'),
      }),
    ),
  'AWS::Lambda::Alias': (resource) =>
    lambda.send(new DeleteAliasCommand({ FunctionName: text(resource, 'FunctionName'), Name: text(resource, 'Name') })),
  'AWS::Lambda::Version': ({ physicalId }) => lambda.send(new DeleteFunctionCommand({ FunctionName: physicalId })),
  'AWS::Lambda::Function': ({ physicalId }) => lambda.send(new DeleteFunctionCommand({ FunctionName: physicalId })),
  'AWS::ApiGateway::GatewayResponse': (resource) =>
    gateway.send(
      new DeleteGatewayResponseCommand({
        ...api(resource),
        responseType: text(resource, 'ResponseType') as 'ACCESS_DENIED',
      }),
    ),
  'AWS::ApiGateway::Method': (resource) => gateway.send(new DeleteMethodCommand(method(resource))),
  'AWS::ApiGateway::Stage': (resource) => gateway.send(new DeleteStageCommand(stage(resource))),
  'AWS::ApiGateway::Deployment': (resource) =>
    gateway.send(new DeleteDeploymentCommand({ ...api(resource), deploymentId: resource.physicalId })),
  'AWS::ApiGateway::Authorizer': (resource) =>
    gateway.send(new DeleteAuthorizerCommand({ ...api(resource), authorizerId: resource.physicalId })),
  'AWS::ApiGateway::RequestValidator': async (resource) => {
    const { items } = await gateway.send(new GetRequestValidatorsCommand(api(resource)));
    for (const { id } of items ?? []) {
      await gateway.send(new DeleteRequestValidatorCommand({ ...api(resource), requestValidatorId: id }));
    }
  },
  'AWS::ApiGateway::Resource': (resource) =>
    gateway.send(new DeleteResourceCommand({ ...api(resource), resourceId: resource.physicalId })),
  'AWS::ApiGateway::Account': () =>
    gateway.send(
      new UpdateAccountCommand({ patchOperations: [{ op: 'replace', path: '/cloudwatchRoleArn', value: '' }] }),
    ),
  'AWS::ApiGateway::RestApi': ({ physicalId }) => gateway.send(new DeleteRestApiCommand({ restApiId: physicalId })),
  'AWS::IAM::Policy': (resource) => iam.send(new DeleteRolePolicyCommand(rolePolicy(resource))),
  'AWS::IAM::Role': async ({ physicalId: RoleName }) => {
    const { AttachedPolicies } = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }));
    for (const { PolicyArn } of AttachedPolicies ?? [])
      await iam.send(new DetachRolePolicyCommand({ RoleName, PolicyArn }));
    await iam.send(new DeleteRoleCommand({ RoleName }));
  },
  'AWS::SQS::QueuePolicy': (resource) =>
    sqs.send(
      new SetQueueAttributesCommand({
        QueueUrl: (resource.properties.Queues as string[])[0],
        Attributes: { Policy: '' },
      }),
    ),
  'AWS::SQS::Queue': ({ physicalId }) => sqs.send(new DeleteQueueCommand({ QueueUrl: physicalId })),
  'AWS::SNS::TopicPolicy': (resource) =>
    sns.send(
      new SetTopicAttributesCommand({
        TopicArn: (resource.properties.Topics as string[])[0],
        AttributeName: 'Policy',
        AttributeValue: DEFAULT_TOPIC_POLICY,
      }),
    ),
  'AWS::SNS::Topic': ({ physicalId }) => sns.send(new DeleteTopicCommand({ TopicArn: physicalId })),
  'AWS::S3::BucketPolicy': (resource) => s3.send(new DeleteBucketPolicyCommand({ Bucket: text(resource, 'Bucket') })),
  'AWS::S3::Bucket': ({ physicalId }) => s3.send(new DeleteBucketCommand({ Bucket: physicalId })),
  'AWS::DynamoDB::Table': ({ physicalId }) => dynamodb.send(new DeleteTableCommand({ TableName: physicalId })),
  'AWS::Kinesis::Stream': ({ physicalId }) => kinesis.send(new DeleteStreamCommand({ StreamName: physicalId })),
  'AWS::Logs::MetricFilter': async (resource) => {
    const [{ MetricName: metricName, MetricNamespace: metricNamespace }] = resource.properties
      .MetricTransformations as [Record<string, string>];
    const { metricFilters } = await logs.send(new DescribeMetricFiltersCommand({ metricName, metricNamespace }));
    const { filterName } = metricFilters!.find(({ logGroupName }) => logGroupName === text(resource, 'LogGroupName'))!;
    await logs.send(new DeleteMetricFilterCommand({ logGroupName: text(resource, 'LogGroupName'), filterName }));
  },
  'AWS::Logs::LogGroup': ({ physicalId }) => logs.send(new DeleteLogGroupCommand({ logGroupName: physicalId })),
};

/** Changes of resources, with the expected problem. */
export const CHANGES: { path: string; what: string; change: Remove; message: RegExp }[] = [
  {
    path: 'Pipeline/Consumer/Role/DefaultPolicy',
    what: 'one permission of the consumer',
    change: (resource) => editPolicy(resource, (statement) => withoutAction(statement, 'dynamodb:UpdateItem')),
    message:
      /permission is missing: Allow dynamodb:UpdateItem on arn:aws:dynamodb:us-east-1:000000000000:table\/usage-dev/,
  },
  {
    path: 'Keys/Authorizer/Role/DefaultPolicy',
    what: 'the resources of the permissions of the authorizer',
    change: (resource) => editPolicy(resource, (statement) => ({ ...statement, Resource: '*' })),
    message: /unexpected permission: Allow dynamodb:GetItem on \*/,
  },
  {
    path: 'Pipeline/Consumer/Live/Stream',
    what: 'the state of the mapping and its limits of age and retries',
    change: ({ physicalId }) =>
      lambda.send(
        new UpdateEventSourceMappingCommand({
          UUID: physicalId,
          Enabled: false,
          MaximumRecordAgeInSeconds: 3600,
          MaximumRetryAttempts: 3,
        }),
      ),
    message:
      /its state is "Disabled", expected "Enabled"[^]+MaximumRecordAgeInSeconds is 3600, expected -1[^]+MaximumRetryAttempts is 3, expected -1/,
  },
  {
    path: 'Canary/Canary/Function',
    what: 'the extension through which the canary reads its secret',
    change: async ({ physicalId: FunctionName }) => {
      await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Layers: [] }));
      await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 120 }, { FunctionName: FunctionName! });
    },
    message:
      /its layers is \[\], expected \["arn:aws:lambda:us-east-1:\d+:layer:AWS-Parameters-and-Secrets-Lambda-Extension/,
  },
  {
    path: 'Portal/Live/FunctionUrl',
    what: 'who may call the usage page',
    change: (resource) =>
      lambda.send(
        new UpdateFunctionUrlConfigCommand({
          FunctionName: text(resource, 'TargetFunctionArn'),
          Qualifier: text(resource, 'Qualifier'),
          AuthType: 'AWS_IAM',
          Cors: { AllowOrigins: ['*'] },
        }),
      ),
    message:
      /its authorization is "AWS_IAM", expected "NONE"[^]+its CORS is \{"AllowOrigins":\["\*"\]\}, expected \{\}/,
  },
  {
    path: 'Portal/Live/invoke-function',
    what: 'the condition that anybody invokes the portal by its URL only',
    change: async (resource) => {
      await removePermission(resource);
      const [FunctionName, Qualifier] = qualified(text(resource, 'FunctionName'));
      const Action = text(resource, 'Action');
      await lambda.send(
        new AddPermissionCommand({ FunctionName, Qualifier, Action, Principal: '*', StatementId: 'anybody' }),
      );
    },
    message:
      /the condition of lambda:InvokeFunction on \S+:usage-portal-dev:live for anybody is not set, expected \{"Bool":\{"lambda:InvokedViaFunctionUrl":"true"\}\}/,
  },
  {
    path: 'Portal/Function',
    what: 'the reserved concurrency of the portal',
    change: ({ physicalId: FunctionName }) => lambda.send(new DeleteFunctionConcurrencyCommand({ FunctionName })),
    message: /its reserved concurrency is not set, expected 10/,
  },
  {
    path: 'Pipeline/GivenUpRecords',
    what: 'the retention of given-up records',
    change: ({ physicalId }) => s3.send(new DeleteBucketLifecycleCommand({ Bucket: physicalId })),
    message: /the days for which it keeps current and noncurrent objects is \[\], expected \[\[90,90\]\]/,
  },
  {
    path: 'Pipeline/Subscription',
    what: 'the filter of the subscription',
    change: async (resource) => {
      const [filter] = await subscriptionFilters(text(resource, 'LogGroupName'));
      await logs.send(
        new PutSubscriptionFilterCommand({
          ...filter,
          filterPattern: '{ $.status = 3* }',
        } as PutSubscriptionFilterCommand['input']),
      );
    },
    message: /its filter is "\{ \$\.status = 3\* \}"/,
  },
  {
    path: 'Pipeline/Claims',
    what: 'the expiry of claims',
    change: ({ physicalId }) =>
      dynamodb.send(
        new UpdateTimeToLiveCommand({
          TableName: physicalId,
          TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: false },
        }),
      ),
    message: /the attribute by which it expires is not set, expected "ttl"/,
  },
  {
    path: 'Keys/RestAuthorizer',
    what: 'the cache TTL of the authorizer',
    change: (resource) =>
      gateway.send(
        new UpdateAuthorizerCommand({
          ...api(resource),
          authorizerId: resource.physicalId,
          patchOperations: [{ op: 'replace', path: '/authorizerResultTtlInSeconds', value: '300' }],
        }),
      ),
    message: /its cache TTL in seconds is "?300"?, expected 0/,
  },
  {
    path: 'Example/Api/Default/status/{code}/GET',
    what: 'the authorizer of a method',
    change: (resource) =>
      gateway.send(
        new UpdateMethodCommand({
          ...method(resource),
          patchOperations: [{ op: 'replace', path: '/authorizationType', value: 'NONE' }],
        }),
      ),
    message: /its authorization type is "NONE", expected "CUSTOM"/,
  },
  {
    path: 'Example/Api/DeploymentStage.dev',
    what: 'the format of the access log',
    change: (resource) =>
      gateway.send(
        new UpdateStageCommand({
          ...stage(resource),
          patchOperations: [{ op: 'replace', path: '/accessLogSettings/format', value: '$context.status' }],
        }),
      ),
    message: /the format of its access log is "\$context.status"/,
  },
  {
    path: 'Alarms/freshness',
    what: 'the state of an alarm',
    change: ({ physicalId }) =>
      cloudWatch.send(
        new SetAlarmStateCommand({ AlarmName: physicalId, StateValue: 'ALARM', StateReason: 'usage is late' }),
      ),
    message: /it is in the state ALARM: usage is late/,
  },
  {
    path: 'Pipeline/Consumer/Function',
    what: 'a setting of the consumer',
    change: ({ physicalId }) =>
      lambda.send(
        new UpdateFunctionConfigurationCommand({
          FunctionName: physicalId,
          Environment: { Variables: { USAGE_TABLE: 'other' } },
        }),
      ),
    message: /its environment variables is \{"USAGE_TABLE":"other"\}/,
  },
  {
    path: 'Keys/Authorizer/Live/Topic',
    what: 'the dead-letter queue of a subscription',
    change: ({ physicalId }) =>
      sns.send(
        new SetSubscriptionAttributesCommand({
          SubscriptionArn: physicalId,
          AttributeName: 'RedrivePolicy',
          AttributeValue: '{}',
        }),
      ),
    message: /its dead-letter queue is \{\}/,
  },
  {
    path: 'Pipeline/AccessLog',
    what: 'the retention of the access log',
    change: ({ physicalId }) => logs.send(new DeleteRetentionPolicyCommand({ logGroupName: physicalId })),
    message: /its retention in days is not set, expected 14/,
  },
  {
    path: 'Reconciliation/Hourly',
    what: 'the schedule of the reconciliation',
    change: ({ physicalId }) => eventBridge.send(new DisableRuleCommand({ Name: physicalId })),
    message: /its state is "DISABLED"/,
  },
];

type Statement = { Action: string | string[]; Resource: unknown };

async function editPolicy(resource: Resource, edit: (statement: Statement) => Statement): Promise<void> {
  const { PolicyDocument } = await iam.send(new GetRolePolicyCommand(rolePolicy(resource)));
  const document = JSON.parse(decodeURIComponent(PolicyDocument!)) as { Statement: Statement[] };
  const edited = JSON.stringify({ ...document, Statement: document.Statement.map(edit) });
  await iam.send(new PutRolePolicyCommand({ ...rolePolicy(resource), PolicyDocument: edited }));
}

function withoutAction(statement: Statement, action: string): Statement {
  const { Action } = statement;
  return Array.isArray(Action) ? { ...statement, Action: Action.filter((each) => each !== action) } : statement;
}

function rolePolicy(resource: Resource): { RoleName: string; PolicyName: string } {
  return { RoleName: (resource.properties.Roles as string[])[0]!, PolicyName: text(resource, 'PolicyName') };
}

function method(resource: Resource) {
  return { ...api(resource), resourceId: text(resource, 'ResourceId'), httpMethod: text(resource, 'HttpMethod') };
}

function stage(resource: Resource) {
  return { ...api(resource), stageName: text(resource, 'StageName') };
}

async function subscriptionFilters(logGroupName: string) {
  return (await logs.send(new DescribeSubscriptionFiltersCommand({ logGroupName }))).subscriptionFilters ?? [];
}

async function removeSubscriptionFilter(logGroupName: string): Promise<void> {
  for (const { filterName } of await subscriptionFilters(logGroupName)) {
    await logs.send(new DeleteSubscriptionFilterCommand({ logGroupName, filterName }));
  }
}

async function removePermission(resource: Resource): Promise<void> {
  const [name, Qualifier] = qualified(text(resource, 'FunctionName'));
  const { Policy } = await lambda.send(new GetPolicyCommand({ FunctionName: name, Qualifier }));
  const statements = (JSON.parse(Policy!) as { Statement: { Sid: string; Action: string; Condition?: unknown }[] })
    .Statement;
  const { Action, SourceArn = '' } = resource.properties as { Action: string; SourceArn?: string };
  const { Sid } = statements.find(
    (statement) => statement.Action === Action && JSON.stringify(statement.Condition ?? {}).includes(SourceArn),
  )!;
  await lambda.send(new RemovePermissionCommand({ FunctionName: name, Qualifier, StatementId: Sid }));
}
