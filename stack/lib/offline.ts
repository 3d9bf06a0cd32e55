/** Synthesis without binaries and without an account: for tests, and for whoever needs names only. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { usageMeter } from './app';
import { UsageMeterStack } from './usage-meter-stack';

/** The functions. */
const SERVICES = [
  'usage-consumer',
  'api-authorizer',
  'invalidation-fanout',
  'usage-endpoint',
  'usage-reconciler',
  'usage-canary',
];

const made: string[] = [];
process.once('exit', () => made.forEach((folder) => fs.rmSync(folder, { recursive: true, force: true })));

/** A folder of stand-ins for the binaries: what a template says does not depend on what is in them. */
export function standInBinaries(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-binaries-'));
  made.push(folder);
  for (const service of SERVICES) {
    fs.mkdirSync(path.join(folder, service));
    fs.writeFileSync(path.join(folder, service, 'bootstrap'), service);
  }
  return folder;
}

/** The app and stack of an environment. */
export function stackOf(
  environment: string,
  context: Record<string, string> = {},
): { app: App; stack: UsageMeterStack } {
  const app = new App({ context: { environment, binaries: standInBinaries(), ...context } });
  return { app, stack: usageMeter(app) };
}

/** The template of an environment. */
export function templateOf(environment: string, context: Record<string, string> = {}): Template {
  return Template.fromStack(stackOf(environment, context).stack);
}
