// The results of scripts/mutation.sh, which are kept in target/mutation/results.json.
//
//   record TREE FOLDER   adds the results that cargo-mutants wrote into FOLDER for the sources in TREE
//   left NAME...         prints a regular expression for each mutant of these crates and files that is neither
//                        caught nor equivalent
//   check [NAME...]      exits with 1 if a mutant of these crates and files survived and is not equivalent,
//                        or if equivalent.json lists a mutant that does not exist or that a test catches
//   table VERSION        prints the results of all files and the equivalent mutants in Markdown
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const RESULTS = 'target/mutation/results.json';
// All mutants of the sources.
const MUTANTS = 'target/mutation/mutants.json';
const read = (file) => JSON.parse(readFileSync(file, 'utf8'));
const results = existsSync(RESULTS) ? read(RESULTS) : {};

// Identifies each mutant by its file, its change and the text of its line, so that a change elsewhere in the
// file keeps its result. `place` tells apart equal changes of equal lines.
function identified(mutants, root) {
  const lines = {};
  const places = new Map();
  return mutants.map(({ name, file, span }) => {
    lines[file] ??= readFileSync(`${root}/${file}`, 'utf8').split('\n');
    const change = name.slice(name.indexOf(': ') + 2);
    const line = lines[file][span.start.line - 1].trim();
    const key = JSON.stringify([file, change, line]);
    const place = places.get(key) ?? 0;
    places.set(key, place + 1);
    return { name, file, change, line, place, id: JSON.stringify([file, change, line, place]) };
  });
}

function record(tree, folder) {
  const summaries = new Map();
  for (const { scenario, summary } of read(`${folder}/outcomes.json`).outcomes)
    if (scenario.Mutant) summaries.set(scenario.Mutant.name, summary);
  for (const { name, id } of identified(read(MUTANTS), tree))
    if (summaries.has(name)) results[id] = summaries.get(name);
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 1)}\n`);
}

// Returns the mutants of the present sources, each with its result and the reason why it is equivalent, if
// it is, and the entries of equivalent.json that are of no mutant.
function present() {
  const isOf = (entry, mutant) =>
    ['file', 'change', 'line'].every((member) => entry[member] === mutant[member]) &&
    (entry.place ?? mutant.place) === mutant.place;
  const entries = read('scripts/mutation/equivalent.json');
  const mutants = identified(read(MUTANTS), '.').map((mutant) => ({
    ...mutant,
    result: results[mutant.id] ?? 'NotRun',
    reason: entries.find((entry) => isOf(entry, mutant))?.reason,
  }));
  return { mutants, unknown: entries.filter((entry) => !mutants.some((mutant) => isOf(entry, mutant))) };
}

// Returns `true` for a mutant of these crates and files.
const isNamed =
  (names) =>
  ({ file }) =>
    names.some((name) => file === name || file.startsWith(`crates/${name}/`));

const isEquivalent = ({ result, reason }) => result === 'MissedMutant' && Boolean(reason);
const isUnnoticed = ({ result, reason }) => result === 'MissedMutant' && !reason;

function left(names) {
  const isLeft = (mutant) => mutant.result === 'NotRun' || isUnnoticed(mutant);
  for (const { name } of present().mutants.filter(isNamed(names)).filter(isLeft))
    console.log(`^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`);
}

function check(names) {
  const { mutants, unknown } = present();
  const named = mutants.filter(isNamed(names));
  const problems = [
    ...unknown.map(({ file, change }) => `equivalent.json lists a mutant that does not exist: ${file}: ${change}`),
    ...named.flatMap((mutant) => {
      const { name, result, reason } = mutant;
      if (isUnnoticed(mutant)) return [`survived: ${name}`];
      if (reason && ['CaughtMutant', 'Timeout', 'Unviable'].includes(result))
        return [`equivalent.json lists a mutant that is ${result === 'Unviable' ? 'not compiled' : 'caught'}: ${name}`];
      return [];
    }),
  ];
  for (const problem of problems) console.log(problem);
  const caught = named.filter(({ result }) => ['CaughtMutant', 'Timeout'].includes(result)).length;
  const survived = named.filter(({ result }) => result === 'MissedMutant').length;
  const equivalent = named.filter(isEquivalent).length;
  const notRun = named.filter(({ result }) => result === 'NotRun').length;
  console.log(`${caught} caught, ${survived} survived, of which ${equivalent} are equivalent; ${notRun} not run`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

function table(version) {
  const { mutants } = present();
  const files = new Map();
  for (const mutant of mutants) files.set(mutant.file, [...(files.get(mutant.file) ?? []), mutant]);
  const count = (of, wanted) => of.filter((mutant) => mutant.result === wanted && !isEquivalent(mutant)).length || '';
  const row = (name, of) =>
    `| ${[
      name,
      of.length,
      count(of, 'CaughtMutant'),
      count(of, 'Timeout'),
      of.filter(isEquivalent).length || '',
      count(of, 'Unviable'),
      count(of, 'MissedMutant'),
      count(of, 'NotRun'),
    ].join(' | ')} |`;
  const hasRun = (of) => of.some(({ result }) => result !== 'NotRun');
  const run = [...files].filter(([, of]) => hasRun(of));
  const lines = [
    `Results of cargo-mutants ${version}. A mutant that does not compile is unviable. One that never ends is caught by the time`,
    'limit.',
    '',
    '| file | mutants | caught | timed out | equivalent | unviable | survived | not run |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...run.map(([file, of]) => row(`\`${file.slice('crates/'.length)}\``, of)),
  ];
  if (run.length < files.size) {
    const rest = [...files.values()].filter((of) => !hasRun(of));
    lines.push('', `Not yet run: ${rest.flat().length} mutants of ${rest.length} other files.`);
  }
  const equivalent = mutants.filter(isEquivalent);
  if (equivalent.length > 0) {
    const cell = (text) => text.replaceAll('|', '\\|');
    lines.push(
      '',
      'No test can catch an equivalent mutant, because it behaves like the code.',
      '',
      '| file | change | reason |',
      '| --- | --- | --- |',
      ...equivalent.map(
        ({ file, change, reason }) => `| \`${file.slice('crates/'.length)}\` | \`${cell(change)}\` | ${cell(reason)} |`,
      ),
    );
  }
  console.log(lines.join('\n'));
}

const [command, ...values] = process.argv.slice(2);
const commands = {
  record: () => record(...values),
  left: () => left(values),
  check: () => check(values),
  table: () => table(...values),
};
commands[command]();
