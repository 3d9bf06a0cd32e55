/** A value of a template. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, Json>;
  Condition?: string;
  Metadata?: Json;
  readonly [attribute: string]: Json | undefined;
}

/** A template of CloudFormation. */
export interface Template {
  readonly AWSTemplateFormatVersion?: string;
  readonly Description?: string;
  readonly Parameters?: Record<string, Json>;
  readonly Conditions?: Record<string, Json>;
  readonly Resources: Record<string, Resource>;
  readonly Outputs?: Record<string, Json>;
}

/** Returns the resources of a type. */
export function ofType(resources: Template['Resources'], type: string): Resource[] {
  return Object.values(resources).filter(({ Type }) => Type === type);
}

/** Returns a value with its texts and numbers replaced. `replace` gets the key of the object or of the list that has
 * the value. */
export function replaced(
  value: Json,
  replace: (value: string | number, key: string | undefined) => Json,
  key?: string,
): Json {
  if (typeof value === 'string' || typeof value === 'number') return replace(value, key);
  if (Array.isArray(value)) return value.map((each) => replaced(each, replace, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, replaced(each, replace, name)]));
}
