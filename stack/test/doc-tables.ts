import * as fs from 'node:fs';
import * as path from 'node:path';
import { LIMITS } from '../lib/limits';
import { templateOf } from '../verify/offline';
import { OPTIONS } from '../lib/options';

const ROOT = path.join(__dirname, '../..');

interface Row {
  readonly id: string;
  readonly description: string;
  readonly runbook: string;
}

/** Returns the alarms of an environment as they are deployed. */
export function alarmRows(): Row[] {
  const environment = 'environment';
  const alarms = Object.values(templateOf(environment).findResources('AWS::CloudWatch::Alarm'));
  return alarms
    .map(({ Properties: { AlarmName, AlarmDescription } }) => {
      const [, description, runbook] = /^(.+) Runbook: docs\/runbooks\/(.+)\.md$/.exec(AlarmDescription as string)!;
      return {
        id: (AlarmName as string).replace(`usage-${environment}-`, ''),
        description: description!,
        runbook: runbook!,
      };
    })
    .sort((left, right) => (left.id < right.id ? -1 : 1));
}

function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function alarmsTable(): string {
  const rows = alarmRows().map(({ id, description, runbook }) => [
    `\`${id}\``,
    description,
    `[${runbook}](runbooks/${runbook}.md)`,
  ]);
  return table(['alarm `usage-ENVIRONMENT-...`', 'meaning', 'runbook'], rows);
}

function alarmsByRunbookTable(): string {
  const ids = new Map<string, string[]>();
  for (const { id, runbook } of alarmRows()) ids.set(runbook, [...(ids.get(runbook) ?? []), `\`${id}\``]);
  const rows = [...ids].map(([runbook, of]) => [of.join(', '), `[${runbook}](${runbook}.md)`]);
  return table(['alarm `usage-ENVIRONMENT-...`', 'runbook'], rows);
}

function optionsTable(): string {
  const rows = Object.entries(OPTIONS).map(([name, { value, meaning, defaultValue }]) => [
    `\`${name}\``,
    value,
    meaning,
    defaultValue,
  ]);
  return table(['option', 'value', 'meaning', 'default'], rows);
}

function limitsTable(): string {
  const rows = LIMITS.map(({ resource, granted, unit, use, callsPerSecond, raise, source }) => [
    resource,
    `${granted.toLocaleString('en')} ${unit}`,
    use,
    callsPerSecond(granted).toLocaleString('en'),
    raise,
    source,
  ]);
  return table(['resource', 'default quota', 'use by calls', 'calls/s', 'to raise', 'source'], rows);
}

/** The generated tables, with their document and the mark before them. */
const TABLES: { file: string; mark: string; make: () => string }[] = [
  { file: 'docs/OPERATION.md', mark: 'alarms', make: alarmsTable },
  { file: 'docs/OPERATION.md', mark: 'options', make: optionsTable },
  { file: 'docs/OPERATION.md', mark: 'limits', make: limitsTable },
  { file: 'docs/runbooks/README.md', mark: 'alarms-by-runbook', make: alarmsByRunbookTable },
];

/** Returns the present and the expected text of documents with generated tables, by file. */
export function documents(): Map<string, { present: string; expected: string }> {
  const found = new Map<string, { present: string; expected: string }>();
  for (const { file, mark, make } of TABLES) {
    const present = found.get(file)?.present ?? fs.readFileSync(path.join(ROOT, file), 'utf8');
    const [begin, end] = [`<!-- ${mark} -->\n`, '<!-- end -->'];
    const text = found.get(file)?.expected ?? present;
    const from = text.indexOf(begin) + begin.length;
    if (from < begin.length) throw new Error(`${file} has no place for the table: add ${begin.trim()} and ${end}.`);
    const expected = `${text.slice(0, from)}\n${make()}\n\n${text.slice(text.indexOf(end, from))}`;
    found.set(file, { present, expected });
  }
  return found;
}

if (process.argv[1]?.endsWith('doc-tables.ts')) {
  for (const [file, { expected }] of documents()) fs.writeFileSync(path.join(ROOT, file), expected);
}
