import { beforeAll, describe, expect, test } from 'vitest';
import { accessLogFormat } from '../lib/access-log';
import { placeholderBinaries } from '../verify/offline';
import { Json, ofType, Template } from '../release/json';
import { releaseTemplate } from '../release/template';
import { terraformFiles } from '../release/terraform';
import { blocksOf, documents } from './doc-blocks';
import { Module, moduleIn } from './hcl';

/** An alias, as the output AuthorizerArn has it. */
const ALIAS = 'arn:aws:lambda:eu-central-1:123456789012:function:api-authorizer-prod:live';

type Parameter = Record<string, string | number | string[] | undefined>;

let template: Template;
let files: Record<string, string>;
let meter: Module;

const parameters = () => template.Parameters as unknown as Record<string, Parameter>;
const authorizerOf = (type: string) => ofType(template.Resources, type)[0]!.Properties;
const variableOf = (parameter: string) => /^\$\{var\.(\w+)\}$/.exec(meter.locals.parameters[parameter] as string)![1]!;

beforeAll(async () => {
  template = releaseTemplate('production', {
    version: '1.2.3',
    binaries: placeholderBinaries(),
    architecture: 'arm64',
  });
  files = terraformFiles(template);
  meter = await moduleIn(files, 'meter');
});

describe('the module meter', () => {
  test('has a variable for each parameter of the template, with its type, default and description', () => {
    expect(meter.locals.parameters).toEqual({
      Environment: '${var.environment}',
      ArtifactsBucket: '${var.artifacts_bucket}',
      ArtifactsPrefix: '${var.artifacts_prefix}',
      Shards: '${var.shards}',
      BatchWindowSeconds: '${var.batch_window_seconds}',
      UsageRetentionDays: '${var.usage_retention_days}',
      AlarmTopicArn: '${var.alarm_topic_arn}',
      PortalPublicKeys: '${var.portal_public_keys}',
      PortalFrameAncestors: '${var.portal_frame_ancestors}',
      RestApiId: '${var.rest_api_id}',
      HttpApiId: '${var.http_api_id}',
      DeletionProtection: '${var.deletion_protection}',
    });
    const names = Object.keys(parameters());
    expect(Object.keys(meter.locals.parameters as object).sort()).toEqual([...names].sort());
    expect(Object.keys(meter.variables)).toEqual(
      expect.arrayContaining(['stack_name', 'tags', ...names.map((name) => variableOf(name))]),
    );
    expect(Object.keys(meter.variables)).toHaveLength(names.length + 2);
    for (const [name, { Type, Default, Description }] of Object.entries(parameters())) {
      const { type, default: value, description, nullable } = meter.variables[variableOf(name)]!;
      const isBoolean = name === 'DeletionProtection';
      expect([name, description, nullable]).toEqual([name, Description, false]);
      expect([name, type]).toEqual([name, isBoolean ? '${bool}' : `\${${(Type as string).toLowerCase()}}`]);
      expect([name, isBoolean ? String(value) : value]).toEqual([name, Default]);
    }
  });

  test('checks each limit of a parameter', () => {
    const conditions = (name: string) =>
      ((meter.variables[variableOf(name)]!.validation ?? []) as { condition: string }[]).map((each) => each.condition);
    const limits = (name: string, { AllowedPattern, MinValue, MaxValue }: Parameter) => [
      ...(AllowedPattern === undefined ? [] : [`regex("${AllowedPattern as string}", var.${variableOf(name)})`]),
      ...(MinValue === undefined ? [] : [`var.${variableOf(name)} >= ${MinValue as number}`]),
      ...(MaxValue === undefined ? [] : [`var.${variableOf(name)} <= ${MaxValue as number}`]),
    ];
    const all = Object.entries(parameters()).flatMap(([name, parameter]) => {
      const expected = limits(name, parameter);
      for (const limit of expected) expect(conditions(name).join()).toContain(limit);
      expect(conditions(name).length > 0).toBe(expected.length > 0);
      return expected;
    });
    expect(all.length).toBeGreaterThan(5);
  });

  test('is not written for a limit that it would not check', () => {
    const withShards = (limit: Record<string, Json>): Template => {
      const Shards = { ...(template.Parameters!.Shards as Record<string, Json>), ...limit };
      return { ...template, Parameters: { ...template.Parameters, Shards } };
    };
    expect(() => terraformFiles(withShards({ MaxLength: 3 }))).toThrow('shards: MaxLength has no validation');
    expect(() => terraformFiles(withShards({ AllowedValues: ['1'] }))).toThrow('Shards: values other than');
    expect(() => terraformFiles(withShards({ AllowedPattern: '[0-9]' }))).toThrow('shards: begin the pattern with ^');
  });

  test('has the outputs of the template, which are null without their condition, and both formats', () => {
    const { rest_access_log_format: rest, http_access_log_format: http, ...others } = meter.outputs;
    const outputs = template.Outputs as Record<string, { Description: string }>;
    const all = 'aws_cloudformation_stack.meter.outputs';
    expect(Object.fromEntries(Object.entries(others).map(([name, { value }]) => [name, value]))).toEqual({
      rest_authorizer_id: `\${lookup(${all}, "RestAuthorizerId", null)}`,
      http_authorizer_id: `\${lookup(${all}, "HttpAuthorizerId", null)}`,
      access_log_group_arn: `\${${all}["AccessLogGroupArn"]}`,
      authorizer_arn: `\${${all}["AuthorizerArn"]}`,
      portal_url: `\${lookup(${all}, "PortalUrl", null)}`,
    });
    expect(Object.fromEntries(Object.entries(others).map(([name, { description }]) => [name, description]))).toEqual({
      rest_authorizer_id: outputs.RestAuthorizerId!.Description,
      http_authorizer_id: outputs.HttpAuthorizerId!.Description,
      access_log_group_arn: outputs.AccessLogGroupArn!.Description,
      authorizer_arn: outputs.AuthorizerArn!.Description,
      portal_url: outputs.PortalUrl!.Description,
    });
    expect(Object.keys(outputs)).toHaveLength(5);
    expect([rest!.value, http!.value]).toEqual([
      accessLogFormat('rest').toString(),
      accessLogFormat('http').toString(),
    ]);
  });

  test('acknowledges what the template creates, from the file of the release', () => {
    const stack = meter.resources['aws_cloudformation_stack.meter']!;
    expect(stack.parameters).toBe('${local.parameters}');
    expect(stack.template_url).toMatch(/\/\$\{var\.artifacts_prefix\}usage-meter-production\.template\.json$/);
    // Source: CloudFormation API Reference, `CreateStack`, `Capabilities`: resources of IAM with names need another.
    const ofIam = Object.values(template.Resources).filter(({ Type }) => Type.startsWith('AWS::IAM::'));
    expect(ofIam.map(({ Type }) => Type)).toContain('AWS::IAM::Role');
    const named = ofIam.filter(({ Properties }) =>
      ['RoleName', 'ManagedPolicyName', 'UserName', 'GroupName'].some((name) => name in Properties),
    );
    expect(named).toEqual([]);
    expect(stack.capabilities).toEqual(['CAPABILITY_IAM']);
  });
});

describe('the authorizer modules', () => {
  const resolvedIn = (text: string, ids: Record<string, string>) =>
    text
      .replaceAll(/\$\{local\.function\[(\d)\]\}/g, (_, index: string) => ALIAS.split(':')[Number(index)]!)
      .replaceAll('${var.authorizer_arn}', ALIAS)
      .replaceAll(/\$\{([\w.]+)\}/g, (_, name: string) => ids[name]!);
  const URI = `arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/${ALIAS}/invocations`;
  const permission = (authorizerId: string) => ({
    action: 'lambda:InvokeFunction',
    function_name: '${local.function[6]}',
    qualifier: '${local.function[7]}',
    principal: 'apigateway.amazonaws.com',
    source_arn: `arn:aws:execute-api:eu-central-1:123456789012:abc123/authorizers/${authorizerId}`,
    lifecycle: [{ create_before_destroy: true }],
  });

  test('attach an HTTP API as the template does', async () => {
    const { resources } = await moduleIn(files, 'http-authorizer');
    const authorizer = resources['aws_apigatewayv2_authorizer.meter']!;
    const expected = authorizerOf('AWS::ApiGatewayV2::Authorizer');
    expect({ ...authorizer, authorizer_uri: resolvedIn(authorizer.authorizer_uri as string, {}) }).toEqual({
      api_id: '${var.api_id}',
      name: expected.Name,
      authorizer_type: expected.AuthorizerType,
      authorizer_uri: URI,
      authorizer_payload_format_version: expected.AuthorizerPayloadFormatVersion,
      authorizer_result_ttl_in_seconds: expected.AuthorizerResultTtlInSeconds,
      enable_simple_responses: expected.EnableSimpleResponses,
      identity_sources: expected.IdentitySource,
    });
    const given = resources['aws_lambda_permission.meter']!;
    const ids = { 'var.api_id': 'abc123', 'aws_apigatewayv2_authorizer.meter.id': 'z' };
    expect({ ...given, source_arn: resolvedIn(given.source_arn as string, ids) }).toEqual(permission('z'));
  });

  test('attach a REST API as the template does, but for the identity source', async () => {
    const { resources } = await moduleIn(files, 'rest-authorizer');
    const authorizer = resources['aws_api_gateway_authorizer.meter']!;
    const expected = authorizerOf('AWS::ApiGateway::Authorizer');
    expect(expected.IdentitySource).toBe('');
    expect({ ...authorizer, authorizer_uri: resolvedIn(authorizer.authorizer_uri as string, {}) }).toEqual({
      rest_api_id: '${var.rest_api_id}',
      name: expected.Name,
      type: expected.Type,
      authorizer_uri: URI,
      authorizer_result_ttl_in_seconds: expected.AuthorizerResultTtlInSeconds,
      identity_source: 'method.request.header.x-api-key',
    });
    const given = resources['aws_lambda_permission.meter']!;
    const ids = { 'var.rest_api_id': 'abc123', 'aws_api_gateway_authorizer.meter.id': 'z' };
    expect({ ...given, source_arn: resolvedIn(given.source_arn as string, ids) }).toEqual(permission('z'));
  });

  test('get the ARN of an alias from the template', () => {
    // Source: CloudFormation Template Reference, `AWS::Lambda::Alias`, return values: `Ref` returns its ARN.
    const { Value } = template.Outputs!.AuthorizerArn as { Value: { Ref: string } };
    expect(template.Resources[Value.Ref]!.Type).toBe('AWS::Lambda::Alias');
  });
});

/** Checks the calls of modules whose sources begin with a prefix. */
async function checkCalls({ calls, text }: Module, prefix: string): Promise<void> {
  expect(Object.keys(calls).sort()).toEqual(['authorizer', 'meter']);
  for (const [call, { source, ...given }] of Object.entries(calls)) {
    const called = await moduleIn(files, (source as string).replace(prefix, ''));
    const required = Object.keys(called.variables).filter((each) => !('default' in called.variables[each]!));
    expect(Object.keys(given).sort()).toEqual(required.sort());
    const used = [...text.matchAll(new RegExp(`module\\.${call}\\.(\\w+)`, 'g'))].map(([, output]) => output);
    expect(used.length).toBeGreaterThan(0);
    expect(Object.keys(called.outputs)).toEqual(expect.arrayContaining(used));
  }
}

describe.each([
  ['rest-api', 'aws_api_gateway_stage.live', 'rest_access_log_format'],
  ['http-api', 'aws_apigatewayv2_stage.live', 'http_access_log_format'],
])('the example %s', (name, stage, format) => {
  let example: Module;

  beforeAll(async () => {
    example = await moduleIn(files, `examples/${name}`);
  });

  test('sets the arguments of the modules, and uses only their outputs', async () => {
    await checkCalls(example, '../../');
  });

  test('writes the access log of its stage to the meter, and has the authorizer on each method', () => {
    expect(example.resources[stage]!.access_log_settings).toEqual([
      { destination_arn: '${module.meter.access_log_group_arn}', format: `\${module.meter.${format}}` },
    ]);
    const methods = Object.entries(example.resources).filter(([type]) => /_(method|route)\./.test(type));
    expect(methods).toHaveLength(1);
    for (const [, { authorization, authorization_type: type, authorizer_id: id }] of methods) {
      expect([(authorization ?? type) as string, id]).toEqual(['CUSTOM', '${module.authorizer.authorizer_id}']);
    }
  });

  test('refers to resources and variables that exist', () => {
    const references = [...example.text.matchAll(/\b(aws_\w+\.\w+|var\.\w+)/g)].map(([reference]) => reference);
    const declared = [
      ...Object.keys(example.resources),
      ...Object.keys(example.variables).map((variable) => `var.${variable}`),
    ];
    expect(references.length).toBeGreaterThan(5);
    expect(declared).toEqual(expect.arrayContaining(references));
  });
});

test('the module calls of the documents set the arguments of the modules, and use only their outputs', async () => {
  const blocks = documents().flatMap((document) => blocksOf(document, 'hcl'));
  expect(blocks.map(({ document }) => document)).toEqual(['docs/INSTALLATION.md']);
  for (const { document, code } of blocks) {
    await checkCalls(await moduleIn({ [`${document}/main.tf`]: code }, document), './dist/terraform/');
  }
});

test('all modules need the same versions of Terraform and the provider', () => {
  const requirements = Object.values(files).flatMap((text) => /^terraform \{[\s\S]*?^\}$/m.exec(text)?.[0] ?? []);
  expect(requirements).toHaveLength(5);
  expect(new Set(requirements).size).toBe(1);
});
