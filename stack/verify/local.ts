import * as fs from 'node:fs';
import * as path from 'node:path';
import { templateOf } from './offline';
import { CalledApi, STATUS_PATH } from './called-api';
import { Deployment, Resource } from './deployment';
import { Template } from './resolver';

interface Endpoints {
  readonly gateway: string;
  readonly aws_endpoint_url: string;
  readonly invalidations_topic_arn: string;
}

/** The types of resources that a local stack has, with the property of their name and the checked properties. */
const ON_ONE_MACHINE: Record<string, { name: string; settings: string[] }> = {
  'AWS::DynamoDB::Table': { name: 'TableName', settings: ['KeySchema', 'GlobalSecondaryIndexes'] },
  'AWS::Kinesis::Stream': { name: 'Name', settings: ['RetentionPeriodHours'] },
  'AWS::SNS::Topic': { name: 'TopicName', settings: [] },
  'AWS::SQS::Queue': { name: 'QueueName', settings: [] },
};

/** Resources that a local stack does not have. A failed reconciliation is in its `functions.log`. */
const NOT_LOCAL = ['Reconciliation/Failed'];

/** Reads the endpoints of a local stack, directs all AWS clients to it, and returns its expected resources and its API. */
export function localDeployment(dataFolder: string): { deployment: Deployment; api: () => Promise<CalledApi> } {
  const file = path.join(dataFolder, 'endpoints.json');
  if (!fs.existsSync(file)) {
    throw new Error(`No local stack was started in ${dataFolder}: run meter local --data ${dataFolder}.`);
  }
  const endpoints = JSON.parse(fs.readFileSync(file, 'utf8')) as Endpoints;
  const credentials = { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };
  const [, partition, , region, accountId] = endpoints.invalidations_topic_arn.split(':') as [
    string,
    string,
    string,
    string,
    string,
  ];
  Object.assign(process.env, credentials, { AWS_REGION: region, AWS_ENDPOINT_URL: endpoints.aws_endpoint_url });
  const template = templateOf('local', { 'aws:cdk:enable-path-metadata': 'true' }).toJSON() as unknown as Template;
  const resources = Object.entries(template.Resources).flatMap(([logicalId, { Type, Properties, Metadata }]) =>
    localResources(logicalId, Type, Properties ?? {}, Metadata?.['aws:cdk:path'] ?? logicalId, {
      ...endpoints,
      accountId,
    }),
  );
  const deployment = {
    name: 'local',
    account: { accountId, region, partition },
    resources,
    outputs: {},
  };
  return { deployment, api: () => localApi(endpoints.gateway) };
}

/** Returns the API of a local stack. As on AWS, responses of an HTTP API have the header `apigw-requestid`. The local
 * backend of an HTTP API sets no limit headers. */
async function localApi(gateway: string): Promise<CalledApi> {
  const url = `${gateway}${STATUS_PATH}`;
  const isHttp = (await fetch(url)).headers.has('apigw-requestid');
  return { url, limitHeader: isHttp ? 'never' : 'always' };
}

function localResources(
  logicalId: string,
  type: string,
  all: Record<string, unknown>,
  cdkPath: string,
  endpoints: Endpoints & { accountId: string },
): Resource[] {
  const kept = ON_ONE_MACHINE[type];
  const place = cdkPath.replace(/^[^/]*\//, '').replace(/\/Resource$/, '');
  if (kept === undefined || NOT_LOCAL.includes(place)) {
    return [];
  }
  const name = all[kept.name] as string;
  const ids: Record<string, string> = {
    'AWS::SNS::Topic': endpoints.invalidations_topic_arn.replace(/[^:]*$/, name),
    'AWS::SQS::Queue': `${endpoints.aws_endpoint_url}/${endpoints.accountId}/${name}`,
  };
  const properties = Object.fromEntries(kept.settings.map((setting) => [setting, all[setting]]));
  return [{ logicalId, type, path: place, physicalId: ids[type] ?? name, properties }];
}
