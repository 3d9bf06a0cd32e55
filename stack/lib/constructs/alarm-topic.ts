import { Stack } from 'aws-cdk-lib';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { namesOf } from '../names';
import { MeterSettings } from '../settings';

/** The topic `usage-alarms-ENVIRONMENT`, which writes alarms of this account to an address. It has no key of KMS: to a
 * topic with `alias/aws/sns` CloudWatch cannot publish, and what alarms say holds no secret. Source: AWS re:Post,
 * "Why didn't I receive an SNS notification for my CloudWatch alarm trigger?" */
export function alarmTopic(scope: Construct, id: string, settings: MeterSettings, address: string): Topic {
  if (!/^[^@\s]+@[^@\s]+$/.test(address)) {
    throw new Error(
      `${JSON.stringify(address)} is no address of e-mail: set alarm-email to one, as in ops@example.org.`,
    );
  }
  const topic = new Topic(scope, id, { topicName: namesOf(settings.environment).alarmsTopic, enforceSSL: true });
  const { partition, region, account } = Stack.of(scope);
  // A policy of one's own replaces the one by which the account's alarms could publish.
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
      'CloudWatch cannot publish to a topic with the key alias/aws/sns, and alarms hold no secret.',
    'Serverless::Serverless-SNSRedrivePolicy': 'A message of e-mail has no dead-letter queue to go to.',
  });
  return topic;
}
