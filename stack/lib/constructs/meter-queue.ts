import { Duration } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { Names, namesOf } from '../names';
import { QUEUE_RETENTION_DAYS } from '../retention';
import { MeterSettings, removalPolicy } from '../settings';

export interface MeterQueueProps {
  readonly settings: MeterSettings;
  readonly queueName: string;
  readonly visibilityTimeout?: Duration;
}

/** Creates a queue of the meter: encrypted, for TLS only, with the longest retention of SQS. */
export function meterQueue(scope: Construct, id: string, props: MeterQueueProps): Queue {
  const { settings, ...rest } = props;
  return new Queue(scope, id, {
    ...rest,
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(QUEUE_RETENTION_DAYS),
    removalPolicy: removalPolicy(settings),
  });
}

/** Creates the dead-letter queue of one kind of event, so that its alarm can name what failed. */
export function failedQueue(
  scope: Construct,
  id: string,
  settings: MeterSettings,
  kind: Parameters<Names['failedQueue']>[0],
): Queue {
  const queue = meterQueue(scope, id, { settings, queueName: namesOf(settings.environment).failedQueue(kind) });
  acknowledge(queue, { 'Serverless::Serverless-SQSRedrivePolicy': 'It is a dead-letter queue.' });
  return queue;
}
