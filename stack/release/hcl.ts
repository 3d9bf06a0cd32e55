/** Text of the HashiCorp Configuration Language, in the format of `terraform fmt`. */

/** An expression, which is written as it is. */
export class Expression {
  constructor(readonly text: string) {}
}

type Value = string | number | boolean | Expression;

/** Returns a quoted text in which nothing is interpolated. */
export function quoted(text: string): string {
  return JSON.stringify(text).replaceAll('${', '$${').replaceAll('%{', '%%{');
}

/** Returns a block, or with a header that ends with `=` an object. */
export function block(header: string, attributes: Record<string, Value>, blocks: string[] = []): string {
  const names = Object.keys(attributes);
  const width = Math.max(...names.map((name) => name.length));
  const lines = names.map((name) => `${name.padEnd(width)} = ${written(attributes[name]!)}\n`).join('');
  const body = [lines, ...blocks].filter((part) => part !== '').join('\n');
  return `${header} {\n${body.replaceAll(/^(?=.)/gm, '  ')}}\n`;
}

function written(value: Value): string {
  if (value instanceof Expression) return value.text;
  return typeof value === 'string' ? quoted(value) : String(value);
}
