import {
  GetSubscriptionAttributesCommand,
  GetTopicAttributesCommand,
  paginateListSubscriptionsByTopic,
  SNSClient,
} from '@aws-sdk/client-sns';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { CLIENT, Resource } from '../deployment';
import { differs, Problems } from '../expect';
import { policyDiffers } from '../policy';

const sns = new SNSClient(CLIENT);
const sqs = new SQSClient(CLIENT);

async function queueAttributes(url: string): Promise<Record<string, string>> {
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] }));
  return Attributes ?? {};
}

/** Checks a queue: its retention, visibility timeout and encryption. */
export async function queue({ physicalId, properties }: Resource): Promise<Problems> {
  const actual = await queueAttributes(physicalId!);
  const problems: Problems = [];
  const seconds = ['MessageRetentionPeriod', 'VisibilityTimeout'].filter((name) => properties[name] !== undefined);
  for (const name of seconds) {
    problems.push(...differs(`its ${name}`, actual[name], String(properties[name])));
  }
  if (properties.SqsManagedSseEnabled !== undefined) {
    problems.push(
      ...differs('its encryption', actual.SqsManagedSseEnabled, JSON.stringify(properties.SqsManagedSseEnabled)),
    );
  }
  return problems;
}

/** Checks the policy of a queue. */
export async function queuePolicy({ properties }: Resource): Promise<Problems> {
  const [url] = properties.Queues as string[];
  return policyDiffers((await queueAttributes(url!)).Policy, properties.PolicyDocument);
}

/** Checks the encryption of a topic. */
export async function topic({ physicalId, properties }: Resource): Promise<Problems> {
  const { Attributes: actual } = await sns.send(new GetTopicAttributesCommand({ TopicArn: physicalId }));
  return properties.KmsMasterKeyId === undefined
    ? []
    : differs('its encryption key', actual?.KmsMasterKeyId, properties.KmsMasterKeyId);
}

/** Checks the policy of a topic. */
export async function topicPolicy({ properties }: Resource): Promise<Problems> {
  const [arn] = properties.Topics as string[];
  const { Attributes: actual } = await sns.send(new GetTopicAttributesCommand({ TopicArn: arn }));
  return policyDiffers(actual?.Policy, properties.PolicyDocument);
}

/** Checks a subscription: its endpoint and its dead-letter queue. */
export async function subscription({ physicalId, properties }: Resource): Promise<Problems> {
  if (properties.Protocol === 'email') return emailSubscription(properties as Record<string, string>);
  const { Attributes: actual } = await sns.send(new GetSubscriptionAttributesCommand({ SubscriptionArn: physicalId }));
  let endpoint: string | undefined;
  for await (const page of paginateListSubscriptionsByTopic(
    { client: sns },
    { TopicArn: properties.TopicArn as string },
  )) {
    endpoint ??= page.Subscriptions?.find(({ SubscriptionArn }) => SubscriptionArn === physicalId)?.Endpoint;
  }
  return [
    ...differs('its endpoint', endpoint, properties.Endpoint),
    ...differs('its dead-letter queue', JSON.parse(actual?.RedrivePolicy ?? 'null'), properties.RedrivePolicy ?? null),
  ];
}

/** Checks an e-mail subscription, which has no ARN until it is confirmed. */
async function emailSubscription({ TopicArn, Endpoint }: Record<string, string>): Promise<Problems> {
  for await (const page of paginateListSubscriptionsByTopic({ client: sns }, { TopicArn })) {
    if (page.Subscriptions?.some((each) => each.Endpoint === Endpoint)) return [];
  }
  return [`it is missing: the address ${Endpoint} is not subscribed`];
}
