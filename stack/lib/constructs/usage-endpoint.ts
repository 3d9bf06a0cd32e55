import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { FunctionSettings } from '../function-settings';
import defaults from '../generated/settings.json';
import { MeterSettings } from '../settings';
import { MeterFunction } from './meter-function';
import { onPartition } from './meter-table';
import { UsagePipeline } from './usage-pipeline';

export interface UsageEndpointProps {
  readonly settings: MeterSettings;
  /** The pipeline whose ledger the function reads. */
  readonly pipeline: UsagePipeline;
}

/** The function that returns the usage of the caller's key, or of its customer. Its route is `GET /usage`, with the
 * meter's authorizer, which identifies both. */
export class UsageEndpoint extends MeterFunction {
  constructor(scope: Construct, id: string, props: UsageEndpointProps) {
    const { usageTable, claimsTable, stream } = props.pipeline;
    super(scope, id, {
      settings: props.settings,
      service: 'usage-endpoint',
      description: 'Returns the usage of the caller',
      functionSettings: {
        usageTable: usageTable.tableName,
        claimsTable: claimsTable.tableName,
        streamArn: stream.streamArn,
      } satisfies FunctionSettings<'usage-endpoint'>,
    });
    this.allow(['dynamodb:Query'], [usageTable.tableArn]);
    // The heads of the shards.
    this.allow(['dynamodb:GetItem'], [claimsTable.tableArn], onPartition(`${defaults.shardPartitionPrefix}*`));
    this.allow(['dynamodb:Query'], [claimsTable.tableArn], onPartition(defaults.classWeightsPartition));
    this.allow(['kinesis:ListShards'], [stream.streamArn]);
    acknowledge(this, { 'Serverless::Serverless-LambdaDLQ': 'It is only invoked synchronously.' });
  }
}
