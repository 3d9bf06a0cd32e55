import { Template } from 'aws-cdk-lib/assertions';
import { stackOf } from '../verify/offline';

/** The properties with the names of resources. */
const NAMES = ['TableName', 'FunctionName', 'LogGroupName', 'QueueName', 'Name'];

/** Returns the template of the environment `local`, whose definitions the local stack has. The costs are those of functions
 * on arm64, the default of deploy.sh. */
export function localTemplate(): Template {
  return Template.fromStack(stackOf('local', { architecture: 'arm64' }).stack);
}

/** Returns a function that replaces references to resources in a part of a template by the names of the resources. What
 * has no name of its own gets that of its kind, and `region` stands for the region. */
export function resolver(template: Template, region: string): (value: unknown) => unknown {
  const resources = template.toJSON().Resources as Record<
    string,
    { Type: string; Properties?: Record<string, unknown> }
  >;
  const nameOf = (logicalId: string): string => {
    const resource = resources[logicalId];
    if (resource === undefined) return region;
    const name = NAMES.map((property) => resource.Properties?.[property]).find((each) => typeof each === 'string');
    return name ?? resource.Type;
  };
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value !== 'object' || value === null) return value;
    const { Ref, 'Fn::GetAtt': attribute, 'Fn::Join': join, ...others } = value as Record<string, unknown>;
    if (typeof Ref === 'string') return nameOf(Ref);
    if (Array.isArray(attribute)) return nameOf(attribute[0] as string);
    if (Array.isArray(join)) return (resolve(join[1]) as string[]).join(join[0] as string);
    return Object.fromEntries(Object.entries(others).map(([name, each]) => [name, resolve(each)]));
  };
  return resolve;
}
