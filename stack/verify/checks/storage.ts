import {
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import { DescribeStreamSummaryCommand, KinesisClient } from '@aws-sdk/client-kinesis';
import {
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetPublicAccessBlockCommand,
  LifecycleRule,
  S3Client,
} from '@aws-sdk/client-s3';
import { CLIENT, Resource } from '../deployment';
import { differs, Problems } from '../expect';
import { policyDiffers } from '../policy';
import { Waits } from '../waits';

const dynamodb = new DynamoDBClient(CLIENT);
const kinesis = new KinesisClient(CLIENT);
const s3 = new S3Client({ ...CLIENT, forcePathStyle: true });

interface TableProperties {
  readonly KeySchema: unknown;
  readonly GlobalSecondaryIndexes?: { IndexName: string; KeySchema: unknown }[];
  readonly DeletionProtectionEnabled?: boolean;
  readonly TimeToLiveSpecification?: { AttributeName: string };
  readonly PointInTimeRecoverySpecification?: { PointInTimeRecoveryEnabled: boolean };
  readonly SSESpecification?: { SSEEnabled: boolean };
}

/** Checks a table: its keys, indexes, expiry, recovery, deletion protection and encryption. */
export async function table(
  { physicalId, properties }: Resource,
  _: Waits,
  addNote: (note: string) => void,
): Promise<Problems> {
  const wanted = properties as unknown as TableProperties;
  const name = { TableName: physicalId };
  const { Table: actual } = await dynamodb.send(new DescribeTableCommand(name));
  const indexes = (list?: { IndexName?: string; KeySchema?: unknown }[]) =>
    (list ?? []).map(({ IndexName, KeySchema }) => ({ IndexName, KeySchema }));
  const problems = [
    ...differs('its status', actual?.TableStatus, 'ACTIVE'),
    ...differs('its key', actual?.KeySchema, wanted.KeySchema),
    ...differs('its indexes', indexes(actual?.GlobalSecondaryIndexes), indexes(wanted.GlobalSecondaryIndexes)),
  ];
  if (wanted.DeletionProtectionEnabled !== undefined) {
    problems.push(
      ...differs(
        'its deletion protection',
        actual?.DeletionProtectionEnabled ?? false,
        wanted.DeletionProtectionEnabled,
      ),
    );
  }
  if (wanted.SSESpecification?.SSEEnabled) {
    problems.push(...differs('its encryption', actual?.SSEDescription?.Status, 'ENABLED'));
  }
  if (wanted.TimeToLiveSpecification !== undefined) {
    problems.push(...(await expiry(physicalId!, wanted.TimeToLiveSpecification.AttributeName, addNote)));
  }
  if (wanted.PointInTimeRecoverySpecification?.PointInTimeRecoveryEnabled) {
    const backups = await dynamodb.send(new DescribeContinuousBackupsCommand(name));
    const status = backups.ContinuousBackupsDescription?.PointInTimeRecoveryDescription?.PointInTimeRecoveryStatus;
    problems.push(...differs('its point-in-time recovery', status, 'ENABLED'));
  }
  return problems;
}

/** Checks the attribute by which a table expires. It may take an hour to be enabled. Source: DynamoDB API Reference,
 * `UpdateTimeToLive`. */
async function expiry(TableName: string, attribute: string, addNote: (note: string) => void): Promise<Problems> {
  const { TimeToLiveDescription: actual } = await dynamodb.send(new DescribeTimeToLiveCommand({ TableName }));
  const set = /^(ENABLED|ENABLING)$/.test(actual?.TimeToLiveStatus ?? '') ? actual?.AttributeName : undefined;
  if (actual?.TimeToLiveStatus === 'ENABLING' && set === attribute) {
    addNote(`its expiry by ${attribute} is being enabled, which may take an hour`);
  }
  return differs('the attribute by which it expires', set, attribute);
}

/** Checks a stream: its state, retention and encryption. A longer retention is correct too, because the consumer raises
 * it when it is hours behind. */
export async function stream({ physicalId, properties }: Resource): Promise<Problems> {
  const { StreamDescriptionSummary: actual } = await kinesis.send(
    new DescribeStreamSummaryCommand({ StreamName: physicalId }),
  );
  const [hours, wanted] = [actual?.RetentionPeriodHours, properties.RetentionPeriodHours as number];
  const problems = [
    ...differs('its status', actual?.StreamStatus, 'ACTIVE'),
    ...(hours !== undefined && hours >= wanted ? [] : differs('its retention in hours', hours, wanted)),
  ];
  const encryption = properties.StreamEncryption as { EncryptionType: string } | undefined;
  if (encryption !== undefined) {
    problems.push(...differs('its encryption', actual?.EncryptionType, encryption.EncryptionType));
  }
  return problems;
}

/** Checks a bucket: its encryption, versioning, public access block and lifecycle rules. */
export async function bucket({ physicalId, properties }: Resource): Promise<Problems> {
  const name = { Bucket: physicalId };
  const encryption = await s3.send(new GetBucketEncryptionCommand(name));
  const versioning = await s3.send(new GetBucketVersioningCommand(name));
  const access = await s3.send(new GetPublicAccessBlockCommand(name));
  const lifecycle = await s3.send(new GetBucketLifecycleConfigurationCommand(name)).catch(noLifecycle);
  const rule = encryption.ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault;
  const wanted = (properties.LifecycleConfiguration as { Rules: LifecycleProperties[] }).Rules;
  return [
    ...differs('its encryption', rule?.SSEAlgorithm, 'AES256'),
    ...differs('its versioning', versioning.Status, (properties.VersioningConfiguration as { Status: string }).Status),
    ...differs(
      'its public access block',
      access.PublicAccessBlockConfiguration,
      properties.PublicAccessBlockConfiguration,
    ),
    ...differs(
      'the days for which it keeps current and noncurrent objects',
      (lifecycle.Rules ?? []).filter(({ Status }) => Status === 'Enabled').map(daysOf),
      wanted.map((each) => [each.ExpirationInDays, each.NoncurrentVersionExpiration?.NoncurrentDays]),
    ),
  ];
}

interface LifecycleProperties {
  readonly ExpirationInDays?: number;
  readonly NoncurrentVersionExpiration?: { NoncurrentDays: number };
}

function daysOf({ Expiration, NoncurrentVersionExpiration }: LifecycleRule): (number | undefined)[] {
  return [Expiration?.Days, NoncurrentVersionExpiration?.NoncurrentDays];
}

/** Returns no rules for the error of S3 for a bucket without lifecycle rules. */
function noLifecycle(error: Error): { Rules?: LifecycleRule[] } {
  if (error.name !== 'NoSuchLifecycleConfiguration') {
    throw error;
  }
  return {};
}

/** Checks the policy of a bucket. */
export async function bucketPolicy({ properties }: Resource): Promise<Problems> {
  const { Policy } = await s3.send(new GetBucketPolicyCommand({ Bucket: properties.Bucket as string }));
  return policyDiffers(Policy, properties.PolicyDocument);
}
