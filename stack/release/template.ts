/** The CloudFormation templates of a release, which need neither CDK nor its assets. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { App, CfnOutput } from 'aws-cdk-lib';
import cdk from '../cdk.json';
import { usageMeter } from '../lib/app';
import { MAX_BATCH_WINDOW_S } from '../lib/constructs/usage-pipeline';
import environment from '../lib/generated/environment.json';
import names from '../lib/generated/names.json';
import settings from '../lib/generated/settings.json';
import { PORTAL_PATTERNS } from '../lib/portal-settings';
import { USAGE_RETENTION_DAYS } from '../lib/retention';
import { UsageMeterStack } from '../lib/usage-meter-stack';
import { functionOf } from './functions';
import { Json, ofType, replaced, Template } from './json';

/** The kinds of templates. `production` retains its data and has no example. `trial` has an example HTTP API, for which
 * API Gateway needs no role of the account, and everything is deleted with its stack; CloudFormation refuses that as long
 * as there are given-up records. */
export const KINDS = ['production', 'trial'] as const;
export type Kind = (typeof KINDS)[number];

export interface Release {
  readonly version: string;
  /** The folder with a folder for each function, as scripts/stage-lambdas.sh writes it. */
  readonly binaries: string;
  readonly architecture: 'arm64' | 'x86_64';
  /** Paths of constructs that are left out, for an emulator that does not support them. */
  readonly omit?: string;
}

/** Values of the synthesis that the template has as parameters. They occur nowhere else. */
const PLACEHOLDERS = {
  Environment: 'zqenvironmentqz',
  Shards: '7919',
  BatchWindowSeconds: '293',
  UsageRetentionDays: '35353',
  AlarmTopicArn: 'arn:aws:sns:us-east-1:123456789012:zqalarmsqz',
  RestApiId: 'zqrestapiqz',
  HttpApiId: 'zqhttpapiqz',
  // A point of the curve, because the synthesis checks keys.
  PortalPublicKeys:
    'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEzqportalkeyqz00000000000000000000000000RQRUbgybttDLh5cJM179qranW17H8rXjZLzGF9YSj0tf4kg==',
  PortalFrameAncestors: 'https://zqancestorsqz',
};

type ParameterName = keyof typeof PLACEHOLDERS;

/** The parameters with APIs, each of which may be empty. */
const OPTIONAL = ['RestApiId', 'HttpApiId'] as const;

/** The condition that there is a usage page of a customer, and the beginning of the logical ids of what belongs to it. */
const HAS_PORTAL = 'HasPortal';
const PORTAL = 'Portal';

/** The ids of APIs that the authorizer is attached to. */
export interface Apis {
  readonly rest: string;
  readonly http: string;
}

/** Returns a template whose parameters are those of `parametersOf`. */
export function releaseTemplate(kind: Kind, release: Release): Template {
  const template = synthesized(
    kind,
    release,
    {
      environment: PLACEHOLDERS.Environment,
      shards: PLACEHOLDERS.Shards,
      'batch-window-s': PLACEHOLDERS.BatchWindowSeconds,
      'usage-retention-days': PLACEHOLDERS.UsageRetentionDays,
      'alarm-topic': PLACEHOLDERS.AlarmTopicArn,
      'portal-public-keys': PLACEHOLDERS.PortalPublicKeys,
      'portal-frame-ancestors': PLACEHOLDERS.PortalFrameAncestors,
    },
    { rest: PLACEHOLDERS.RestApiId, http: PLACEHOLDERS.HttpApiId },
  );
  const { Resources, Outputs, Conditions } = withParameters(withoutPlaceholderIds(template));
  makeTopicOptional(Resources);
  useUnpublishedPortal(Resources);
  makePortalOptional(Resources, Outputs!);
  publishChanges(Resources);
  if (kind === 'production') {
    protectTables(Resources);
    for (const api of OPTIONAL) makeApiOptional([Resources, Outputs!], api);
  } else {
    deleteAll(Resources);
  }
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: `Usage meter ${release.version}, ${kind}`,
    Parameters: parametersOf(kind, release),
    Conditions: {
      ...Conditions,
      HasAlarmTopic: isSet('AlarmTopicArn'),
      [HAS_PORTAL]: isSet('PortalPublicKeys'),
      ...(kind === 'production' && Object.fromEntries(OPTIONAL.map((api) => [`Has${api}`, isSet(api)]))),
    },
    Resources,
    Outputs: Object.fromEntries(Object.entries(Outputs!).map(([name, output]) => [withoutHash(name), output])),
  };
}

/** Returns the condition that a parameter is not empty. */
function isSet(parameter: ParameterName): Json {
  return { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: parameter }, ''] }] };
}

/** Returns the name of an output without the hash that CDK appends. */
function withoutHash(name: string): string {
  return name.replace(/[0-9A-F]{8}$/, '');
}

/** Returns the template that CDK synthesizes, with the code of functions in the bucket of the parameters and without
 * CDK's own metadata. */
export function synthesized(kind: Kind, release: Release, options: Record<string, string>, apis: Apis): Template {
  const outdir = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-release-'));
  try {
    const app = new App({
      outdir,
      analyticsReporting: false,
      context: {
        // The CDK CLI reads these flags for a deployment.
        ...cdk.context,
        ...options,
        binaries: release.binaries,
        architecture: release.architecture,
        // The canary needs a key, which is created after the deployment.
        canary: 'no',
        protect: kind === 'production' ? 'yes' : 'no',
        example: kind === 'production' ? 'none' : 'http',
        // The parameter DeletionProtection sets it.
        creating: 'yes',
        ...(release.omit !== undefined && { omit: release.omit }),
        'aws:cdk:enable-path-metadata': false,
        'aws:cdk:enable-asset-metadata': false,
      },
    });
    const stack = usageMeter(app);
    if (kind === 'production') attach(stack, apis);
    const { template } = app.synth().getStackByName(stack.stackName) as { template: Template };
    return withCodeOfRelease(template);
  } finally {
    fs.rmSync(outdir, { recursive: true, force: true });
  }
}

/** Adds the authorizers of two APIs, with outputs of their ids. */
function attach({ authorizer }: UsageMeterStack, apis: Apis): void {
  const add = (name: string, value: string) => {
    const description = 'The id of the authorizer, for the methods or routes of the API';
    new CfnOutput(authorizer, name, { value, description }).overrideLogicalId(name);
  };
  add('RestAuthorizerId', authorizer.attachTo(apis.rest));
  add('HttpAuthorizerId', authorizer.attachToHttp(apis.http));
}

function withCodeOfRelease({ Resources, Outputs, Conditions }: Template): Template {
  for (const resource of Object.values(Resources)) {
    delete resource.Metadata;
    if (resource.Type !== 'AWS::Lambda::Function' || !('S3Key' in (resource.Properties.Code as object))) continue;
    const service = functionOf(resource.Properties.FunctionName as string);
    resource.Properties.Code = {
      S3Bucket: { Ref: 'ArtifactsBucket' },
      S3Key: { 'Fn::Join': ['', [{ Ref: 'ArtifactsPrefix' }, `${service}.zip`]] },
    };
  }
  return { Resources, Outputs, Conditions };
}

/** Replaces the environment in logical ids and statement ids, which cannot refer to a parameter. */
function withoutPlaceholderIds(template: Template): Template {
  const renamed = (id: string) =>
    id
      .replace(PLACEHOLDERS.Environment, 'Environment')
      .replace(PLACEHOLDERS.RestApiId, 'Rest')
      .replace(PLACEHOLDERS.HttpApiId, 'Http');
  const Resources = Object.fromEntries(
    Object.entries(template.Resources).map(([id, resource]) => [renamed(id), resource]),
  );
  const isId = (text: string, key: string | undefined) => text in template.Resources || key === 'Sid';
  const all = { ...template, Resources } as unknown as Json;
  return replaced(all, (text, key) =>
    typeof text === 'string' && isId(text, key) ? renamed(text) : text,
  ) as unknown as Template;
}

/** Replaces the placeholders by references to parameters, except in logical ids: the hash of a version may contain a
 * placeholder that is a number. */
export function withParameters(template: Template): Template {
  const all = new RegExp(`(${Object.values(PLACEHOLDERS).join('|')})`);
  const parameterOf = (text: string) =>
    (Object.keys(PLACEHOLDERS) as ParameterName[]).find((name) => PLACEHOLDERS[name] === text);
  const refer = (value: string | number): Json => {
    const parts = String(value).split(all);
    if (parts.length === 1 || value in template.Resources) return value;
    const pieces = parts
      .filter((part) => part !== '')
      .map((part): Json => {
        const name = parameterOf(part);
        return name === undefined ? part : { Ref: name };
      });
    return pieces.length === 1 ? pieces[0]! : { 'Fn::Join': ['', pieces] };
  };
  return replaced(template as unknown as Json, refer) as unknown as Template;
}

/** Leaves the topic out of the actions of alarms if there is none. */
function makeTopicOptional(resources: Template['Resources']): void {
  for (const { Properties } of ofType(resources, 'AWS::CloudWatch::Alarm')) {
    for (const actions of ['AlarmActions', 'OKActions', 'InsufficientDataActions']) {
      const topics = Properties[actions] as Json[] | undefined;
      if (topics === undefined) continue;
      Properties[actions] = topics.map((topic) => ({ 'Fn::If': ['HasAlarmTopic', topic, { Ref: 'AWS::NoValue' }] }));
    }
  }
}

/** Has an update of a parameter publish a new version of each function whose environment has it. The alias would else keep
 * the version before. Source: CloudFormation Template Reference, `AWS::Lambda::Version`: a change of its description
 * replaces it. */
function publishChanges(resources: Template['Resources']): void {
  for (const { Properties } of ofType(resources, 'AWS::Lambda::Version')) {
    const { Ref } = Properties.FunctionName as { Ref: string };
    const { Environment } = resources[Ref]!.Properties as { Environment?: Json };
    const used = parametersIn(Environment ?? null).filter((name) => name !== 'Environment');
    if (used.length === 0) continue;
    const values = used.flatMap((name, place): Json[] => [`${place > 0 ? ', ' : ''}${name} `, { Ref: name }]);
    Properties.Description = { 'Fn::Join': ['', values] };
  }
}

/** Returns the parameters to which a value refers, in the order of their names. */
export function parametersIn(value: Json): string[] {
  const text = JSON.stringify(value);
  return Object.keys(PLACEHOLDERS)
    .filter((name) => text.includes(`{"Ref":"${name}"}`))
    .sort();
}

/** Makes what belongs to an API conditional: its authorizer, the permission, and the output with the authorizer's id. */
function makeApiOptional(
  [resources, outputs]: [Template['Resources'], Record<string, Json>],
  api: ParameterName,
): void {
  const belongs = (value: unknown) => JSON.stringify(value).includes(`{"Ref":"${api}"}`);
  const ids = Object.keys(resources).filter((id) => belongs(resources[id]!.Properties));
  for (const id of ids) resources[id]!.Condition = `Has${api}`;
  for (const [name, output] of Object.entries(outputs)) {
    const isOfApi = ids.some((id) => JSON.stringify(output).includes(`"${id}"`));
    if (isOfApi) outputs[name] = { ...(output as Record<string, Json>), Condition: `Has${api}` };
  }
}

/** Has the alias of the portal point to the function that is not published. A version is published if its description
 * changes, which has at most 256 characters, and the public keys have more. Source: Lambda API Reference,
 * `PublishVersion`. */
export function useUnpublishedPortal(resources: Template['Resources']): void {
  for (const [id, { Type, Properties }] of Object.entries(resources)) {
    if (!id.startsWith(PORTAL)) continue;
    if (Type === 'AWS::Lambda::Version') delete resources[id];
    if (Type === 'AWS::Lambda::Alias') Properties.FunctionVersion = '$LATEST';
  }
}

/** Makes the portal conditional: all of its resources, few of which refer to the parameter, and its output. */
function makePortalOptional(resources: Template['Resources'], outputs: Record<string, Json>): void {
  for (const [id, resource] of Object.entries(resources)) {
    if (id.startsWith(PORTAL)) resource.Condition = HAS_PORTAL;
  }
  for (const [name, output] of Object.entries(outputs)) {
    if (name.startsWith(PORTAL)) outputs[name] = { ...(output as Record<string, Json>), Condition: HAS_PORTAL };
  }
}

/** Has all resources deleted with the stack. */
function deleteAll(resources: Template['Resources']): void {
  for (const [id, resource] of Object.entries(resources)) {
    if (resource.DeletionPolicy !== undefined) {
      resources[id] = { ...resource, DeletionPolicy: 'Delete', UpdateReplacePolicy: 'Delete' };
    }
  }
}

function protectTables(resources: Template['Resources']): void {
  for (const { Properties } of ofType(resources, 'AWS::DynamoDB::Table')) {
    Properties.DeletionProtectionEnabled = { Ref: 'DeletionProtection' };
  }
}

function parametersOf(kind: Kind, { version, architecture }: Release): Record<string, Json> {
  const retention = environment['usage-consumer'].usageRetentionDays;
  return {
    Environment: {
      Type: 'String',
      Default: kind === 'production' ? 'prod' : 'dev',
      AllowedPattern: names.environmentPattern,
      Description: 'The name of the environment, which the names of all resources contain; use it with meter --aws',
    },
    ArtifactsBucket: {
      Type: 'String',
      Description: 'The S3 bucket in this region with the zip files of the functions',
    },
    ArtifactsPrefix: {
      Type: 'String',
      Default: `usage-meter/${version}/${architecture}/`,
      AllowedPattern: '^([^/].*/)?$',
      Description: 'The prefix of the zip files in the bucket, with a slash at its end',
    },
    Shards: {
      Type: 'Number',
      Default: settings.shardCount,
      MinValue: 1,
      Description: 'The number of shards of the stream',
    },
    BatchWindowSeconds: {
      Type: 'Number',
      Default: settings.batchWindowS,
      MinValue: 0,
      MaxValue: MAX_BATCH_WINDOW_S,
      Description: 'Maximum seconds for which a batch waits for more records: longer is cheaper, shorter is fresher',
    },
    UsageRetentionDays: {
      Type: 'Number',
      Default: USAGE_RETENTION_DAYS,
      MinValue: Number(retention.min),
      MaxValue: Number(retention.max),
      Description: 'Days for which the ledger keeps the rows of a day',
    },
    AlarmTopicArn: {
      Type: 'String',
      Default: '',
      Description: 'The SNS topic that alarms notify; its policy has to let CloudWatch publish. Empty for none',
    },
    PortalPublicKeys: {
      Type: 'String',
      Default: '',
      AllowedPattern: PORTAL_PATTERNS.publicKeys,
      Description:
        'The public keys (P-256, the lines of the PEM file as one) of the tokens with which a customer sees its usage page, several with commas. Empty for no page',
    },
    PortalFrameAncestors: {
      Type: 'String',
      Default: '',
      AllowedPattern: PORTAL_PATTERNS.frameAncestors,
      Description:
        'The origins of pages that may embed the usage page, as https://app.example.com, several with commas. Empty for none',
    },
    ...(kind === 'production' && {
      RestApiId: {
        Type: 'String',
        Default: '',
        Description: 'The id of a REST API that gets the authorizer. Empty for none',
      },
      HttpApiId: {
        Type: 'String',
        Default: '',
        Description: 'The id of an HTTP API that gets the authorizer. Empty for none',
      },
      DeletionProtection: {
        Type: 'String',
        Default: 'false',
        AllowedValues: ['true', 'false'],
        Description:
          'true to protect the tables from deletion, in an update after the creation, which could else not be rolled back',
      },
    }),
  };
}
