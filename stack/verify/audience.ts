import { paginateListSubscriptionsByTopic, SNSClient } from '@aws-sdk/client-sns';
import { CLIENT, Deployment, readDeployment } from './deployment';

/** Says loudly that alarms reach nobody, where they do not. */
export async function unheard(deployment: Deployment): Promise<string | undefined> {
  const alarms = deployment.resources.filter(({ type }) => type === 'AWS::CloudWatch::Alarm');
  const topics = new Set(alarms.flatMap(({ properties }) => (properties.AlarmActions as string[] | undefined) ?? []));
  if (topics.size === 0) {
    return loud(`the ${alarms.length} alarms tell nobody`, 'deploy with --alarm-topic ARN or --alarm-email ADDRESS');
  }
  for (const topic of topics) {
    if (await hasListeners(topic)) return undefined;
  }
  return loud(
    'nobody listens to the topic of the alarms',
    `subscribe to ${[...topics].join(', ')}, or confirm by the link that AWS sent`,
  );
}

async function hasListeners(TopicArn: string): Promise<boolean> {
  const client = new SNSClient(CLIENT);
  for await (const { Subscriptions } of paginateListSubscriptionsByTopic({ client }, { TopicArn })) {
    // One that waits for its confirmation has a word instead of an ARN.
    if (Subscriptions?.some(({ SubscriptionArn }) => SubscriptionArn?.startsWith('arn:'))) return true;
  }
  return false;
}

function loud(what: string, todo: string): string {
  return `\n!!! ${what.toUpperCase()} !!!\n    ${todo[0]!.toUpperCase()}${todo.slice(1)}.`;
}

if (process.argv[1]?.endsWith('audience.ts')) {
  readDeployment(`UsageMeter-${process.argv[2]}`)
    .then(unheard)
    .then((said) => said !== undefined && console.log(said))
    .catch((error: Error) => {
      console.error(error.message);
      process.exitCode = 1;
    });
}
