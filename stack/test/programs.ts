import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { placeholderBinaries } from '../verify/offline';
import { Block, ROOT } from './doc-blocks';

const STACK = path.join(ROOT, 'stack');

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
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-programs-'));

  constructor() {
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', this.folder], {
      cwd: STACK,
      encoding: 'utf8',
    });
    const installed = path.join(this.folder, 'node_modules/usage-meter-stack');
    fs.mkdirSync(path.join(this.folder, 'node_modules/@types'), { recursive: true });
    execFileSync('tar', ['xzf', packed.trim().split('\n').at(-1)!], { cwd: this.folder });
    fs.renameSync(path.join(this.folder, 'package'), installed);
    for (const name of ['aws-cdk-lib', 'constructs', '@types/node']) {
      fs.symlinkSync(path.join(STACK, 'node_modules', name), path.join(this.folder, 'node_modules', name));
    }
    fs.cpSync(placeholderBinaries(), path.join(this.folder, 'target/lambda'), { recursive: true });
    fs.writeFileSync(path.join(this.folder, 'tsconfig.json'), JSON.stringify(CONFIGURATION));
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
  compile(): string {
    const { status, stdout, signal } = spawnSync(path.join(STACK, 'node_modules/.bin/tsc'), ['--project', '.'], {
      cwd: this.folder,
      encoding: 'utf8',
    });
    return status === 0 ? stdout : `${stdout}\ntsc ended with ${signal ?? status}`;
  }

  /** Runs a program as `cdk synth` does, and returns its templates and its output. */
  synthesise(block: Block): { templates: Record<string, any>[]; output: string } {
    const CDK_OUTDIR = fs.mkdtempSync(path.join(this.folder, 'cdk.out-'));
    const program = path.join('compiled', `${this.nameOf(block)}.js`);
    const { stdout, stderr } = spawnSync(process.execPath, [program], {
      cwd: this.folder,
      encoding: 'utf8',
      env: { ...process.env, CDK_OUTDIR },
    });
    const files = fs.readdirSync(CDK_OUTDIR).filter((name) => name.endsWith('.template.json'));
    const templates = files.map((name) => JSON.parse(fs.readFileSync(path.join(CDK_OUTDIR, name), 'utf8')));
    return { templates, output: `${stdout}${stderr}` };
  }

  remove(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
