import { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { MeterSettings } from '../settings';
import { MeterFunction } from './meter-function';

export interface UsageEndpointProps {
  readonly settings: MeterSettings;
  /** The ledger. */
  readonly usageTable: ITable;
}

/** The function that shows a customer its own usage. Its route is `GET /usage`, behind the meter's authorizer: whose
 * usage it shows is what the authorizer says. */
export class UsageEndpoint extends MeterFunction<'usage-endpoint'> {
  constructor(scope: Construct, id: string, props: UsageEndpointProps) {
    super(scope, id, {
      settings: props.settings,
      service: 'usage-endpoint',
      description: 'Shows a customer what its own key has used',
      functionSettings: { usageTable: props.usageTable.tableName },
    });
    this.allow(['dynamodb:Query'], [props.usageTable.tableArn]);
    acknowledge(this, { 'Serverless::Serverless-LambdaDLQ': 'It is invoked synchronously only.' });
  }
}
