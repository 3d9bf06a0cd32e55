import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { placeholderBinaries } from '../verify/offline';
import { Block, blocksOf, ROOT } from './doc-blocks';
import { Ministack } from './ministack/server';
import { Newcomer } from './newcomer';
import { Programs } from './programs';
import { outputOf } from './run';
import { Steps } from './steps';

/** The packages that scripts/test-stack.sh downloads. */
const WHEELS = path.join(ROOT, 'target/wheels');

const BINARIES = path.join(ROOT, 'target/lambda-local');
const CDK = path.join(ROOT, 'stack/node_modules/.bin/cdk');

const DESCRIPTION = 'in Python, in a virtual environment with the package that jsii builds';

/** The programs of documents in TypeScript that the programs in Python repeat. */
const MIGRATION = 'docs/MIGRATION.md';
const README = 'stack/README.md';

interface Resource {
  readonly Type: string;
  readonly Properties: unknown;
}

/** Returns the resources of a template by logical id, without the metadata of CDK. */
function resourcesOf({ Resources }: Record<string, any>): Record<string, Resource> {
  const all = Object.entries<Resource>(Resources).filter(([, { Type }]) => Type !== 'AWS::CDK::Metadata');
  return Object.fromEntries(all.map(([id, { Type, Properties }]) => [id, { Type, Properties }]));
}

/** An empty folder in which somebody writes an app in Python. */
class PythonApp {
  readonly steps = new Steps();
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-python-'));
  private readonly python = path.join(this.folder, 'venv/bin/python');

  /** Builds and installs the package. Fails if a tool or a package that it needs is not there. */
  async install(): Promise<void> {
    const { folder, python, steps } = this;
    if (!fs.existsSync(WHEELS))
      throw new Error(`There is no ${WHEELS}: run scripts/test-stack.sh, which downloads it.`);
    const wheels = path.join(folder, 'wheels');
    await steps.run('scripts/build-python.sh', () =>
      outputOf(path.join(ROOT, 'scripts/build-python.sh'), [wheels], { cwd: folder }),
    );
    await steps.run('python3 -m venv', () => outputOf('python3', ['-m', 'venv', path.join(folder, 'venv')]));
    const [wheel] = fs.readdirSync(wheels);
    const words = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-index'];
    await steps.run('pip install', () =>
      outputOf(python, [...words, '--find-links', WHEELS, path.join(wheels, wheel!)]),
    );
    fs.cpSync(placeholderBinaries(), path.join(folder, 'target/lambda'), { recursive: true });
  }

  /** Deploys a program, with functions that run, and counts a call. */
  async deploy(newcomer: Newcomer, name: string): Promise<void> {
    const { folder } = this;
    fs.cpSync(BINARIES, path.join(folder, 'target/lambda'), { recursive: true, force: true });
    await newcomer.deployReadme({ folder, cdk: CDK, command: `venv/bin/python ${name}.py` }, 'Python: ');
  }

  /** Synthesises a program and returns its resources. */
  async synthesise(name: string, code: string): Promise<Record<string, Resource>> {
    const { folder, steps } = this;
    fs.writeFileSync(path.join(folder, `${name}.py`), code);
    // The id of a deployment of an API contains a digest of its resource with this metadata, which only the CDK CLI adds.
    const asCompared = ['--no-notices', '--no-path-metadata', '--no-asset-metadata'];
    const words = ['synth', '--quiet', ...asCompared, '--output', `${name}.out`, '--app', `venv/bin/python ${name}.py`];
    await steps.run(`cdk synth of ${name}.py`, () => outputOf(CDK, words, { cwd: folder }));
    const output = path.join(folder, `${name}.out`);
    const templates = fs.readdirSync(output).filter((each) => each.endsWith('.template.json'));
    expect(templates).toHaveLength(1);
    return resourcesOf(JSON.parse(fs.readFileSync(path.join(output, templates[0]!), 'utf8')));
  }

  remove(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

describe('the constructs', () => {
  const python = new PythonApp();
  const blocks = [MIGRATION, README].flatMap((document) => blocksOf(document, 'ts'));
  let typescript: Programs;

  beforeAll(async () => {
    await python.install();
    typescript = await Programs.install();
    blocks.forEach((block) => typescript.add(block));
    expect(await typescript.compile()).toBe('');
  });
  afterAll(() => {
    python.steps.print();
    python.remove();
    typescript?.remove();
  });

  /** Returns the resources of the program of a document in TypeScript. */
  async function resourcesInTypeScript(document: string, file: string): Promise<Record<string, Resource>> {
    const isMeant = (block: Block) => block.document === document && block.code.startsWith(`// ${file}\n`);
    const { templates, output } = await typescript.synthesise(blocks.find(isMeant)!);
    expect(templates, output).toHaveLength(1);
    return resourcesOf(templates[0]!);
  }

  test(`around existing APIs are the same ${DESCRIPTION}`, async () => {
    const [{ code }] = blocksOf(README, 'python') as [Block];
    const resources = await python.synthesise('app', code);
    expect(resources).toEqual(await resourcesInTypeScript(MIGRATION, 'authorizer.ts'));
  });

  test(`with new APIs are the same ${DESCRIPTION}`, async () => {
    const code = fs.readFileSync(path.join(__dirname, 'python/new_apis.py'), 'utf8');
    const resources = await python.synthesise('new_apis', code);
    expect(resources).toEqual(await resourcesInTypeScript(README, 'app.ts'));
  });

  test('in Python are deployed by the CDK CLI, admit a key and count its call', async () => {
    const ministack = await Ministack.start(python.folder);
    try {
      ministack.useAsAws();
      await python.deploy(new Newcomer(ministack, path.join(ROOT, 'target/debug/meter'), python.steps), 'new_apis');
    } finally {
      await ministack.stop();
    }
  });
});
