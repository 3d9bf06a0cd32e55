import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { namesOf } from '../names';
import { GIVEN_UP_RETENTION_DAYS } from '../retention';
import { MeterSettings } from '../settings';

/** Creates the bucket in which Lambda stores the records of batches that it gave up, with their payload. Their calls are
 * not counted yet, so the bucket is retained when the stack is deleted, unless the creation of the stack failed. */
export function givenUpRecords(scope: Construct, id: string, settings: MeterSettings): Bucket {
  const { account, region } = Stack.of(scope);
  const bucket = new Bucket(scope, id, {
    bucketName: namesOf(settings.environment).givenUpBucket(account, region),
    encryption: BucketEncryption.S3_MANAGED,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
    versioned: true,
    lifecycleRules: [
      {
        id: 'expire',
        expiration: Duration.days(GIVEN_UP_RETENTION_DAYS),
        noncurrentVersionExpiration: Duration.days(GIVEN_UP_RETENTION_DAYS),
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
    ],
    removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
  });
  acknowledge(bucket, {
    'AwsSolutions::AwsSolutions-S1': 'Only Lambda writes to it, and CloudTrail can log its readers.',
  });
  return bucket;
}
