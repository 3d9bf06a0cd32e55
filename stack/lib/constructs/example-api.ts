import { CfnOutput, Duration } from 'aws-cdk-lib';
import {
  AccessLogFormat,
  LambdaIntegration,
  LogGroupLogDestination,
  MethodLoggingLevel,
  MockIntegration,
  PassthroughBehavior,
  ResponseType,
  RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import accessLog from '../access-log.json';
import { MeterSettings } from '../settings';
import { ApiKeyAuthorizer } from './api-key-authorizer';
import { MeterFunction } from './meter-function';

export interface ExampleApiProps {
  readonly settings: MeterSettings;
  readonly authorizer: ApiKeyAuthorizer;
  readonly usageTable: ITable;
  readonly accessLogGroup: ILogGroup;
}

/** Where a customer sees its own usage. */
export const USAGE_RESOURCE = '/usage';

/** The headers that tell of a key's limit, by the context of its authorizer. */
const RATE_LIMIT_HEADERS = {
  'X-RateLimit-Limit': 'context.authorizer.usageLimit',
  'X-RateLimit-Remaining': 'context.authorizer.remainingCalls',
  'X-RateLimit-Reset': 'context.authorizer.usageResetSeconds',
};

/** What API Gateway needs to write its logs. */
const LOGS_POLICY = 'arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs';

/** Calls a second that the example's stage lets through. */
const THROTTLE_PER_SECOND = 1_000;

/** An API as its makers might have it: metered, behind the authorizer, with JSON errors and the usage endpoint. Its
 * backend is a mock: `/status/CODE` answers 200, 404 or 500. */
export class ExampleApi extends Construct {
  readonly api: RestApi;
  readonly usageEndpoint: MeterFunction;

  constructor(scope: Construct, id: string, props: ExampleApiProps) {
    super(scope, id);
    const { settings } = props;
    this.api = new RestApi(this, 'Api', {
      restApiName: `usage-example-${settings.environment}`,
      cloudWatchRole: true,
      defaultMethodOptions: { authorizer: props.authorizer.restAuthorizer },
      deployOptions: {
        stageName: settings.environment,
        accessLogDestination: new LogGroupLogDestination(props.accessLogGroup),
        accessLogFormat: AccessLogFormat.custom(accessLog.format),
        loggingLevel: MethodLoggingLevel.ERROR,
        dataTraceEnabled: false,
        metricsEnabled: true,
        tracingEnabled: true,
        throttlingRateLimit: THROTTLE_PER_SECOND,
        throttlingBurstLimit: 2 * THROTTLE_PER_SECOND,
      },
    });
    this.api.addRequestValidator('Validator', { validateRequestBody: true, validateRequestParameters: true });
    this.addErrors();
    this.addBackend();
    this.usageEndpoint = this.addUsageEndpoint(props);
    acknowledge(this.api, {
      'AwsSolutions::AwsSolutions-APIG3': 'An example; a real API decides on its own firewall.',
      'AwsSolutions::AwsSolutions-COG4': "The meter's own authorizer admits calls.",
      [`AwsSolutions::AwsSolutions-IAM4[Policy::${LOGS_POLICY}]`]: 'The role by which API Gateway writes its logs, as AWS documents it.',
    });
    acknowledge(this.usageEndpoint, {
      'Serverless::Serverless-LambdaDLQ': 'It is invoked synchronously only.',
    });
    new CfnOutput(this, 'Url', { value: this.api.url });
  }

  private addErrors(): void {
    const responseHeaders = RATE_LIMIT_HEADERS;
    this.api.addGatewayResponse('Denied', {
      type: ResponseType.ACCESS_DENIED,
      statusCode: '403',
      responseHeaders,
      templates: {
        'application/json': '{"message":"$context.authorizer.message","reason":"$context.authorizer.reason"}',
      },
    });
    for (const type of [ResponseType.AUTHORIZER_FAILURE, ResponseType.AUTHORIZER_CONFIGURATION_ERROR]) {
      this.api.addGatewayResponse(type.responseType, {
        type,
        statusCode: '500',
        templates: {
          'application/json':
            '{"message":"The API key cannot be checked now. Please try again.","reason":"unavailable"}',
        },
      });
    }
  }

  private addBackend(): void {
    const mapped = (status: string) => ({
      statusCode: status,
      responseParameters: Object.fromEntries(
        Object.entries(RATE_LIMIT_HEADERS).map(([header, value]) => [`method.response.header.${header}`, value]),
      ),
      responseTemplates: { 'application/json': `{"status":${status}}` },
    });
    const integration = new MockIntegration({
      passthroughBehavior: PassthroughBehavior.NEVER,
      requestTemplates: { 'application/json': '{"statusCode": $input.params("code")}' },
      integrationResponses: [
        mapped('200'),
        { ...mapped('404'), selectionPattern: '404' },
        { ...mapped('500'), selectionPattern: '500' },
      ],
    });
    const headers = Object.fromEntries(
      Object.keys(RATE_LIMIT_HEADERS).map((header) => [`method.response.header.${header}`, true]),
    );
    this.api.root
      .addResource('status')
      .addResource('{code}')
      .addMethod('GET', integration, {
        methodResponses: ['200', '404', '500'].map((statusCode) => ({ statusCode, responseParameters: headers })),
      });
  }

  private addUsageEndpoint(props: ExampleApiProps): MeterFunction {
    const endpoint = new MeterFunction(this, 'UsageEndpoint', {
      settings: props.settings,
      service: 'usage-endpoint',
      description: 'Shows a customer what its own key has used',
      memoryMiB: 128,
      timeout: Duration.seconds(15),
      environment: { USAGE_TABLE: props.usageTable.tableName },
    });
    endpoint.allow(['dynamodb:Query'], [props.usageTable.tableArn]);
    this.api.root
      .addResource(USAGE_RESOURCE.slice(1))
      .addMethod('GET', new LambdaIntegration(endpoint.live));
    return endpoint;
  }
}
