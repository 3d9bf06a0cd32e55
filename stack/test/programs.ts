import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { placeholderBinaries } from '../verify/offline';
import { Block } from './doc-blocks';
import { packInto, STACK } from './packed';
import { outputOf, run } from './run';

/** Matches the first line of a block with the name of the file under which other blocks of the document import it. */
const NAME = /^\/\/ ([\w-]+\.ts)\n/;

const CONFIGURATION = {
  compilerOptions: {
    target: 'ES2022',
    module: 'node16',
    moduleResolution: 'node16',
    strict: true,
    skipLibCheck: true,
    noUnusedLocals: true,
    types: ['node'],
    rootDir: 'programs',
    outDir: 'compiled',
  },
  include: ['programs'],
};

/** An application with the programs of documents that has installed this package from `npm pack`. */
export class Programs {
  private constructor(readonly folder: string) {}

  static async install(): Promise<Programs> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-programs-'));
    const packed = await packInto(folder);
    const installed = path.join(folder, 'node_modules/usage-meter-stack');
    fs.mkdirSync(path.join(folder, 'node_modules/@types'), { recursive: true });
    await outputOf('tar', ['xzf', packed], { cwd: folder });
    fs.renameSync(path.join(folder, 'package'), installed);
    for (const name of ['aws-cdk-lib', 'constructs', '@types/node']) {
      fs.symlinkSync(path.join(STACK, 'node_modules', name), path.join(folder, 'node_modules', name));
    }
    fs.cpSync(placeholderBinaries(), path.join(folder, 'target/lambda'), { recursive: true });
    fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(CONFIGURATION));
    return new Programs(folder);
  }

  /** Returns the files of the package. */
  packaged(): string[] {
    return fs.readdirSync(path.join(this.folder, 'node_modules/usage-meter-stack'), {
      recursive: true,
      encoding: 'utf8',
    });
  }

  /** Returns the path of a block in the folder of programs, without the suffix. */
  nameOf({ document, line, code }: Block): string {
    return path.join(document.replaceAll(/\W/g, '-'), NAME.exec(code)?.[1]!.replace(/\.ts$/, '') ?? `line-${line}`);
  }

  add(block: Block): void {
    const file = path.join(this.folder, 'programs', `${this.nameOf(block)}.ts`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, block.code, { flag: 'wx' });
  }

  /** Compiles all programs and returns the output of the compiler. */
  async compile(): Promise<string> {
    const tsc = path.join(STACK, 'node_modules/.bin/tsc');
    const { status, output } = await run(tsc, ['--project', '.'], { cwd: this.folder });
    return status === 0 ? output : `${output}\ntsc ended with ${status}`;
  }

  /** Runs a program as `cdk synth` does, and returns its templates and its output. */
  async synthesise(block: Block): Promise<{ templates: Record<string, any>[]; output: string }> {
    const CDK_OUTDIR = fs.mkdtempSync(path.join(this.folder, 'cdk.out-'));
    const program = path.join('compiled', `${this.nameOf(block)}.js`);
    const env = { ...process.env, CDK_OUTDIR };
    const { output } = await run(process.execPath, [program], { cwd: this.folder, env });
    const files = fs.readdirSync(CDK_OUTDIR).filter((name) => name.endsWith('.template.json'));
    const templates = files.map((name) => JSON.parse(fs.readFileSync(path.join(CDK_OUTDIR, name), 'utf8')));
    return { templates, output };
  }

  remove(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
