import { Duration } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { Names, namesOf } from '../names';
import { MeterSettings, removalPolicy } from '../settings';

/** A dead-letter queue of events of one kind, so that its alarm can say what failed. */
export function failedQueue(
  scope: Construct,
  id: string,
  settings: MeterSettings,
  what: Parameters<Names['failedQueue']>[0],
): Queue {
  const queue = new Queue(scope, id, {
    queueName: namesOf(settings.environment).failedQueue(what),
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
    removalPolicy: removalPolicy(settings),
  });
  acknowledge(queue, { 'Serverless::Serverless-SQSRedrivePolicy': 'It is itself a dead-letter queue.' });
  return queue;
}
