import { App } from 'aws-cdk-lib';
import { Options } from '../lib/options';

/** The options of a deployment as the app will read them: those of the environment's file, and NAME=VALUE pairs. */
export function optionsOf(environment: string, pairs: string[]): Options {
  const context = Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
  return new Options(new App({ context }), environment);
}
