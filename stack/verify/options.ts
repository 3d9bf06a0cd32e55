import * as fs from 'node:fs';
import * as path from 'node:path';
import { App } from 'aws-cdk-lib';
import { Options } from '../lib/options';

const CDK_JSON = path.join(__dirname, '../cdk.json');

/** Returns the options of a deployment as the app reads them, from NAME=VALUE pairs, the context of cdk.json, and the
 * environment's file, in this order of precedence. */
export function optionsOf(environment: string, pairs: string[]): Options {
  const { context } = JSON.parse(fs.readFileSync(CDK_JSON, 'utf8')) as { context?: Record<string, unknown> };
  const given = pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
  return new Options(new App({ context: { ...context, ...Object.fromEntries(given) } }), environment);
}
