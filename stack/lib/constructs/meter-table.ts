import { Attribute, BillingMode, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import { Conditions } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { MeterSettings, removalPolicy } from '../settings';

export interface MeterTableProps {
  readonly settings: MeterSettings;
  readonly tableName: string;
  readonly partitionKey: Attribute;
  readonly sortKey?: Attribute;
}

/** Creates a table of the meter: on demand, encrypted, with point-in-time recovery and expiry by `ttl`. */
export function meterTable(scope: Construct, id: string, props: MeterTableProps): Table {
  const { settings, ...rest } = props;
  return new Table(scope, id, {
    ...rest,
    billingMode: BillingMode.PAY_PER_REQUEST,
    encryption: TableEncryption.AWS_MANAGED,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    timeToLiveAttribute: 'ttl',
    deletionProtection: settings.refusesDeletion ?? settings.protectsData,
    removalPolicy: removalPolicy(settings),
  });
}

/** The condition that a request names a partition of a table that matches a pattern, and so has no access to the others.
 * Source: DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access control",
 * `dynamodb:LeadingKeys`. */
export function onPartition(pattern: string): Conditions {
  return { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [pattern] } };
}
