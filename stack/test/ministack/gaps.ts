import { APIGatewayClient, CreateRequestValidatorCommand, UpdateStageCommand } from '@aws-sdk/client-api-gateway';
import { CloudWatchClient, SetAlarmStateCommand } from '@aws-sdk/client-cloudwatch';
import {
  DynamoDBClient,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { KinesisClient, StartStreamEncryptionCommand } from '@aws-sdk/client-kinesis';
import {
  LambdaClient,
  PutFunctionConcurrencyCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import { PutBucketLifecycleConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { SetTopicAttributesCommand, SNSClient } from '@aws-sdk/client-sns';
import { CLIENT, Deployment, Resource } from '../../verify/deployment';

/** Constructs that the emulator does not support, with the reason. They are not deployed to it. */
export const OMITTED: Record<string, string> = {
  ConsumerDeployment: 'it has no CodeDeploy',
  AuthorizerDeployment: 'it has no CodeDeploy',
  'Alarms/consumer-errors': 'its CloudFormation does not create alarms of expressions',
  ...Object.fromEntries(
    [
      'canary-missed',
      'delivery-failed',
      'delivery-throttled',
      'mapping-stands-still',
      'reconciliation-missing',
      'records-dropped',
      'skipped-without-a-key',
      'stream-nearly-full',
      'unreadable-lines',
    ].map((id) => [`Alarms/${id}`, 'its CloudFormation does not create alarms of expressions']),
  ),
};

/** Settings that the emulator does not store, which the test removes. */
export const NOT_STORED = [
  { file: 'stack/lib/constructs/usage-pipeline.ts', text: 'metricsConfig: { metrics: [MetricType.EVENT_COUNT] },' },
];

/** Other gaps of the emulator, which no test covers. */
export const NOT_COVERED = [
  'it delivers no log events to a subscription, so the test puts the record on the stream',
  'its API Gateway writes no access log, so calls are not counted',
  'its CloudFormation leaves out the OpenAPI document of an HTTP API, so the SAM template of one is only translated',
  'its API Gateway does not map the context of an authorizer to headers or error bodies',
  'it stores the destination of given-up records and does not use it',
  'its Logs Insights returns events without counting, so meter reconcile is tested only on a local stack',
  'its GetMetricData does not speak the protocol of the SDK for Rust, so meter status is tested only on a local stack',
  'it does not check permissions when a function uses another service',
];

type Repair = (resource: Resource, deployment: Deployment) => Promise<unknown>;

/** Settings that the emulator's CloudFormation leaves unset although its services support them. The test sets them. */
export const UNSET: { what: string; type: string; repair: Repair }[] = [
  {
    what: 'expiry of a table',
    type: 'AWS::DynamoDB::Table',
    repair: ({ physicalId, properties }) =>
      new DynamoDBClient(CLIENT).send(
        new UpdateTimeToLiveCommand({
          TableName: physicalId,
          TimeToLiveSpecification: properties.TimeToLiveSpecification as { AttributeName: string; Enabled: boolean },
        }),
      ),
  },
  {
    what: 'recovery of a table',
    type: 'AWS::DynamoDB::Table',
    repair: ({ physicalId }) =>
      new DynamoDBClient(CLIENT).send(
        new UpdateContinuousBackupsCommand({
          TableName: physicalId,
          PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        }),
      ),
  },
  {
    what: 'encryption of a table',
    type: 'AWS::DynamoDB::Table',
    repair: ({ physicalId }) =>
      new DynamoDBClient(CLIENT).send(
        new UpdateTableCommand({ TableName: physicalId, SSESpecification: { Enabled: true } }),
      ),
  },
  {
    what: 'encryption of the stream',
    type: 'AWS::Kinesis::Stream',
    repair: ({ physicalId }) =>
      new KinesisClient(CLIENT).send(
        new StartStreamEncryptionCommand({ StreamName: physicalId, EncryptionType: 'KMS', KeyId: 'alias/aws/kinesis' }),
      ),
  },
  {
    what: 'expiry of the objects of a bucket',
    type: 'AWS::S3::Bucket',
    repair: ({ physicalId, properties }) => {
      const { Rules } = properties.LifecycleConfiguration as {
        Rules: {
          Id: string;
          Status: 'Enabled';
          ExpirationInDays: number;
          NoncurrentVersionExpiration: { NoncurrentDays: number };
        }[];
      };
      return new S3Client({ ...CLIENT, forcePathStyle: true }).send(
        new PutBucketLifecycleConfigurationCommand({
          Bucket: physicalId,
          LifecycleConfiguration: {
            Rules: Rules.map(({ Id: ID, Status, ExpirationInDays: Days, NoncurrentVersionExpiration }) => ({
              ID,
              Status,
              Filter: { Prefix: '' },
              Expiration: { Days },
              NoncurrentVersionExpiration,
            })),
          },
        }),
      );
    },
  },
  {
    what: 'encryption of a topic',
    type: 'AWS::SNS::Topic',
    repair: ({ physicalId, properties }) =>
      new SNSClient(CLIENT).send(
        new SetTopicAttributesCommand({
          TopicArn: physicalId,
          AttributeName: 'KmsMasterKeyId',
          AttributeValue: properties.KmsMasterKeyId as string,
        }),
      ),
  },
  {
    what: 'dead-letter queue of a function',
    type: 'AWS::Lambda::Function',
    repair: async ({ physicalId, properties }) => {
      const DeadLetterConfig = properties.DeadLetterConfig as { TargetArn: string } | undefined;
      if (DeadLetterConfig === undefined) return;
      const client = new LambdaClient(CLIENT);
      await client.send(new UpdateFunctionConfigurationCommand({ FunctionName: physicalId, DeadLetterConfig }));
      await waitUntilFunctionActiveV2({ client, maxWaitTime: 120 }, { FunctionName: physicalId });
    },
  },
  {
    what: 'reserved concurrency of a function',
    type: 'AWS::Lambda::Function',
    repair: async ({ physicalId: FunctionName, properties }) => {
      const ReservedConcurrentExecutions = properties.ReservedConcurrentExecutions as number | undefined;
      if (ReservedConcurrentExecutions === undefined) return;
      await new LambdaClient(CLIENT).send(
        new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions }),
      );
    },
  },
  {
    what: 'access log of a stage',
    type: 'AWS::ApiGateway::Stage',
    repair: ({ properties }) => {
      const { DestinationArn, Format } = properties.AccessLogSetting as { DestinationArn: string; Format: string };
      return new APIGatewayClient(CLIENT).send(
        new UpdateStageCommand({
          restApiId: properties.RestApiId as string,
          stageName: properties.StageName as string,
          patchOperations: [
            { op: 'replace', path: '/accessLogSettings/destinationArn', value: DestinationArn },
            { op: 'replace', path: '/accessLogSettings/format', value: Format },
          ],
        }),
      );
    },
  },
  {
    what: 'request validator of an API',
    type: 'AWS::ApiGateway::RequestValidator',
    repair: ({ properties }) =>
      new APIGatewayClient(CLIENT).send(
        new CreateRequestValidatorCommand({
          restApiId: properties.RestApiId as string,
          validateRequestBody: properties.ValidateRequestBody as boolean,
          validateRequestParameters: properties.ValidateRequestParameters as boolean,
        }),
      ),
  },
  {
    what: 'first evaluation of an alarm',
    type: 'AWS::CloudWatch::Alarm',
    repair: ({ physicalId }) =>
      new CloudWatchClient(CLIENT).send(
        new SetAlarmStateCommand({ AlarmName: physicalId, StateValue: 'OK', StateReason: 'no data' }),
      ),
  },
];

/** Sets the settings that the emulator's CloudFormation left unset. */
export async function setUnset(deployment: Deployment): Promise<void> {
  for (const { type, repair } of UNSET) {
    for (const resource of deployment.resources.filter((each) => each.type === type)) {
      await repair(resource, deployment);
    }
  }
}
