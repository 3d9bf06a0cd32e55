import * as fs from 'node:fs';
import * as path from 'node:path';
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
import { FreeSettings } from '../function-settings';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';
import { MeterFunction } from './meter-function';

export interface UsageCanaryProps {
  readonly settings: MeterSettings;
  /** What it calls: it has to answer 2xx, and to be billed. */
  readonly url: string;
  /** The ledger, in which it waits for its call. */
  readonly usageTable: ITable;
  /** Further settings of the canary, for example `timeoutMs`. */
  readonly canarySettings?: FreeSettings<'usage-canary'>;
}

/** The key under which the canary's calls are counted; reports leave it out of what is billed. */
export const CANARY_KEY_ID = 'canary';

/** The time for which the canary waits for its call to be counted, in milliseconds. */
const COUNT_TIMEOUT_MS = 120_000;

/** The version of AWS's Parameters and Secrets Lambda Extension. */
const EXTENSION = ParamsAndSecretsVersions.V1_0_103;

/** Whether a region has the extension through which the canary reads its secret, as far as CDK knows. */
export function canHaveCanary(region: string, architecture: Architecture): boolean {
  return RegionInfo.get(region).paramsAndSecretsLambdaLayerArn(EXTENSION, architecture.name) !== undefined;
}

/** Calls the API once a minute with a key of its own and waits until the ledger shows the call: freshness as it is seen
 * from outside, also when nobody else calls. */
export class UsageCanary extends Construct {
  readonly canary: MeterFunction;

  constructor(scope: Construct, id: string, props: UsageCanaryProps) {
    super(scope, id);
    const { settings, usageTable } = props;
    if (!fs.existsSync(path.join(settings.binaries, 'usage-canary'))) {
      throw new Error(
        `There is no usage-canary in ${settings.binaries}: build it with scripts/build-lambdas.sh, or set the option canary to no.`,
      );
    }
    const secretParameter = namesOf(settings.environment).canarySecretParameter;
    this.canary = new MeterFunction(this, 'Canary', {
      settings,
      service: 'usage-canary',
      description: 'Calls the API, and waits until its call is counted',
      functionSettings: {
        canaryApiKeyId: CANARY_KEY_ID,
        timeoutMs: COUNT_TIMEOUT_MS,
        ...props.canarySettings,
        canaryUrl: props.url,
        canarySecretParameter: secretParameter,
        usageTable: usageTable.tableName,
      },
      // The extension hands out the secret, so that it is in no variable and no template.
      paramsAndSecrets: ParamsAndSecretsLayerVersion.fromVersion(EXTENSION, {
        logLevel: ParamsAndSecretsLogLevel.WARN,
      }),
    });
    this.canary.allow(['dynamodb:Query'], [usageTable.tableArn]);
    // The key `aws/ssm` lets whoever may read the parameter decrypt it. Source: Systems Manager User Guide, "How AWS
    // Systems Manager Parameter Store uses AWS KMS".
    this.canary.allow(
      ['ssm:GetParameter'],
      [Stack.of(this).formatArn({ service: 'ssm', resource: `parameter${secretParameter}` })],
    );
    acknowledge(this.canary, {
      'Serverless::Serverless-LambdaDLQ':
        'A run that fails is missed by its alarm; running it later would tell nothing.',
    });
    const rule = new Rule(this, 'EachMinute', {
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [new LambdaFunction(this.canary.live, { retryAttempts: 0, maxEventAge: Duration.minutes(1) })],
    });
    acknowledge(rule, { 'Serverless::Serverless-EventBusDLQ': 'A run that is not started is missed by its alarm.' });
  }
}
