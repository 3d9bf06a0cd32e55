import { list, Problems } from './expect';

interface Statement {
  readonly Effect: string;
  readonly Principal?: unknown;
  readonly Action: unknown;
  readonly Resource?: unknown;
  readonly Condition?: unknown;
}

/** Compares two policies permission by permission: what is missing, and what is there beyond. */
export function policyDiffers(actual: unknown, expected: unknown): Problems {
  const [is, should] = [permissions(actual), permissions(expected)];
  const missing = [...should].filter((permission) => !is.has(permission));
  const beyond = [...is].filter((permission) => !should.has(permission));
  return [
    ...missing.map((permission) => `the permission is missing: ${permission}`),
    ...beyond.map((permission) => `a permission is there that nothing asks for: ${permission}`),
  ];
}

/** A policy as the set of its single permissions, in words. */
function permissions(policy: unknown): Set<string> {
  const document = (typeof policy === 'string' ? JSON.parse(decoded(policy)) : policy) as
    { Statement?: unknown } | undefined;
  const found = new Set<string>();
  for (const statement of list(document?.Statement) as Statement[]) {
    for (const action of list(statement.Action)) {
      for (const resource of statement.Resource === undefined ? [''] : list(statement.Resource)) {
        found.add(inWords(statement, String(action), String(resource)));
      }
    }
  }
  return found;
}

function inWords({ Effect, Principal, Condition }: Statement, action: string, resource: string): string {
  const words = [Effect, action];
  if (resource !== '') words.push(`on ${resource}`);
  if (Principal !== undefined) words.push(`for ${principal(Principal)}`);
  if (Condition !== undefined) words.push(`if ${JSON.stringify(Condition)}`);
  return words.join(' ');
}

/** AWS stores the principal "*" in either of two forms. */
function principal(value: unknown): string {
  const anybody = value === '*' || JSON.stringify(value) === '{"AWS":"*"}';
  return anybody ? 'anybody' : JSON.stringify(value);
}

/** IAM answers with its documents in percent encoding. */
function decoded(policy: string): string {
  return policy.startsWith('%') ? decodeURIComponent(policy) : policy;
}
