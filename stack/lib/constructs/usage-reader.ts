/** What the functions that answer with the usage of a customer have in common. */
import defaults from '../generated/settings.json';
import { MeterFunction } from './meter-function';
import { onPartition } from './meter-table';
import { UsagePipeline } from './usage-pipeline';

/** The settings with the tables and the stream that an answer is read from. */
export function usageSources({ usageTable, claimsTable, stream }: UsagePipeline): {
  usageTable: string;
  claimsTable: string;
  streamArn: string;
} {
  return {
    usageTable: usageTable.tableName,
    claimsTable: claimsTable.tableName,
    streamArn: stream.streamArn,
  };
}

/** Allows a function to read usage, the heads of the shards and the weights, and no claims. */
export function allowReadingUsage(reader: MeterFunction, { usageTable, claimsTable, stream }: UsagePipeline): void {
  reader.allow(['dynamodb:Query'], [usageTable.tableArn]);
  // The heads of the shards.
  reader.allow(['dynamodb:GetItem'], [claimsTable.tableArn], onPartition(`${defaults.shardPartitionPrefix}*`));
  reader.allow(['dynamodb:Query'], [claimsTable.tableArn], onPartition(defaults.classWeightsPartition));
  reader.allow(['kinesis:ListShards'], [stream.streamArn]);
}
