/** Configurations of Terraform, read by HashiCorp's parser. */
import { parse } from '@cdktn/hcl2json';

type Attributes = Record<string, any>;

/** The blocks of a module. A value that is an expression is a text such as `${var.name}`. */
export interface Module {
  readonly variables: Record<string, Attributes>;
  readonly locals: Attributes;
  readonly outputs: Record<string, Attributes>;
  /** Attributes by type and name. */
  readonly resources: Record<string, Attributes>;
  readonly calls: Record<string, Attributes>;
  readonly text: string;
}

/** Returns the module in a folder of files. Throws an error if a file is not HCL. */
export async function moduleIn(files: Record<string, string>, folder: string): Promise<Module> {
  const own = Object.entries(files).filter(([file]) => file.replace(/\/[^/]+$/, '') === folder);
  const parsed = await Promise.all(own.map(([file, text]) => parse(file, text)));
  const blocks = (kind: string): Record<string, Attributes> =>
    Object.assign({}, ...parsed.map((each) => firsts((each[kind] as Record<string, Attributes[]>) ?? {})));
  const resources = parsed.flatMap((each) =>
    Object.entries((each.resource ?? {}) as Record<string, Record<string, Attributes[]>>).flatMap(([type, named]) =>
      Object.entries(named).map(([name, [attributes]]) => [`${type}.${name}`, attributes!] as const),
    ),
  );
  return {
    variables: blocks('variable'),
    locals: Object.assign({}, ...parsed.flatMap((each) => (each.locals as Attributes[]) ?? [])),
    outputs: blocks('output'),
    resources: Object.fromEntries(resources),
    calls: blocks('module'),
    text: own.map(([, text]) => text).join('\n'),
  };
}

function firsts(named: Record<string, Attributes[]>): Record<string, Attributes> {
  return Object.fromEntries(Object.entries(named).map(([name, [attributes]]) => [name, attributes!]));
}
