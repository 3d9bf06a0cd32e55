import { Duration } from 'aws-cdk-lib';
import { Conditions, Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Alias,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  ParamsAndSecretsLayerVersion,
  Runtime,
  SystemLogLevel,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { binaryOf } from '../binaries';
import { functionEnvironment, Service } from '../function-settings';
import functions from '../generated/functions.json';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { functionLogGroup } from './meter-log-group';

export interface MeterFunctionProps {
  readonly settings: MeterSettings;
  /** The name of the binary. */
  readonly service: Service;
  readonly description: string;
  /** The settings that the function reads from its environment variables, by name: `FunctionSettings` of the service. */
  readonly functionSettings: { readonly [name: string]: any };
  readonly reservedConcurrency?: number;
  /** The queue for events of asynchronous invocations after all retries failed. */
  readonly deadLetterQueue?: IQueue;
  /** The extension through which the function reads parameters and secrets. */
  readonly paramsAndSecrets?: ParamsAndSecretsLayerVersion;
}

/** A binary of the meter as a Lambda function. Its role may only write its log until `allow` adds permissions. */
export class MeterFunction extends Construct {
  readonly function: LambdaFunction;
  /** The alias that all callers invoke. It points to the version in use, so that a deployment can shift calls. */
  readonly live: Alias;
  readonly logGroup: LogGroup;

  constructor(scope: Construct, id: string, props: MeterFunctionProps) {
    super(scope, id);
    const { settings, service } = props;
    const { memoryMiB, timeoutMs } = functions[service];
    const functionName = namesOf(settings.environment).function(service);
    this.logGroup = functionLogGroup(this, 'Log', settings, functionName);
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.function = new LambdaFunction(this, 'Function', {
      functionName,
      description: props.description,
      runtime: Runtime.PROVIDED_AL2023,
      architecture: settings.architecture,
      handler: 'bootstrap',
      code: Code.fromAsset(requiredBinary(settings, service)),
      memorySize: memoryMiB,
      timeout: Duration.millis(timeoutMs),
      role,
      logGroup: this.logGroup,
      loggingFormat: LoggingFormat.JSON,
      // The lines `platform.start` and `platform.report` of each invocation have the level INFO, and would cost as much as
      // the authorizer. Source: Lambda Developer Guide, "Log-level filtering", system logs.
      systemLogLevelV2: SystemLogLevel.WARN,
      environment: functionEnvironment(service, settings.environment, props.functionSettings),
      reservedConcurrentExecutions: props.reservedConcurrency,
      deadLetterQueue: props.deadLetterQueue,
      paramsAndSecrets: props.paramsAndSecrets,
    });
    this.live = new Alias(this, 'Live', { aliasName: 'live', version: this.function.currentVersion });
    acknowledge(this, {
      'Serverless::Serverless-LambdaTracing':
        'A trace of each call would cost more than the function. Metrics record the duration of each part.',
    });
    this.allow(['logs:CreateLogStream', 'logs:PutLogEvents'], [this.logGroup.logGroupArn]);
  }

  /** Allows the function actions on resources, under the conditions if there are any. */
  allow(actions: string[], resources: string[], conditions?: Conditions): void {
    this.function.addToRolePolicy(new PolicyStatement({ effect: Effect.ALLOW, actions, resources, conditions }));
  }
}

function requiredBinary(settings: MeterSettings, service: Service): string {
  const binary = binaryOf(settings, service);
  if (binary !== undefined) return binary;
  throw new Error(
    `There is no ${service} in ${settings.binaries}: set binaries to the folder that scripts/build-lambdas.sh writes, or to functions/PROCESSOR of a release.`,
  );
}
