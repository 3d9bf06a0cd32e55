/** Writes the table of props of the stack's README from the comments of the constructs: `npx tsx test/props-table.ts`. */
import * as fs from 'node:fs';
import * as path from 'node:path';

const LIB = path.join(__dirname, '../lib');
export const README = path.join(__dirname, '../README.md');

/** The lines of the README around the tables. */
const BEGIN = '<!-- The tables are written by `npx tsx test/props-table.ts`. -->';
const END = '<!-- End of the tables. -->';

interface Prop {
  readonly name: string;
  readonly type: string;
  readonly isOptional: boolean;
  readonly meaning: string;
}

/** Returns the text of a comment on one line, without sources. */
function text(comment: string): string {
  return comment
    .replaceAll(/\s*\n[\s*]*/g, ' ')
    .replace(/Source: .*$/, '')
    .replaceAll('|', '\\|')
    .trim();
}

function propsOf(body: string): Prop[] {
  return [...body.matchAll(/(?:\/\*\*([^]*?)\*\/\s*)?readonly (\w+)(\??): ([^;]+);/g)].map(
    ([, comment, name, optional, type]) => ({
      name: name!,
      type: type!,
      isOptional: optional === '?',
      meaning: text(comment ?? ''),
    }),
  );
}

/** Returns the interfaces of the package with their props, without `settings`, which all of them have. */
function interfaces(): [string, Prop[]][] {
  const index = fs.readFileSync(path.join(LIB, 'index.ts'), 'utf8');
  const files = [...index.matchAll(/^export \* from '(.+)'/gm)].map(([, file]) =>
    fs.readFileSync(path.join(LIB, `${file}.ts`), 'utf8'),
  );
  return files.flatMap((file) =>
    [
      ...file.matchAll(
        /export interface (\w+(?:Props|Options|Settings|Stage|Parts))(?: extends ([\w, ]+))? \{([^]*?)\n\}/g,
      ),
    ].map(([, name, others, body]): [string, Prop[]] => [
      others === undefined ? name! : `${name}, and those of ${others}`,
      propsOf(body!).filter((prop) => prop.name !== 'settings'),
    ]),
  );
}

function table([name, props]: [string, Prop[]]): string {
  const rows = props.map(
    ({ name: prop, type, isOptional, meaning }) =>
      `| \`${prop}\`${isOptional ? '' : ' (required)'} | \`${type.replaceAll('|', '\\|')}\` | ${meaning} |`,
  );
  return [`### ${name}`, '', '| prop | type | meaning |', '| --- | --- | --- |', ...rows, ''].join('\n');
}

/** Returns the README with the tables of the present constructs. */
export function withPropsTable(): string {
  const readme = fs.readFileSync(README, 'utf8');
  const [before, after] = [readme.split(BEGIN)[0]!, readme.split(END)[1]!];
  return `${before}${BEGIN}\n\n${interfaces().map(table).join('\n')}\n${END}${after}`;
}

if (require.main === module) {
  fs.writeFileSync(README, withPropsTable());
}
