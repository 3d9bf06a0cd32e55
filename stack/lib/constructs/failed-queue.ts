import { Duration } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { Names, namesOf } from '../names';
import { MeterSettings, removalPolicy } from '../settings';

/** Creates the dead-letter queue of one kind of event, so that its alarm can name what failed. */
export function failedQueue(
  scope: Construct,
  id: string,
  settings: MeterSettings,
  kind: Parameters<Names['failedQueue']>[0],
): Queue {
  const queue = new Queue(scope, id, {
    queueName: namesOf(settings.environment).failedQueue(kind),
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
    removalPolicy: removalPolicy(settings),
  });
  acknowledge(queue, { 'Serverless::Serverless-SQSRedrivePolicy': 'It is a dead-letter queue.' });
  return queue;
}
