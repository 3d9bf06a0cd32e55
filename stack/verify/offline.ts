/** Synthesis without binaries and without an account. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { usageMeter } from '../lib/app';
import functions from '../lib/generated/functions.json';
import { UsageMeterStack } from '../lib/usage-meter-stack';

const created: string[] = [];
process.once('exit', () => created.forEach((folder) => fs.rmSync(folder, { recursive: true, force: true })));

/** Creates a folder with placeholders for the binaries. The template does not depend on their content. */
export function placeholderBinaries(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-binaries-'));
  created.push(folder);
  for (const service of Object.keys(functions)) {
    fs.mkdirSync(path.join(folder, service));
    fs.writeFileSync(path.join(folder, service, 'bootstrap'), service);
  }
  return folder;
}

/** Returns the app and the stack of an environment. */
export function stackOf(
  environment: string,
  context: Record<string, string> = {},
): { app: App; stack: UsageMeterStack } {
  const app = new App({ context: { environment, binaries: placeholderBinaries(), ...context } });
  return { app, stack: usageMeter(app) };
}

/** Returns the template of an environment. */
export function templateOf(environment: string, context: Record<string, string> = {}): Template {
  return Template.fromStack(stackOf(environment, context).stack);
}
