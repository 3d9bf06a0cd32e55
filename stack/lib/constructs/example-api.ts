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
import { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { accessLogFormat } from '../access-log';
import { MeteredStage } from '../metered-stage';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { USAGE_ROUTE } from '../unbilled-routes';
import { ApiKeyAuthorizer } from './api-key-authorizer';
import { UsageEndpoint } from './usage-endpoint';

export interface ExampleApiProps {
  readonly settings: MeterSettings;
  /** What admits the calls. */
  readonly authorizer: ApiKeyAuthorizer;
  /** The ledger, for the usage endpoint. */
  readonly usageTable: ITable;
  /** Where the access log goes, one of those of the pipeline. */
  readonly accessLogGroup: ILogGroup;
  /** Whether to write the role with which API Gateway writes the logs of all REST APIs of this account and region. It
   * replaces the role that is set there; it is not written where this is not given.
   *
   * Source: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs in API Gateway". */
  readonly writesAccountRole?: boolean;
}

/** The headers that tell of a key's limit, by the context of its authorizer. */
const RATE_LIMIT_HEADERS = {
  'X-RateLimit-Limit': 'context.authorizer.usageLimit',
  'X-RateLimit-Remaining': 'context.authorizer.remainingCalls',
  'X-RateLimit-Reset': 'context.authorizer.usageResetSeconds',
};

/** What API Gateway needs to write its logs. */
const LOGS_POLICY = 'arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs';

/** Calls a second that an example's stage lets through. */
export const THROTTLE_PER_SECOND = 1_000;

/** A REST API as its makers might have it: metered, behind the authorizer, with JSON errors and the usage endpoint. Its
 * backend is a mock: `/status/CODE` answers 200, 404 or 500. */
export class ExampleApi extends Construct {
  readonly api: RestApi;
  readonly usageEndpoint: UsageEndpoint;
  readonly stage: MeteredStage;
  /** What answers 200 to a call with a key. */
  readonly statusUrl: string;

  constructor(scope: Construct, id: string, props: ExampleApiProps) {
    super(scope, id);
    const { settings } = props;
    this.api = new RestApi(this, 'Api', {
      restApiName: namesOf(settings.environment).exampleApi,
      // The other kind, edge-optimized, does not exist in every partition, and puts CloudFront before each call.
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: props.writesAccountRole ?? false,
      defaultMethodOptions: { authorizer: props.authorizer.restAuthorizer },
      deployOptions: {
        stageName: settings.environment,
        accessLogDestination: new LogGroupLogDestination(props.accessLogGroup),
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
        'The mock takes no body, and the usage endpoint checks its parameters itself.',
      'AwsSolutions::AwsSolutions-APIG3': 'An example; a real API decides on its own firewall.',
      'AwsSolutions::AwsSolutions-COG4': "The meter's own authorizer admits calls.",
      [`AwsSolutions::AwsSolutions-IAM4[Policy::${LOGS_POLICY}]`]:
        'The role by which API Gateway writes its logs, as AWS documents it.',
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
