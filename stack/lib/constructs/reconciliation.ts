import { Duration } from 'aws-cdk-lib';
import { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { MeterSettings } from '../settings';
import { failedQueue } from './failed-queue';
import { MeterFunction } from './meter-function';

export interface ReconciliationProps {
  readonly settings: MeterSettings;
  readonly usageTable: ITable;
  readonly accessLogGroup: ILogGroup;
  /** Resources of the API whose calls are not billed, the same as those of the pipeline. */
  readonly unbilledResources?: string[];
}

/** Compares the ledger with the access log once an hour, and tells where they drift apart. */
export class Reconciliation extends Construct {
  readonly reconciler: MeterFunction;
  /** Where the event of a run that failed three times is kept. */
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, props: ReconciliationProps) {
    super(scope, id);
    const { settings, usageTable, accessLogGroup } = props;
    this.deadLetterQueue = failedQueue(this, 'Failed', settings, 'reconciliations');
    const { deadLetterQueue } = this;
    this.reconciler = new MeterFunction(this, 'Reconciler', {
      settings,
      service: 'usage-reconciler',
      description: 'Compares the ledger with the access log, hour by hour',
      memoryMiB: 512,
      timeout: Duration.minutes(15),
      environment: {
        USAGE_TABLE: usageTable.tableName,
        ACCESS_LOG_GROUP: accessLogGroup.logGroupName,
        UNBILLED_RESOURCES: (props.unbilledResources ?? []).join(','),
      },
      deadLetterQueue,
    });
    this.reconciler.allow(['dynamodb:Query'], [usageTable.tableArn]);
    this.reconciler.allow(['logs:StartQuery'], [accessLogGroup.logGroupArn]);
    // The results of a query have no ARN to name: only who started it can know its id.
    this.reconciler.allow(['logs:GetQueryResults'], ['*']);
    acknowledge(this.reconciler, {
      'AwsSolutions::AwsSolutions-IAM5[Resource::*]': 'GetQueryResults knows no resources (Service Authorization Reference, CloudWatch Logs).',
    });
    // Past the quarter in which the last hour settles.
    new Rule(this, 'Hourly', {
      schedule: Schedule.cron({ minute: '20' }),
      targets: [new LambdaFunction(this.reconciler.live, { retryAttempts: 2, deadLetterQueue })],
    });
  }
}
