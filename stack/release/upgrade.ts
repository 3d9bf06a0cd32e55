/** What an update of a deployed stack from the template of an earlier release would break. */
import * as path from 'node:path';
import { fullDiff, ResourceImpact } from '@aws-cdk/cloudformation-diff';
import { Json, Resource, Template } from './json';
import { releaseTemplate } from './template';

/** The folder of the templates of earlier releases. */
export const KEPT_TEMPLATES = path.join(__dirname, '../test/releases');

/** Returns the template that is kept of a release. Upgrades are the same on all architectures. */
export function keptTemplate(binaries: string, version: string): Template {
  return releaseTemplate('production', { version, binaries, architecture: 'x86_64' });
}

const REPLACEMENTS = [ResourceImpact.WILL_REPLACE, ResourceImpact.MAY_REPLACE];
/** Impacts of an update after which a resource is no longer the one with the data. */
const LOSSES = [...REPLACEMENTS, ResourceImpact.WILL_DESTROY, ResourceImpact.WILL_ORPHAN];

/** Types of which a resource cannot be replaced, because CloudFormation creates the new one first. Lambda refuses a
 * second mapping of a function and a stream, and a new one begins at another place. A log group has two subscription
 * filters at most, and both would deliver. */
const UNIQUE = ['AWS::Lambda::EventSourceMapping', 'AWS::Logs::SubscriptionFilter'];

/** Returns what an update breaks, one sentence each. */
export function upgradeProblems(before: Template, after: Template): string[] {
  return [
    ...lostResources(before, after),
    ...lostProtection(before, after),
    ...takenNames(before, after),
    ...refusedParameters(before.Parameters ?? {}, after.Parameters ?? {}),
    ...changedOutputs(before.Outputs ?? {}, after.Outputs ?? {}),
  ];
}

/** A resource that the template retains has data. One with a name of its own cannot be replaced at all: CloudFormation
 * creates the new resource first ("cannot update a stack when a custom-named resource requires replacing"). */
function lostResources(before: Template, after: Template): string[] {
  const problems: string[] = [];
  fullDiff(before, after).resources.forEachDifference((id, { changeImpact }) => {
    const resource = before.Resources[id];
    if (resource === undefined || !LOSSES.includes(changeImpact)) return;
    const { DeletionPolicy, Type } = resource;
    const name = REPLACEMENTS.includes(changeImpact) ? nameOf(resource) : undefined;
    const keepsName = name !== undefined && name === nameOf(after.Resources[id]!);
    if (DeletionPolicy !== undefined || keepsName || UNIQUE.includes(Type))
      problems.push(`${id} (${Type}): ${changeImpact}`);
  });
  return problems;
}

/** A table without its policy is deleted with its stack. */
function lostProtection(before: Template, after: Template): string[] {
  return Object.entries(before.Resources).flatMap(([id, was]) => {
    const is = after.Resources[id];
    if (is === undefined) return [];
    return (['DeletionPolicy', 'UpdateReplacePolicy'] as const)
      .filter((policy) => was[policy] !== undefined && was[policy] !== is[policy])
      .map((policy) => `${id} (${was.Type}) had the ${policy} ${was[policy] as string}`);
  });
}

/** Returns the name that a template gives a resource, as JSON. The name of an alias is unique within its function. */
function nameOf({ Type, Properties }: Resource): string | undefined {
  const type = Type.split('::').at(-1)!;
  const name = Properties[`${type}Name`] ?? Properties.Name;
  if (name === undefined) return undefined;
  return JSON.stringify(type === 'Alias' ? [Properties.FunctionName!, name] : name);
}

/** A resource under another logical id is created while the one before still has its name. */
function takenNames(before: Template, after: Template): string[] {
  return Object.entries(after.Resources)
    .filter(([id, resource]) => !(id in before.Resources) && nameOf(resource) !== undefined)
    .flatMap(([id, resource]) => {
      const sameName = (other: Resource) => other.Type === resource.Type && nameOf(other) === nameOf(resource);
      const holder = Object.keys(before.Resources).find((each) => sameName(before.Resources[each]!));
      return holder === undefined ? [] : [`${id} (${resource.Type}) has the name of ${holder} before`];
    });
}

interface Parameter {
  readonly Type: string;
  readonly Default?: Json;
  readonly AllowedPattern?: string;
  readonly AllowedValues?: readonly string[];
  readonly MinValue?: number;
  readonly MaxValue?: number;
}

/** An update passes the values of the parameters before, and no others. */
function refusedParameters(before: Record<string, Json>, after: Record<string, Json>): string[] {
  const parameters = { ...before, ...after } as unknown as Record<string, Parameter>;
  return Object.keys(parameters).flatMap((name) => {
    const [was, is] = [before[name], after[name]] as unknown as (Parameter | undefined)[];
    if (is === undefined) return [`the parameter ${name} is gone`];
    if (was === undefined) return is.Default === undefined ? [`the new parameter ${name} has no default`] : [];
    return accepts(is, was) ? [] : [`the parameter ${name} refuses values that it took before`];
  });
}

function accepts(is: Parameter, was: Parameter): boolean {
  return (
    is.Type === was.Type &&
    (is.Default !== undefined || was.Default === undefined) &&
    (is.AllowedPattern === undefined || is.AllowedPattern === was.AllowedPattern) &&
    (is.AllowedValues === undefined ||
      (was.AllowedValues ?? [null]).every((value) => is.AllowedValues!.includes(value!))) &&
    (is.MinValue ?? -Infinity) <= (was.MinValue ?? -Infinity) &&
    (is.MaxValue ?? Infinity) >= (was.MaxValue ?? Infinity)
  );
}

interface Output {
  readonly Value: Json;
  readonly Condition?: string;
}

/** Terraform modules, SAM templates and other stacks read the outputs. A text may change, a reference may not. */
function changedOutputs(before: Record<string, Json>, after: Record<string, Json>): string[] {
  const parts = (output: Json) => {
    const { Value, Condition } = output as unknown as Output;
    return JSON.stringify([typeof Value === 'string' ? 'a text' : Value, Condition]);
  };
  return Object.keys(before).flatMap((name) => {
    if (!(name in after)) return [`the output ${name} is gone`];
    return parts(before[name]!) === parts(after[name]!) ? [] : [`the output ${name} refers to something else`];
  });
}
