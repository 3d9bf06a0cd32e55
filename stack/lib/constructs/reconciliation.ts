import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { FunctionSettings } from '../function-settings';
import { ReconcilerSettings } from '../generated/free-settings';
import defaults from '../generated/settings.json';
import { MeterSettings } from '../settings';
import { billedStatusesSetting } from '../billed-statuses';
import { unbilledRoutesSetting } from '../unbilled-routes';
import { MeterFunction } from './meter-function';
import { failedQueue } from './meter-queue';
import { onPartition } from './meter-table';
import { UsagePipeline } from './usage-pipeline';

export interface ReconciliationProps {
  readonly settings: MeterSettings;
  /** The pipeline whose ledger and access logs are compared. */
  readonly pipeline: UsagePipeline;
  /** Further settings of the reconciler, for example `reconcileHours`. */
  readonly reconcilerSettings?: ReconcilerSettings;
}

/** The hourly comparison of the ledger with all access logs. A metric reports their drift. */
export class Reconciliation extends Construct {
  readonly reconciler: MeterFunction;
  /** The queue for events of runs that failed three times. */
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, props: ReconciliationProps) {
    super(scope, id);
    const { settings } = props;
    const { usageTable, claimsTable, accessLogGroups, billedStatuses, unbilledRoutes } = props.pipeline;
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
        billedStatuses: billedStatusesSetting(billedStatuses),
        unbilledRoutes: unbilledRoutesSetting(unbilledRoutes),
      } satisfies FunctionSettings<'usage-reconciler'>,
      deadLetterQueue,
    });
    this.reconciler.allow(['dynamodb:Query'], [usageTable.tableArn]);
    // The claims table has a partition with the compared hours. The reconciler has no access to the claims.
    this.reconciler.allow(
      ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query'],
      [claimsTable.tableArn],
      onPartition(defaults.comparedHoursPartition),
    );
    this.reconciler.allow(
      ['logs:StartQuery'],
      accessLogGroups.map(({ logGroupArn }) => logGroupArn),
    );
    // Query results have no ARN. Only the caller that started a query knows its id.
    this.reconciler.allow(['logs:GetQueryResults'], ['*']);
    acknowledge(this.reconciler, {
      'AwsSolutions::AwsSolutions-IAM5[Resource::*]':
        'GetQueryResults has no resource types (Service Authorization Reference, CloudWatch Logs).',
    });
    // The last hour settles at a quarter past.
    new Rule(this, 'Hourly', {
      schedule: Schedule.cron({ minute: '20' }),
      targets: [new LambdaFunction(this.reconciler.live, { retryAttempts: 2, deadLetterQueue })],
    });
  }
}
