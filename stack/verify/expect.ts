/** What is wrong with one resource; nothing, where it is as it should be. */
export type Problems = string[];

/** Compares what is there with what its template wants, and says what differs. */
export function differs(what: string, actual: unknown, expected: unknown): Problems {
  const [is, should] = [text(actual), text(expected)];
  return is === should ? [] : [`${what} is ${is}, and should be ${should}`];
}

function text(value: unknown): string {
  return value === undefined ? 'not set' : JSON.stringify(sorted(value));
}

/** The same value with the names of objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(
    entries.sort(([left], [right]) => (left < right ? -1 : 1)).map(([name, item]) => [name, sorted(item)]),
  );
}

/** A value as a list: policies write single ones without brackets. */
export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}
