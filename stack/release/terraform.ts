/** The Terraform modules of a release. The variables and outputs of the module `meter` are those of the template. */
import * as path from 'node:path';
import accessLog from '../lib/generated/access-log.json';
import { filesBelow } from './files';
import { block, Expression, quoted } from './hcl';
import { Template } from './json';

interface Parameter {
  readonly Type: 'String' | 'Number';
  readonly Description: string;
  readonly Default?: string | number;
  readonly AllowedPattern?: string;
  readonly MinValue?: number;
  readonly MaxValue?: number;
  readonly AllowedValues?: string[];
}

interface Output {
  readonly Description: string;
  readonly Condition?: string;
}

/** Returns the files of the modules and the examples, by their paths. */
export function terraformFiles(template: Template): Record<string, string> {
  const files = filesBelow(path.join(__dirname, 'terraform'));
  const parameters = template.Parameters as unknown as Record<string, Parameter>;
  const outputs = template.Outputs as unknown as Record<string, Output>;
  const variables = Object.entries(parameters).map(([name, parameter]) => variable(name, parameter));
  return {
    ...files,
    'meter/variables.tf': [files['meter/variables.tf'], ...variables].join('\n'),
    'meter/parameters.tf': values(Object.keys(parameters)),
    'meter/outputs.tf': [
      ...Object.entries(outputs).map(([name, given]) => output(name, given)),
      formatOutput('REST', accessLog.restFormat),
      formatOutput('HTTP', accessLog.httpFormat),
    ].join('\n'),
  };
}

/** Returns a name as Terraform writes it: `shard_count` for `ShardCount`. */
export function snakeCase(name: string): string {
  return name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
}

function variable(name: string, parameter: Parameter): string {
  const { Type, Description, Default, AllowedValues, ...limits } = parameter;
  const isBoolean = AllowedValues?.join(' ') === 'true false';
  if (AllowedValues !== undefined && !isBoolean) throw new Error(`${name}: values other than true and false`);
  const type = isBoolean ? 'bool' : Type.toLowerCase();
  const attributes = {
    description: Description,
    type: new Expression(type),
    ...(Default !== undefined && { default: isBoolean ? Default === 'true' : Default }),
    nullable: false,
  };
  return block(`variable ${quoted(snakeCase(name))}`, attributes, validations(snakeCase(name), limits));
}

function validations(variableName: string, limits: Pick<Parameter, 'AllowedPattern' | 'MinValue' | 'MaxValue'>) {
  const { AllowedPattern, MinValue, MaxValue, ...others } = limits;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new Error(`${variableName}: ${unknown} has no validation`);
  const validation = (condition: string, message: string) =>
    block('validation', {
      condition: new Expression(condition),
      error_message: `The value of ${variableName} has to ${message}.`,
    });
  const found: string[] = [];
  if (AllowedPattern !== undefined) {
    // CloudFormation compares the whole value, and Terraform searches in it.
    if (!/^\^.*\$$/.test(AllowedPattern)) throw new Error(`${variableName}: begin the pattern with ^, end it with $`);
    found.push(validation(`can(regex(${quoted(AllowedPattern)}, var.${variableName}))`, `match ${AllowedPattern}`));
  }
  const bounds = [
    [MinValue, '>=', 'at least'],
    [MaxValue, '<=', 'at most'],
  ].filter(([value]) => value !== undefined);
  if (bounds.length > 0) {
    const condition = bounds.map(([value, operator]) => `var.${variableName} ${operator} ${value}`).join(' && ');
    found.push(validation(condition, `be ${bounds.map(([value, , words]) => `${words} ${value}`).join(' and ')}`));
  }
  return found;
}

function values(names: string[]): string {
  const all = names.map((name) => [name, new Expression(`var.${snakeCase(name)}`)]);
  return block('locals', {}, [block('parameters =', Object.fromEntries(all))]);
}

function output(name: string, { Description, Condition }: Output): string {
  const outputs = 'aws_cloudformation_stack.meter.outputs';
  const value = Condition === undefined ? `${outputs}["${name}"]` : `lookup(${outputs}, "${name}", null)`;
  return block(`output ${quoted(snakeCase(name))}`, { description: Description, value: new Expression(value) });
}

function formatOutput(kind: 'REST' | 'HTTP', format: string): string {
  const description = `The access-log format of the stages of ${kind === 'REST' ? 'a REST' : 'an HTTP'} API`;
  return block(`output "${kind.toLowerCase()}_access_log_format"`, { description, value: format });
}
