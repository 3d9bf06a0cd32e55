/** The differences between a resource and its template; empty if there are none. */
export type Problems = string[];

/** Compares an actual value with the expected one. `name` is the name of the value in the message. */
export function differs(name: string, actual: unknown, expected: unknown): Problems {
  const [actualText, expectedText] = [text(actual), text(expected)];
  return actualText === expectedText ? [] : [`${name} is ${actualText}, expected ${expectedText}`];
}

function text(value: unknown): string {
  return value === undefined ? 'not set' : JSON.stringify(sorted(value));
}

/** Returns the value with the keys of objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(
    entries.sort(([left], [right]) => (left < right ? -1 : 1)).map(([key, item]) => [key, sorted(item)]),
  );
}

/** Returns a value as a list. Policies have single values without brackets. */
export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}
