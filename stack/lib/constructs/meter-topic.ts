import { Alias } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

/** Creates a topic of the meter: encrypted with the key of AWS, for TLS only. */
export function meterTopic(scope: Construct, id: string, topicName: string): Topic {
  const masterKey = Alias.fromAliasName(scope, 'SnsKey', 'alias/aws/sns');
  return new Topic(scope, id, { topicName, masterKey, enforceSSL: true });
}
