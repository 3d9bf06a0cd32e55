import { list, Problems } from './expect';

interface Statement {
  readonly Effect: string;
  readonly Principal?: unknown;
  readonly Action: unknown;
  readonly Resource?: unknown;
  readonly Condition?: unknown;
}

/** Compares two policies permission by permission. */
export function policyDiffers(actual: unknown, expected: unknown): Problems {
  const [granted, wanted] = [permissions(actual), permissions(expected)];
  const missing = [...wanted].filter((permission) => !granted.has(permission));
  const unexpected = [...granted].filter((permission) => !wanted.has(permission));
  return [
    ...missing.map((permission) => `the permission is missing: ${permission}`),
    ...unexpected.map((permission) => `unexpected permission: ${permission}`),
  ];
}

/** Returns a policy as a set of single permissions, as text. */
function permissions(policy: unknown): Set<string> {
  const document = (typeof policy === 'string' ? JSON.parse(decoded(policy)) : policy) as
    { Statement?: unknown } | undefined;
  const found = new Set<string>();
  for (const statement of list(document?.Statement) as Statement[]) {
    for (const action of list(statement.Action)) {
      for (const resource of statement.Resource === undefined ? [''] : list(statement.Resource)) {
        found.add(asText(statement, String(action), String(resource)));
      }
    }
  }
  return found;
}

function asText({ Effect, Principal, Condition }: Statement, action: string, resource: string): string {
  const words = [Effect, action];
  if (resource !== '') words.push(`on ${resource}`);
  if (Principal !== undefined) words.push(`for ${principal(Principal)}`);
  if (Condition !== undefined) words.push(`if ${JSON.stringify(Condition)}`);
  return words.join(' ');
}

/** Returns a principal as text. AWS stores the principal "*" in either of two forms. */
function principal(value: unknown): string {
  const isAnyone = value === '*' || JSON.stringify(value) === '{"AWS":"*"}';
  return isAnyone ? 'anyone' : JSON.stringify(value);
}

/** Decodes a policy. IAM returns documents in percent encoding. */
function decoded(policy: string): string {
  return policy.startsWith('%') ? decodeURIComponent(policy) : policy;
}
