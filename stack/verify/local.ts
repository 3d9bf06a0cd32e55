import * as fs from 'node:fs';
import * as path from 'node:path';
import { templateOf } from '../lib/offline';
import { CalledApi, STATUS_PATH } from './called-api';
import { Deployment, Resource } from './deployment';
import { Template } from './resolver';

interface Endpoints {
  readonly gateway: string;
  readonly awsEndpointUrl: string;
  readonly invalidationsTopicArn: string;
}

/** What a stack on one machine has of the resources of a deployed one, and what is checked of it. */
const ON_ONE_MACHINE: Record<string, { name: string; settings: string[] }> = {
  'AWS::DynamoDB::Table': { name: 'TableName', settings: ['KeySchema', 'GlobalSecondaryIndexes'] },
  'AWS::Kinesis::Stream': { name: 'Name', settings: ['RetentionPeriodHours'] },
  'AWS::SNS::Topic': { name: 'TopicName', settings: [] },
  'AWS::SQS::Queue': { name: 'QueueName', settings: [] },
};

/** What a stack on one machine does without: a comparison that fails is in its `functions.log`. */
const DONE_WITHOUT = ['Reconciliation/Failed'];

/** Reads where a stack on this machine is, has the clients speak to it, and says what it has to have and which API it
 * has. */
export function localDeployment(dataFolder: string): { deployment: Deployment; api: () => Promise<CalledApi> } {
  const file = path.join(dataFolder, 'endpoints.json');
  if (!fs.existsSync(file)) {
    throw new Error(`No local stack was started in ${dataFolder}; run meter local --data ${dataFolder}.`);
  }
  const endpoints = JSON.parse(fs.readFileSync(file, 'utf8')) as Endpoints;
  const credentials = { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };
  const [, partition, , region, accountId] = endpoints.invalidationsTopicArn.split(':') as [
    string,
    string,
    string,
    string,
    string,
  ];
  Object.assign(process.env, credentials, { AWS_REGION: region, AWS_ENDPOINT_URL: endpoints.awsEndpointUrl });
  const template = templateOf('local', { 'aws:cdk:enable-path-metadata': 'true' }).toJSON() as unknown as Template;
  const resources = Object.entries(template.Resources).flatMap(([logicalId, { Type, Properties, Metadata }]) =>
    onThisMachine(logicalId, Type, Properties ?? {}, Metadata?.['aws:cdk:path'] ?? logicalId, {
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

/** The API of a stack on this machine. Its answers tell its kind, as on AWS: an HTTP API names a request in
 * `apigw-requestid`. The backend of one tells no limits here. */
async function localApi(gateway: string): Promise<CalledApi> {
  const url = `${gateway}${STATUS_PATH}`;
  const isHttp = (await fetch(url)).headers.has('apigw-requestid');
  return { url, tellsLimit: isHttp ? 'never' : 'always' };
}

function onThisMachine(
  logicalId: string,
  type: string,
  all: Record<string, unknown>,
  cdkPath: string,
  endpoints: Endpoints & { accountId: string },
): Resource[] {
  const kept = ON_ONE_MACHINE[type];
  const place = cdkPath.replace(/^[^/]*\//, '').replace(/\/Resource$/, '');
  if (kept === undefined || DONE_WITHOUT.includes(place)) {
    return [];
  }
  const name = all[kept.name] as string;
  const ids: Record<string, string> = {
    'AWS::SNS::Topic': endpoints.invalidationsTopicArn.replace(/[^:]*$/, name),
    'AWS::SQS::Queue': `${endpoints.awsEndpointUrl}/${endpoints.accountId}/${name}`,
  };
  const properties = Object.fromEntries(kept.settings.map((setting) => [setting, all[setting]]));
  return [{ logicalId, type, path: place, physicalId: ids[type] ?? name, properties }];
}
