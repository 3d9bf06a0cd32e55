import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { FreeSettings } from '../function-settings';
import { MeterSettings } from '../settings';
import { unbilledRoutesVariable } from '../unbilled-routes';
import { failedQueue } from './failed-queue';
import { MeterFunction } from './meter-function';
import { UsagePipeline } from './usage-pipeline';

/** The partition of the claims in which compared hours are remembered. */
export const COMPARED_HOURS = 'reconciliation';

export interface ReconciliationProps {
  readonly settings: MeterSettings;
  /** The pipeline whose ledger is compared with its access logs. */
  readonly pipeline: UsagePipeline;
  /** Further settings of the reconciler, for example `reconcileHours`. */
  readonly reconcilerSettings?: FreeSettings<'usage-reconciler'>;
}

/** Compares the ledger with all access logs once an hour, and tells where they drift apart. */
export class Reconciliation extends Construct {
  readonly reconciler: MeterFunction;
  /** Where the event of a run that failed three times is kept. */
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, props: ReconciliationProps) {
    super(scope, id);
    const { settings } = props;
    const { usageTable, claimsTable, accessLogGroups, unbilledRoutes } = props.pipeline;
    this.deadLetterQueue = failedQueue(this, 'Failed', settings, 'reconciliations');
    const { deadLetterQueue } = this;
    this.reconciler = new MeterFunction(this, 'Reconciler', {
      settings,
      service: 'usage-reconciler',
      description: 'Compares the ledger with the access logs, hour by hour',
      functionSettings: {
        ...props.reconcilerSettings,
        usageTable: usageTable.tableName,
        claimsTable: claimsTable.tableName,
        accessLogGroups: accessLogGroups.map(({ logGroupName }) => logGroupName).join(','),
        unbilledRoutes: unbilledRoutesVariable(unbilledRoutes),
      },
      deadLetterQueue,
    });
    this.reconciler.allow(['dynamodb:Query'], [usageTable.tableArn]);
    // Hours that were compared are remembered among the claims, which the reconciler can neither read nor write. All
    // three requests name their partition. Source: DynamoDB Developer Guide, "Using IAM policy conditions for
    // fine-grained access control", `dynamodb:LeadingKeys`.
    this.reconciler.allow(['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query'], [claimsTable.tableArn], {
      'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [COMPARED_HOURS] },
    });
    this.reconciler.allow(
      ['logs:StartQuery'],
      accessLogGroups.map(({ logGroupArn }) => logGroupArn),
    );
    // The results of a query have no ARN to name: only who started it can know its id.
    this.reconciler.allow(['logs:GetQueryResults'], ['*']);
    acknowledge(this.reconciler, {
      'AwsSolutions::AwsSolutions-IAM5[Resource::*]':
        'GetQueryResults knows no resources (Service Authorization Reference, CloudWatch Logs).',
    });
    // Past the quarter in which the last hour settles.
    new Rule(this, 'Hourly', {
      schedule: Schedule.cron({ minute: '20' }),
      targets: [new LambdaFunction(this.reconciler.live, { retryAttempts: 2, deadLetterQueue })],
    });
  }
}
