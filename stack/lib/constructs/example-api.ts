import { CfnOutput } from 'aws-cdk-lib';
import {
  EndpointType,
  LambdaIntegration,
  LogGroupLogDestination,
  MethodLoggingLevel,
  MockIntegration,
  PassthroughBehavior,
  ResponseType,
  RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { accessLogFormat } from '../access-log';
import { MeteredStage } from '../metered-stage';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { USAGE_ROUTE } from '../unbilled-routes';
import { ApiKeyAuthorizer } from './api-key-authorizer';
import { UsageEndpoint } from './usage-endpoint';
import { UsagePipeline } from './usage-pipeline';

export interface ExampleApiProps {
  readonly settings: MeterSettings;
  /** The authorizer of the API. */
  readonly authorizer: ApiKeyAuthorizer;
  /** The pipeline that counts the calls. The access log goes to its first log group. */
  readonly pipeline: UsagePipeline;
  /** `true` to create the role with which API Gateway writes the logs of all REST APIs of this account and region, and
   * set it in place of the present one. Default: `false`.
   *
   * Source: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs in API Gateway". */
  readonly writesAccountRole?: boolean;
}

/** The headers with the limit of a key, with their values in the context of the authorizer. */
const RATE_LIMIT_HEADERS = {
  'X-RateLimit-Limit': 'context.authorizer.usageLimit',
  'X-RateLimit-Remaining': 'context.authorizer.remainingCalls',
  'X-RateLimit-Reset': 'context.authorizer.usageResetSeconds',
};

/** The managed policy with which API Gateway writes logs. */
const LOGS_POLICY = 'arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs';

/** The throttle of the stages of examples, in calls per second. */
export const THROTTLE_PER_SECOND = 1_000;

/** An example REST API: metered, with the authorizer, JSON errors and the usage endpoint. Its backend is a mock:
 * `/status/CODE` answers 200, 404 or 500. */
export class ExampleApi extends Construct {
  readonly api: RestApi;
  readonly usageEndpoint: UsageEndpoint;
  readonly stage: MeteredStage;
  /** The URL that answers 200 to a call with a valid key. */
  readonly statusUrl: string;

  constructor(scope: Construct, id: string, props: ExampleApiProps) {
    super(scope, id);
    const { settings } = props;
    this.api = new RestApi(this, 'Api', {
      restApiName: namesOf(settings.environment).exampleApi,
      // Edge-optimized endpoints do not exist in every partition, and route calls through CloudFront.
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: props.writesAccountRole ?? false,
      defaultMethodOptions: { authorizer: props.authorizer.restAuthorizer },
      deployOptions: {
        stageName: settings.environment,
        accessLogDestination: new LogGroupLogDestination(props.pipeline.accessLogGroup),
        accessLogFormat: accessLogFormat('rest'),
        loggingLevel: MethodLoggingLevel.ERROR,
        dataTraceEnabled: false,
        metricsEnabled: true,
        tracingEnabled: true,
        throttlingRateLimit: THROTTLE_PER_SECOND,
        throttlingBurstLimit: 2 * THROTTLE_PER_SECOND,
      },
    });
    this.stage = { kind: 'rest', api: this.api.restApiName, stageName: settings.environment };
    this.addErrors();
    this.addBackend();
    this.statusUrl = this.api.urlForPath('/status/200');
    this.usageEndpoint = new UsageEndpoint(this, 'UsageEndpoint', props);
    this.api.root.addResource(USAGE_ROUTE.slice(1)).addMethod('GET', new LambdaIntegration(this.usageEndpoint.live));
    acknowledge(this.api, {
      'AwsSolutions::AwsSolutions-APIG2':
        'The mock has no request body, and the usage endpoint validates its parameters.',
      'AwsSolutions::AwsSolutions-APIG3': 'This is an example. The owner of a real API decides on a firewall.',
      'AwsSolutions::AwsSolutions-COG4': "The meter's authorizer admits calls.",
      [`AwsSolutions::AwsSolutions-IAM4[Policy::${LOGS_POLICY}]`]:
        'AWS documents this policy for the role with which API Gateway writes logs.',
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
}
