import { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import { ILambdaDeploymentConfig, LambdaDeploymentConfig, LambdaDeploymentGroup } from 'aws-cdk-lib/aws-codedeploy';
import { CfnAlias } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { MeterFunction } from './meter-function';

export interface GradualDeploymentProps {
  readonly function: MeterFunction;
  /** The alarm of the new version's errors, which is among those that stop a deployment. */
  readonly versionAlarm: Alarm;
  /** Any of these stops a deployment and puts all calls back on the version before, also one that was on already. So
   * they are about what a new version can do wrong, and not about records that wait for somebody. */
  readonly alarms: Alarm[];
  /** How calls move over; a tenth for ten minutes, then the rest, where it is not given. */
  readonly config?: ILambdaDeploymentConfig;
  /** Whether this deployment moves all calls at once, without CodeDeploy and whatever the alarms say: a fix or a
   * rollback is deployed while alarms are on. */
  readonly allAtOnce?: boolean;
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
      alarms: [props.versionAlarm, ...props.alarms],
      // An alarm wants up to three minutes of five, and metrics come a minute or two late: in five minutes it would
      // mostly go off when all calls have moved.
      deploymentConfig: props.config ?? LambdaDeploymentConfig.CANARY_10PERCENT_10MINUTES,
      autoRollback: { failedDeployment: true, stoppedDeployment: true, deploymentInAlarm: true },
    });
    const alias = props.function.live.node.defaultChild as CfnAlias;
    if (props.allAtOnce) {
      // Without this policy CloudFormation sets the alias itself. Source: CloudFormation Template Reference,
      // `UpdatePolicy` attribute, "CodeDeployLambdaAliasUpdate".
      alias.cfnOptions.updatePolicy = undefined;
    }
    // The alarm has to watch the new version before that gets any calls.
    props.function.live.node.addDependency(props.versionAlarm);
    acknowledge(this, {
      [`AwsSolutions::AwsSolutions-IAM4[Policy::${POLICY}]`]:
        'The role by which CodeDeploy moves an alias, as AWS documents it.',
    });
  }
}
