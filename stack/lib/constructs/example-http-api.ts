import { CfnOutput, Duration } from 'aws-cdk-lib';
import { HttpApi, HttpMethod, HttpStage, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Code, Function as LambdaFunction, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { accessLogFormat } from '../access-log';
import { acknowledge } from '../acknowledge';
import { MeteredStage } from '../metered-stage';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { USAGE_ROUTE } from '../unbilled-routes';
import { ExampleApiProps, THROTTLE_PER_SECOND } from './example-api';
import { functionLogGroup } from './meter-log-group';
import { UsageEndpoint } from './usage-endpoint';

/** The source of the backend, which answers `/status/CODE` with that code, and with the limit of the key, if any, in
 * headers. HTTP APIs have no mock integration. */
const BACKEND = `exports.handler = async (event) => {
  const { usageLimit, remainingCalls, usageResetSeconds } = event.requestContext.authorizer.lambda;
  const limits = { 'x-ratelimit-limit': usageLimit, 'x-ratelimit-remaining': remainingCalls, 'x-ratelimit-reset': usageResetSeconds };
  const told = Object.entries(limits).filter(([, value]) => value !== undefined && value !== null);
  const code = ['200', '404', '500'].includes(event.pathParameters.code) ? Number(event.pathParameters.code) : 400;
  return {
    statusCode: code,
    headers: { 'content-type': 'application/json', ...Object.fromEntries(told.map(([name, value]) => [name, String(value)])) },
    body: JSON.stringify({ status: code }),
  };
};
`;

/** An example HTTP API: metered, with the authorizer and the usage endpoint. `/status/CODE` answers 200, 404 or 500. */
export class ExampleHttpApi extends Construct {
  readonly api: HttpApi;
  readonly usageEndpoint: UsageEndpoint;
  readonly stage: MeteredStage;
  /** The URL that answers 200 to a call with a valid key. */
  readonly statusUrl: string;

  constructor(scope: Construct, id: string, props: ExampleApiProps) {
    super(scope, id);
    const { settings } = props;
    this.api = new HttpApi(this, 'Api', {
      apiName: namesOf(settings.environment).exampleApi,
      createDefaultStage: false,
      defaultAuthorizer: props.authorizer.httpAuthorizer,
    });
    const stage = new HttpStage(this, 'Stage', {
      httpApi: this.api,
      stageName: settings.environment,
      autoDeploy: true,
      throttle: { rateLimit: THROTTLE_PER_SECOND, burstLimit: 2 * THROTTLE_PER_SECOND },
      accessLogSettings: {
        destination: new LogGroupLogDestination(props.pipeline.accessLogGroup),
        format: accessLogFormat('http'),
      },
    });
    this.stage = { kind: 'http', api: this.api.apiId, stageName: settings.environment };
    this.statusUrl = `${stage.url}/status/200`;
    this.usageEndpoint = new UsageEndpoint(this, 'UsageEndpoint', props);
    this.addRoute('/status/{code}', 'Backend', this.addBackend(settings));
    this.addRoute(USAGE_ROUTE, 'Usage', this.usageEndpoint.live);
    new CfnOutput(this, 'Url', { value: stage.url });
  }

  private addRoute(path: string, name: string, handler: ConstructorParameters<typeof HttpLambdaIntegration>[1]): void {
    this.api.addRoutes({ path, methods: [HttpMethod.GET], integration: new HttpLambdaIntegration(name, handler) });
  }

  private addBackend(settings: MeterSettings): LambdaFunction {
    const functionName = namesOf(settings.environment).exampleApi;
    const logGroup = functionLogGroup(this, 'BackendLog', settings, functionName);
    const role = new Role(this, 'BackendRole', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    role.addToPolicy(
      new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );
    const backend = new LambdaFunction(this, 'Backend', {
      functionName,
      description: 'The backend of the example API',
      runtime: Runtime.NODEJS_24_X,
      handler: 'index.handler',
      code: Code.fromInline(BACKEND),
      memorySize: 128,
      timeout: Duration.seconds(5),
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
    });
    acknowledge(backend, {
      'Serverless::Serverless-LambdaDLQ': 'It is only invoked synchronously.',
      'Serverless::Serverless-LambdaTracing': 'This is an example without work to trace.',
    });
    return backend;
  }
}
