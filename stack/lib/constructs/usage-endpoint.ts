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

/** The function that returns a customer's own usage. Its route is `GET /usage`, with the meter's authorizer, which
 * identifies the customer. */
export class UsageEndpoint extends MeterFunction<'usage-endpoint'> {
  constructor(scope: Construct, id: string, props: UsageEndpointProps) {
    super(scope, id, {
      settings: props.settings,
      service: 'usage-endpoint',
      description: 'Returns the usage of the caller',
      functionSettings: { usageTable: props.usageTable.tableName },
    });
    this.allow(['dynamodb:Query'], [props.usageTable.tableArn]);
    acknowledge(this, { 'Serverless::Serverless-LambdaDLQ': 'It is only invoked synchronously.' });
  }
}
