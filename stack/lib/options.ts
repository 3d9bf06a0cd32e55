/** What can be chosen of a deployment without code. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { App } from 'aws-cdk-lib';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { ApiKind } from './access-log';
import { canHaveCanary } from './constructs/usage-canary';
import { UNPROTECTED } from './settings';

interface Option {
  /** The form of its value. */
  readonly value: string;
  readonly means: string;
  readonly byDefault: string;
}

/** The options, by the name that they have in CDK's context, in `deploy.sh --set NAME=VALUE` and in the file of an
 * environment. docs/OPERATION.md has them as a table. */
export const OPTIONS = {
  protect: {
    value: '`yes` or `no`',
    means:
      'whether data outlives the stack, tables refuse to be deleted, the stack has termination protection, and logs are kept for 90 days and not 14',
    byDefault: `yes, unless the first word of the environment's name is ${UNPROTECTED.map((word) => `\`${word}\``).join(', ')}`,
  },
  shards: { value: 'number', means: 'a fixed number of shards', byDefault: 'on-demand capacity' },
  'batch-window-s': {
    value: '0 to 300',
    means: 'seconds for which a batch waits to fill: longer is cheaper, shorter is fresher',
    byDefault: '5',
  },
  'usage-retention-days': {
    value: '62 or more',
    means: 'days for which the ledger keeps the rows of a day',
    byDefault: '400',
  },
  'claim-retention-days': {
    value: '15 to 89',
    means: 'days after it was made for which a call is recognised',
    byDefault: '35',
  },
  'claim-layout': {
    value: '`FROM_MS:SLICE_MS:GROUPS`, several with commas',
    means: 'the slices in which calls are claimed',
    byDefault: '`0:10000:1`',
  },
  'log-retention-days': {
    value: 'days that CloudWatch Logs takes',
    means: 'how long logs are kept, the access log among them',
    byDefault: '90 where data is protected, else 14',
  },
  'sync-interval-ms': { value: '0 to 60000', means: "the authorizer's `SYNC_INTERVAL_MS`", byDefault: '1000' },
  'caching-stages': {
    value: '`API/STAGE`, several with commas',
    means: "stages with a cache of the authorizer's answers, which the fan-out empties",
    byDefault: 'none, and no fan-out',
  },
  'fanout-concurrency': {
    value: 'number',
    means: "concurrency that is reserved for the fan-out, out of the account's",
    byDefault: 'none',
  },
  'alarm-topic': {
    value: 'ARN',
    means: 'an SNS topic of yours that alarms tell; CloudWatch has to be allowed to publish to it',
    byDefault: 'nobody is told',
  },
  'alarm-email': {
    value: 'address',
    means: 'makes the topic `usage-alarms-ENVIRONMENT`, which writes to this address',
    byDefault: 'nobody is told',
  },
  example: {
    value: '`rest`, `http` or `none`',
    means: 'which kind of API is put in front of the meter as an example',
    byDefault: '`rest`',
  },
  'account-role': {
    value: '`yes` or `no`',
    means:
      'whether to write the role with which API Gateway writes the logs of all REST APIs of the account and region, in place of the one that is set',
    byDefault: 'no',
  },
  canary: {
    value: '`yes` or `no`',
    means: 'whether `usage-canary` calls an API each minute and waits for its call to be counted',
    byDefault:
      'yes, where there is an API to call (the example, or what `canary-url` says) and the region has the extension that it needs',
  },
  'canary-url': {
    value: 'URL',
    means:
      'what the canary calls: a GET of an API of yours that is answered with 2xx where the key is valid, and is billed',
    byDefault: '`/status/200` of the example',
  },
  'all-at-once': {
    value: '`yes` or `no`',
    means: 'whether new versions take all calls at once, whatever the alarms say',
    byDefault: 'no',
  },
  'function-settings': {
    value: '`FUNCTION.SETTING=VALUE`, several with commas',
    means: 'settings of functions, for example `usage-consumer.maxEvents=2000`',
    byDefault: "the functions' defaults",
  },
  tags: {
    value: '`NAME=VALUE`, several with commas',
    means: 'tags of all resources',
    byDefault: '`usage-meter:environment` alone',
  },
  'bootstrap-qualifier': {
    value: 'text',
    means: 'the qualifier of `cdk bootstrap`, where the account has one of its own',
    byDefault: '`hnb659fds`',
  },
  'permissions-boundary': { value: 'ARN', means: 'a managed policy that bounds every role', byDefault: 'none' },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof OPTIONS;

/** What the scripts tell the app beside the options. */
const OF_THE_SCRIPTS = ['environment', 'region', 'binaries', 'architecture', 'omit', 'creating', 'environments'];

/** Where the options of environments stand, unless the context `environments` names another folder. */
const FILES = path.join(__dirname, '../environments');

/** The options of a deployment: those of CDK's context, and for the rest those of the environment's file. */
export class Options {
  private readonly file: Record<string, unknown>;

  constructor(
    private readonly app: App,
    environment: string,
  ) {
    const folder: unknown = app.node.tryGetContext('environments');
    const file = path.join(typeof folder === 'string' ? folder : FILES, `${environment}.json`);
    this.file = fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, unknown>) : {};
    refuseUnknown(Object.keys(this.file), file);
    // CDK's own keys have a ':' or an '@'.
    const given = Object.keys(app.node.getAllContext()).filter(
      (name) => !/[:@]/.test(name) && !OF_THE_SCRIPTS.includes(name),
    );
    refuseUnknown(given, 'the context');
  }

  text(name: OptionName): string | undefined {
    const value: unknown = this.app.node.tryGetContext(name) ?? this.file[name];
    return value === undefined || value === '' ? undefined : asText(value);
  }

  number(name: OptionName): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text)) {
      throw new Error(`The option ${name} is ${JSON.stringify(text)}, and has to be a whole number.`);
    }
    return Number(text);
  }

  /** Whether an option is `yes`; undefined where nothing is said. */
  isOn(name: OptionName): boolean | undefined {
    const text = this.text(name);
    if (text !== undefined && text !== 'yes' && text !== 'no') {
      throw new Error(`The option ${name} is ${JSON.stringify(text)}, and has to be yes or no.`);
    }
    return text === undefined ? undefined : text === 'yes';
  }

  /** An option that is one of some words. */
  oneOf<Word extends string>(name: OptionName, words: readonly Word[]): Word | undefined {
    const text = this.text(name);
    const word = words.find((each) => each === text);
    if (text !== undefined && word === undefined) {
      throw new Error(`The option ${name} is ${JSON.stringify(text)}, and has to be one of ${words.join(', ')}.`);
    }
    return word;
  }

  /** What the binaries were built for, as the scripts say. */
  architecture(): Architecture {
    return this.app.node.tryGetContext('architecture') === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64;
  }

  /** Which kind of API is the example. */
  example(): ApiKind | 'none' {
    return this.oneOf('example', ['rest', 'http', 'none']) ?? 'rest';
  }

  /** Whether there is a canary: where there is an API that it can call, unless something else is said. */
  hasCanary(): boolean {
    const url = this.text('canary-url');
    const canCall = url !== undefined || this.example() !== 'none';
    const region: unknown = this.app.node.tryGetContext('region');
    const canRead = typeof region !== 'string' || canHaveCanary(region, this.architecture());
    const isWanted = this.isOn('canary') ?? (canCall && canRead);
    if (isWanted && !canCall) {
      throw new Error('There is no API for the canary to call: set canary-url to one, or canary to no.');
    }
    if (isWanted && !canRead) {
      const lacking = `${region} has no Parameters and Secrets Lambda Extension for ${this.architecture().name} that CDK knows of`;
      throw new Error(
        `${lacking}, and the canary reads its secret through it: set canary to no, or build for the other architecture.`,
      );
    }
    if (!isWanted && url !== undefined) {
      throw new Error('There is no canary to call the canary-url: set canary to yes, or leave canary-url out.');
    }
    return isWanted;
  }

  /** The parts of an option that has commas between them. */
  list(name: OptionName): string[] {
    return this.text(name)?.split(',') ?? [];
  }

  /** Pairs with a separator between, several with commas. */
  pairs(name: OptionName, separator: string): [string, string][] {
    return this.list(name).map((pair) => {
      const [left, right] = pair.split(separator);
      if (!left || !right) {
        throw new Error(
          `The option ${name} has ${JSON.stringify(pair)}, and wants ${OPTIONS[name].value.replaceAll('`', '')}.`,
        );
      }
      return [left, pair.slice(left.length + separator.length)];
    });
  }
}

/** The text of a value, which may be a number or a boolean in the file of an environment. */
function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function refuseUnknown(names: string[], where: string): void {
  const unknown = names.filter((name) => !(name in OPTIONS));
  if (unknown.length > 0) {
    throw new Error(
      `There is no option ${unknown.join(', ')}, which is set in ${where}; there are ${Object.keys(OPTIONS).join(', ')}.`,
    );
  }
}
