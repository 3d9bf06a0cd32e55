/** The CloudFormation templates of a release, which need neither CDK nor its assets. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { App } from 'aws-cdk-lib';
import { usageMeter } from '../lib/app';
import environment from '../lib/generated/environment.json';
import names from '../lib/generated/names.json';
import settings from '../lib/generated/settings.json';
import { USAGE_RETENTION_DAYS } from '../lib/retention';
import { functionOf } from './functions';
import { Json, replaced, Template } from './json';

/** The kinds of templates. `production` retains its data and has no example. `trial` has an example HTTP API, for which
 * API Gateway needs no role of the account, and everything is deleted with its stack. */
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
};

type ParameterName = keyof typeof PLACEHOLDERS;

/** Returns a template whose parameters are those of `parametersOf`. */
export function releaseTemplate(kind: Kind, release: Release): Template {
  const template = synthesized(kind, release, {
    environment: PLACEHOLDERS.Environment,
    shards: PLACEHOLDERS.Shards,
    'batch-window-s': PLACEHOLDERS.BatchWindowSeconds,
    'usage-retention-days': PLACEHOLDERS.UsageRetentionDays,
    'alarm-topic': PLACEHOLDERS.AlarmTopicArn,
  });
  const { Resources, Outputs, Conditions } = withParameters(withoutPlaceholderIds(template));
  makeConditional(Resources);
  if (kind === 'production') protectTables(Resources);
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: `Usage meter ${release.version}, ${kind}`,
    Parameters: parametersOf(kind, release.version),
    Conditions: { ...Conditions, HasAlarmTopic: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'AlarmTopicArn' }, ''] }] } },
    Resources,
    Outputs,
  };
}

/** Returns the template that CDK synthesizes, with the code of functions in the bucket of the parameters and without
 * CDK's own metadata. */
export function synthesized(kind: Kind, release: Release, options: Record<string, string>): Template {
  const outdir = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-release-'));
  try {
    const app = new App({
      outdir,
      analyticsReporting: false,
      context: {
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
    const { stackName } = usageMeter(app);
    const { template } = app.synth().getStackByName(stackName) as { template: Template };
    return withCodeOfRelease(template);
  } finally {
    fs.rmSync(outdir, { recursive: true, force: true });
  }
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
  const renamed = (id: string) => id.replace(PLACEHOLDERS.Environment, 'Environment');
  const Resources = Object.fromEntries(
    Object.entries(template.Resources).map(([id, resource]) => [renamed(id), resource]),
  );
  const isId = (text: string, key: string | undefined) => text in template.Resources || key === 'Sid';
  const all = { ...template, Resources } as unknown as Json;
  return replaced(all, (text, key) =>
    typeof text === 'string' && isId(text, key) ? renamed(text) : text,
  ) as unknown as Template;
}

/** Replaces the placeholders by references to parameters. */
function withParameters(template: Template): Template {
  const all = new RegExp(`(${Object.values(PLACEHOLDERS).join('|')})`);
  const parameterOf = (text: string) =>
    (Object.keys(PLACEHOLDERS) as ParameterName[]).find((name) => PLACEHOLDERS[name] === text);
  const refer = (value: string | number): Json => {
    const parts = String(value).split(all);
    if (parts.length === 1) return value;
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
function makeConditional(resources: Template['Resources']): void {
  for (const { Properties } of Object.values(resources).filter(({ Type }) => Type === 'AWS::CloudWatch::Alarm')) {
    for (const actions of ['AlarmActions', 'OKActions', 'InsufficientDataActions']) {
      const topics = Properties[actions] as Json[] | undefined;
      if (topics === undefined) continue;
      Properties[actions] = topics.map((topic) => ({ 'Fn::If': ['HasAlarmTopic', topic, { Ref: 'AWS::NoValue' }] }));
    }
  }
}

function protectTables(resources: Template['Resources']): void {
  for (const { Properties } of Object.values(resources).filter(({ Type }) => Type === 'AWS::DynamoDB::Table')) {
    Properties.DeletionProtectionEnabled = { Ref: 'DeletionProtection' };
  }
}

function parametersOf(kind: Kind, version: string): Record<string, Json> {
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
      Default: `usage-meter/${version}/`,
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
      MaxValue: 300,
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
    ...(kind === 'production' && {
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
