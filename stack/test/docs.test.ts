import * as fs from 'node:fs';
import * as path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Names, namesOf } from '../lib/names';
import { Block, blocksOf, commandsOf, documents, ROOT } from './doc-blocks';
import { LocalMeter } from './local-meter';
import { Programs } from './programs';
import { README, withPropsTable } from './props-table';
import { Shell } from './shell';

const PROGRAMS = documents().flatMap((document) => blocksOf(document, 'ts'));

/** The documents whose commands run here. The commands of runbooks run in runbooks.test.ts. */
const HANDBOOKS = documents().filter((document) => !/^docs\/runbooks\/(?!README)/.test(document));

/** Prefixes of commands that do not run here, with the reason. */
const NOT_RUN: Record<string, string> = {
  'scripts/demo.sh': 'it builds everything; scripts/test.sh runs it',
  'scripts/test.sh': 'it runs this test',
  'scripts/build-local.sh': 'it builds everything; scripts/test.sh runs it',
  'scripts/build-lambdas.sh': 'it builds the functions for AWS, optimised',
  '(cd stack && npm pack)': 'the programs of documents are compiled against what it makes',
  'scripts/build-python.sh': 'jsii.test.ts installs what it makes',
  'scripts/build-release.sh': 'it builds everything, optimised',
  'tar -xf dist/': 'release.test.ts unpacks the archive of a release',
  'usage-meter-0.1.0/meter': 'it is the command of a release; the same commands of target/debug run here',
  'meter attach': 'it needs an account; release.test.ts runs it on an emulator',
  'aws s3': 'it needs an account; release.test.ts does the same on an emulator',
  'aws cloudformation': 'it needs an account; release.test.ts does the same on an emulator',
  'curl --header': 'it needs the stack of a release; release.test.ts calls it on an emulator',
  'cargo test': 'it builds and runs other tests; scripts/test.sh runs them',
  'scripts/fuzz.sh': 'it searches for minutes; crates/fuzz-targets/tests runs the corpora',
  'aws ssm put-parameter --type SecureString --name /usage-meter/prod/canary-secret --value SECRET':
    'a local stack has no Systems Manager; it hands its canary a secret of its own',
  'target/debug/meter local --data my-data': 'it runs until it is stopped; LocalMeter starts it for each test',
  'meter portal token --customer acme --aws prod':
    'its URL is that of a page on AWS, and no local stack; crates/end-to-end/tests/meter_portal.rs signs one',
  'scripts/deploy.sh': 'it needs an account; ministack.test.ts runs it on an emulator',
  'git pull && scripts/deploy.sh':
    'it changes the work tree, and needs an account; ministack.test.ts runs deploy.sh --diff',
  'scripts/verify-deployment.sh': 'it needs an account; ministack.test.ts runs it on an emulator',
  'scripts/rollback.sh': 'it needs an account; ministack.test.ts runs it on an emulator',
  'scripts/test-usage-metering.sh ENVIRONMENT': 'it needs an account; runbooks.test.ts runs it on a local stack',
  'target/debug/loadtest run --profile loadtest/profiles/constant.toml':
    'it takes two minutes; crates/end-to-end/tests/loadtest_runs.rs runs shorter profiles',
  'target/debug/loadtest run --profile FILE --aws': 'it needs an account',
  'target/debug/loadtest simulate':
    'it takes more than a minute; crates/end-to-end/tests/loadtest_runs.rs runs a smaller one',
  'target/debug/loadtest trade-off': 'it takes minutes',
  'target/release/loadtest find-rate': 'it needs the optimised program, and takes minutes',
};

/** The tables that a command of `meter` uses. */
const TABLES: Record<string, (names: Names) => string[]> = {
  keys: ({ keysTable, invalidationsTable }) => [keysTable, invalidationsTable],
  reconcile: ({ usageTable, claimsTable }) => [usageTable, claimsTable],
  usage: ({ usageTable, claimsTable }) => [usageTable, claimsTable],
};

/** Commands for an environment on AWS, in documents whose programs create it. */
const ON_AWS = documents()
  .filter((document) => PROGRAMS.some((program) => program.document === document))
  .flatMap((document) => blocksOf(document, 'sh'))
  .flatMap((block) =>
    commandsOf(block).map((command) => ({ block, command, words: /^meter (\w+).* --aws (\w+)/.exec(command) })),
  )
  .flatMap(({ block, command, words }) =>
    words ? [[command, block, namesOf(words[2]!), TABLES[words[1]!]!] as const] : [],
  );

/** Returns the environments that the programs of a document create, or else those in its commands and parameters. */
function environmentsOf(document: string): string[] {
  const text = fs.readFileSync(path.join(ROOT, document), 'utf8');
  const named = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name!);
  const made = named(/\benvironment: '(\w+)'/g);
  return made.length > 0 ? made : named(/(?:scripts\/[\w-]+\.sh |\/usage-meter\/| Environment=)([a-z]\w*)/g);
}

const reasonOf = (command: string) => Object.keys(NOT_RUN).find((beginning) => command.startsWith(beginning));

describe('the programs of documents', () => {
  let programs: Programs;
  let compilerOutput: string;

  beforeAll(async () => {
    programs = await Programs.install();
    PROGRAMS.forEach((block) => programs.add(block));
    compilerOutput = await programs.compile();
  });
  afterAll(() => programs.remove());

  test('exist, and compile in an application that has installed the package', () => {
    expect(new Set(PROGRAMS.map(({ document }) => document))).toEqual(
      new Set(['stack/README.md', 'docs/MIGRATION.md']),
    );
    expect(compilerOutput).toBe('');
  });

  test('find the compiled constructs in the package, without tests and sources', () => {
    const packaged = programs.packaged();
    expect(packaged).toEqual(
      expect.arrayContaining(['README.md', 'dist/index.js', 'dist/index.d.ts', 'dist/generated/access-log.json']),
    );
    expect(packaged.filter((name) => /test|verify|(?<!\.d)\.ts$/.test(name))).toEqual([]);
  });

  test.each(PROGRAMS.map((block) => [`${block.document}:${block.line}`, block] as const))(
    '%s synthesises',
    async (_, block) => {
      const { templates, output } = await programs.synthesise(block);
      expect(templates.length, output).toBeGreaterThan(0);
      for (const { Resources } of templates) {
        const types = Object.values(Resources as Record<string, { Type: string }>).map(({ Type }) => Type);
        expect(types.length).toBeGreaterThan(0);
        // It would replace the role of the account in which the program runs.
        expect(types).not.toContain('AWS::ApiGateway::Account');
      }
    },
  );

  /** Returns the tables that exist after the programs before a block are deployed. */
  async function tablesBefore({ document, line }: Block): Promise<string[]> {
    const before = PROGRAMS.filter((program) => program.document === document && program.line < line);
    const synthesised = await Promise.all(before.map((program) => programs.synthesise(program)));
    const resources = synthesised
      .flatMap(({ templates }) => templates)
      .flatMap(({ Resources }) => Object.values<any>(Resources));
    return resources
      .filter(({ Type }) => Type === 'AWS::DynamoDB::Table')
      .map(({ Properties }) => Properties.TableName);
  }

  test.each(ON_AWS)('create the tables of `%s` before it', async (_, block, names, tablesOf) => {
    expect(await tablesBefore(block)).toEqual(expect.arrayContaining(tablesOf(names)));
  });

  test('create tables for some commands', () => {
    expect(ON_AWS.length).toBeGreaterThan(2);
  });
});

test.each(documents())('%s has only its own environment after `--aws`', (document) => {
  // Placeholders are capitals or variables.
  const named = fs.readFileSync(path.join(ROOT, document), 'utf8').matchAll(/--aws ([a-z][\w-]*)/g);
  const environments = environmentsOf(document);
  for (const [, environment] of named) expect(environments).toContain(environment);
});

test('the table of props matches the constructs; `npx tsx test/props-table.ts` writes it', () => {
  expect(fs.readFileSync(README, 'utf8')).toBe(withPropsTable());
});

describe('the commands of documents', () => {
  /** Creates data for the commands, and returns the variables in which they expect it. */
  async function prepare(local: LocalMeter): Promise<Record<string, string>> {
    await local.meter('traffic', '--calls', '20');
    const created = JSON.parse(await local.meter('keys', 'create', '--owner', 'acme', '--json')) as {
      api_key_id: string;
      api_key: string;
    };
    fs.writeFileSync(path.join(local.folder, 'keys.csv'), `api_key,owner\n${'k'.repeat(40)},acme\n`);
    fs.symlinkSync(local.data, path.join(local.folder, 'my-data'));
    return { KEY: created.api_key_id, API_KEY: created.api_key, API_URL: local.endpoints().gateway };
  }

  /** Returns the commands of a document that run here, by block. */
  const toRun = (document: string) =>
    blocksOf(document, 'sh')
      .map((block) => commandsOf(block).filter((command) => reasonOf(command) === undefined))
      .filter((commands) => commands.length > 0);

  test.each(HANDBOOKS.filter((document) => toRun(document).length > 0))(
    'of %s work on a stack on this machine',
    async (document) => {
      const local = await LocalMeter.start('--no-canary');
      try {
        const shell = new Shell(local, await prepare(local));
        for (const commands of toRun(document)) {
          const { status, output } = await shell.run(commands.join('\n'));
          expect(status, `${commands.join('\n')}\n${output}`).toBe(0);
        }
      } finally {
        await local.stop();
      }
    },
  );

  test('run here or are listed', () => {
    expect(HANDBOOKS.filter((document) => toRun(document).length > 0)).toEqual(
      expect.arrayContaining(['docs/MIGRATION.md', 'docs/LOAD_TEST.md', 'docs/runbooks/README.md']),
    );
  });

  test('that are listed are all in a document', () => {
    const commands = HANDBOOKS.flatMap((document) => blocksOf(document, 'sh').flatMap(commandsOf));
    const used = new Set(commands.map(reasonOf));
    expect(Object.keys(NOT_RUN).filter((beginning) => !used.has(beginning))).toEqual([]);
  });
});
