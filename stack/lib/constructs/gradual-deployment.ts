import { IAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import { ILambdaDeploymentConfig, LambdaDeploymentConfig, LambdaDeploymentGroup } from 'aws-cdk-lib/aws-codedeploy';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { MeterFunction } from './meter-function';

export interface GradualDeploymentProps {
  readonly function: MeterFunction;
  /** Any of these stops a deployment and puts all calls back on the version before. */
  readonly alarms: IAlarm[];
  /** How calls move over; a tenth for five minutes, then the rest, where it is not given. */
  readonly config?: ILambdaDeploymentConfig;
}

/** What CodeDeploy needs to move an alias and to read the alarms. */
const POLICY = 'arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited';

/** Moves a function's alias to a new version step by step, and back by itself when an alarm goes off. */
export class GradualDeployment extends Construct {
  readonly group: LambdaDeploymentGroup;

  constructor(scope: Construct, id: string, props: GradualDeploymentProps) {
    super(scope, id);
    this.group = new LambdaDeploymentGroup(this, 'Group', {
      alias: props.function.live,
      alarms: props.alarms,
      deploymentConfig: props.config ?? LambdaDeploymentConfig.CANARY_10PERCENT_5MINUTES,
      autoRollback: { failedDeployment: true, stoppedDeployment: true, deploymentInAlarm: true },
    });
    acknowledge(this, {
      [`AwsSolutions::AwsSolutions-IAM4[Policy::${POLICY}]`]: 'The role by which CodeDeploy moves an alias, as AWS documents it.',
    });
  }
}
