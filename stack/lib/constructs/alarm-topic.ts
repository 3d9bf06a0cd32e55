import { Stack } from 'aws-cdk-lib';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';

/** Creates the topic `usage-alarms-ENVIRONMENT`, which sends alarms of this account to an e-mail address. The topic is
 * not encrypted with a KMS key: CloudWatch cannot publish to a topic with `alias/aws/sns`, and alarms contain no secrets.
 * Source: AWS re:Post, "Why didn't I receive an SNS notification for my CloudWatch alarm trigger?" */
export function alarmTopic(scope: Construct, id: string, settings: MeterSettings, address: string): Topic {
  if (!/^[^@\s]+@[^@\s]+$/.test(address)) {
    throw new Error(
      `${JSON.stringify(address)} is not an e-mail address: set alarm-email to one, for example ops@example.org.`,
    );
  }
  const topic = new Topic(scope, id, { topicName: namesOf(settings.environment).alarmsTopic, enforceSSL: true });
  const { partition, region, account } = Stack.of(scope);
  // `enforceSSL` adds a policy, which replaces the default policy that would let the account's alarms publish.
  topic.grantPublish(
    new ServicePrincipal('cloudwatch.amazonaws.com', {
      conditions: {
        StringEquals: { 'aws:SourceAccount': account },
        ArnLike: { 'aws:SourceArn': `arn:${partition}:cloudwatch:${region}:${account}:alarm:*` },
      },
    }),
  );
  topic.addSubscription(new EmailSubscription(address));
  acknowledge(topic, {
    'AwsSolutions::AwsSolutions-SNS2':
      'CloudWatch cannot publish to a topic with the key alias/aws/sns, and alarms contain no secrets.',
    'Serverless::Serverless-SNSRedrivePolicy': 'E-mail subscriptions have no dead-letter queue.',
  });
  return topic;
}
