import { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import { ILambdaDeploymentConfig, LambdaDeploymentConfig, LambdaDeploymentGroup } from 'aws-cdk-lib/aws-codedeploy';
import { CfnAlias } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { MeterFunction } from './meter-function';

export interface GradualDeploymentProps {
  readonly function: MeterFunction;
  /** The alarm about errors of the new version, which also stops a deployment. */
  readonly versionAlarm: Alarm;
  /** The alarms that stop a deployment and route all calls to the previous version, even if they were on before. They
   * concern faults of a new version, not records that wait for an operator. */
  readonly alarms: Alarm[];
  /** The steps of the deployment. Default: a tenth of the calls for ten minutes, then all. */
  readonly config?: ILambdaDeploymentConfig;
  /** `true` to route all calls to the new version at once, without CodeDeploy and regardless of alarms: a fix or a
   * rollback is deployed while alarms are on. */
  readonly allAtOnce?: boolean;
}

/** The managed policy with which CodeDeploy changes an alias and reads alarms. */
const POLICY = 'arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited';

/** Routes the calls of a function's alias to a new version step by step, and back if an alarm goes off. */
export class GradualDeployment extends Construct {
  readonly group: LambdaDeploymentGroup;

  constructor(scope: Construct, id: string, props: GradualDeploymentProps) {
    super(scope, id);
    this.group = new LambdaDeploymentGroup(this, 'Group', {
      alias: props.function.live,
      alarms: [props.versionAlarm, ...props.alarms],
      // An alarm takes up to three minutes of five, and metrics are a minute or two late. With a step of five minutes,
      // most alarms would go off after all calls are routed to the new version.
      deploymentConfig: props.config ?? LambdaDeploymentConfig.CANARY_10PERCENT_10MINUTES,
      autoRollback: { failedDeployment: true, stoppedDeployment: true, deploymentInAlarm: true },
    });
    const alias = props.function.live.node.defaultChild as CfnAlias;
    if (props.allAtOnce) {
      // Without this policy CloudFormation changes the alias without CodeDeploy. Source: CloudFormation Template Reference,
      // `UpdatePolicy` attribute, "CodeDeployLambdaAliasUpdate".
      alias.cfnOptions.updatePolicy = undefined;
    }
    // The alarm has to monitor the new version before it receives calls.
    props.function.live.node.addDependency(props.versionAlarm);
    acknowledge(this, {
      [`AwsSolutions::AwsSolutions-IAM4[Policy::${POLICY}]`]:
        'AWS documents this policy for the role with which CodeDeploy changes an alias.',
    });
  }
}
