import { Duration, Stack } from 'aws-cdk-lib';
import { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import {
  Architecture,
  ParamsAndSecretsLayerVersion,
  ParamsAndSecretsLogLevel,
  ParamsAndSecretsVersions,
} from 'aws-cdk-lib/aws-lambda';
import { RegionInfo } from 'aws-cdk-lib/region-info';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { binaryOf } from '../binaries';
import { FunctionSettings } from '../function-settings';
import { CanarySettings } from '../generated/free-settings';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { MeterFunction } from './meter-function';

export interface UsageCanaryProps {
  readonly settings: MeterSettings;
  /** The URL that the canary calls: a GET that is answered with 2xx and billed. */
  readonly url: string;
  /** The ledger, which the canary reads until it shows the call. */
  readonly usageTable: ITable;
  /** Further settings of the canary, for example `timeoutMs`. */
  readonly canarySettings?: CanarySettings;
}

/** The id of the canary's key. Reports exclude its calls from the billed ones. */
export const CANARY_KEY_ID = 'canary';

/** The time for which the canary waits for its call to be counted, in milliseconds. */
const COUNT_TIMEOUT_MS = 120_000;

/** The version of AWS's Parameters and Secrets Lambda Extension. */
const EXTENSION = ParamsAndSecretsVersions.V1_0_103;

/** Returns whether CDK knows of the extension through which the canary reads its secret in a region. */
export function canHaveCanary(region: string, architecture: Architecture): boolean {
  return RegionInfo.get(region).paramsAndSecretsLambdaLayerArn(EXTENSION, architecture.name) !== undefined;
}

/** The canary. It calls the API once a minute with its own key and waits until the ledger shows the call. It measures
 * freshness from outside, also without other calls. */
export class UsageCanary extends Construct {
  readonly canary: MeterFunction;

  constructor(scope: Construct, id: string, props: UsageCanaryProps) {
    super(scope, id);
    const { settings, usageTable } = props;
    if (binaryOf(settings, 'usage-canary') === undefined) {
      throw new Error(
        `There is no usage-canary in ${settings.binaries}: build it with scripts/build-lambdas.sh, or set the option canary to no.`,
      );
    }
    const secretParameter = namesOf(settings.environment).canarySecretParameter;
    this.canary = new MeterFunction(this, 'Canary', {
      settings,
      service: 'usage-canary',
      description: 'Calls the API and waits until the call is counted',
      functionSettings: {
        canaryApiKeyId: CANARY_KEY_ID,
        timeoutMs: COUNT_TIMEOUT_MS,
        ...props.canarySettings,
        canaryUrl: props.url,
        canarySecretParameter: secretParameter,
        usageTable: usageTable.tableName,
      } satisfies FunctionSettings<'usage-canary'>,
      // The extension returns the secret, so that it is in no variable or template.
      paramsAndSecrets: ParamsAndSecretsLayerVersion.fromVersion(EXTENSION, {
        logLevel: ParamsAndSecretsLogLevel.WARN,
      }),
    });
    this.canary.allow(['dynamodb:Query'], [usageTable.tableArn]);
    // The key `aws/ssm` lets every reader of the parameter decrypt it. Source: Systems Manager User Guide, "How AWS
    // Systems Manager Parameter Store uses AWS KMS".
    this.canary.allow(
      ['ssm:GetParameter'],
      [Stack.of(this).formatArn({ service: 'ssm', resource: `parameter${secretParameter}` })],
    );
    acknowledge(this.canary, {
      'Serverless::Serverless-LambdaDLQ':
        'The alarm about the canary covers failed runs, and a later retry would measure nothing.',
    });
    const rule = new Rule(this, 'EachMinute', {
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [new LambdaFunction(this.canary.live, { retryAttempts: 0, maxEventAge: Duration.minutes(1) })],
    });
    acknowledge(rule, {
      'Serverless::Serverless-EventBusDLQ': 'The alarm about the canary covers runs that are not started.',
    });
  }
}
