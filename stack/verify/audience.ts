import { paginateListSubscriptionsByTopic, SNSClient } from '@aws-sdk/client-sns';
import { CLIENT, Deployment, readDeployment } from './deployment';

/** Returns a warning if no one is notified of alarms. */
export async function missingSubscribers(deployment: Deployment): Promise<string | undefined> {
  const alarms = deployment.resources.filter(({ type }) => type === 'AWS::CloudWatch::Alarm');
  const topics = new Set(alarms.flatMap(({ properties }) => (properties.AlarmActions as string[] | undefined) ?? []));
  if (topics.size === 0) {
    return warning(
      `the ${alarms.length} alarms notify no topic`,
      'deploy with --alarm-topic ARN or --alarm-email ADDRESS',
    );
  }
  for (const topic of topics) {
    if (await hasSubscribers(topic)) return undefined;
  }
  return warning(
    'the topic of the alarms has no subscribers',
    `subscribe to ${[...topics].join(', ')}, or confirm the subscription with the link that AWS sent`,
  );
}

async function hasSubscribers(TopicArn: string): Promise<boolean> {
  const client = new SNSClient(CLIENT);
  for await (const { Subscriptions } of paginateListSubscriptionsByTopic({ client }, { TopicArn })) {
    // A subscription without confirmation has the text PendingConfirmation instead of an ARN.
    if (Subscriptions?.some(({ SubscriptionArn }) => SubscriptionArn?.startsWith('arn:'))) return true;
  }
  return false;
}

function warning(problem: string, remedy: string): string {
  return `\n!!! ${problem.toUpperCase()} !!!\n    ${remedy[0]!.toUpperCase()}${remedy.slice(1)}.`;
}

if (process.argv[1]?.endsWith('audience.ts')) {
  readDeployment(`UsageMeter-${process.argv[2]}`)
    .then(missingSubscribers)
    .then((text) => text !== undefined && console.log(text))
    .catch((error: Error) => {
      console.error(error.message);
      process.exitCode = 1;
    });
}
