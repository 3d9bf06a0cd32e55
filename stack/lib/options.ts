/** The options of a deployment, which need no change of code. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { App } from 'aws-cdk-lib';
import { StreamMode } from 'aws-cdk-lib/aws-kinesis';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { ApiKind } from './access-log';
import { canHaveCanary } from './constructs/usage-canary';
import { PORTAL_CONCURRENCY } from './constructs/usage-portal';
import { UNPROTECTED } from './settings';

interface Option {
  /** The format of the value. */
  readonly value: string;
  readonly meaning: string;
  readonly defaultValue: string;
}

/** The options by name, in CDK's context, in `deploy.sh --set NAME=VALUE` and in the file of an environment.
 * docs/OPERATION.md has them as a table. */
export const OPTIONS = {
  protect: {
    value: '`yes` or `no`',
    meaning:
      'whether data is retained when the stack is deleted, tables have deletion protection, the stack has termination protection, and logs are kept for 90 days instead of 14',
    defaultValue: `yes, unless the environment's name begins with the word ${UNPROTECTED.map((word) => `\`${word}\``).join(', ')}`,
  },
  shards: { value: 'number', meaning: 'the number of shards of a provisioned stream', defaultValue: '1' },
  'stream-mode': {
    value: '`provisioned` or `on-demand`',
    meaning: 'whether the stream has `shards` shards, or Kinesis adds shards, for at least three times the price',
    defaultValue: '`provisioned`',
  },
  'batch-window-s': {
    value: '0 to 300',
    meaning: 'maximum seconds for which a batch waits for more records: longer is cheaper, shorter is fresher',
    defaultValue: '20',
  },
  'usage-retention-days': {
    value: '62 or more',
    meaning: 'days for which the ledger keeps the rows of a day',
    defaultValue: '400',
  },
  'billed-statuses': {
    value: 'statuses and ranges, several with commas',
    meaning: 'the statuses with which calls are billed, from 200 to 599, for example `200-299,304`',
    defaultValue: '`200-299`',
  },
  'claim-layout': {
    value: '`FROM_MS:SLICE_MS:GROUPS`, several with commas',
    meaning: 'the slices of request time and groups of log streams in which calls are claimed',
    defaultValue: '`0:10000:1`',
  },
  'log-retention-days': {
    value: 'a retention of CloudWatch Logs, in days',
    meaning: 'retention of all logs, including the access log',
    defaultValue: '90 if data is protected, else 14',
  },
  'sync-interval-ms': {
    value: '0 to 60000',
    meaning:
      'milliseconds between reads of the invalidation log by an instance of the authorizer; `0` reads it on every request',
    defaultValue: '1000',
  },
  'caching-stages': {
    value: '`API/STAGE`, several with commas',
    meaning: 'stages that cache authorizer results; the fan-out flushes them',
    defaultValue: 'none, and no fan-out',
  },
  'fanout-concurrency': {
    value: 'number',
    meaning: 'reserved concurrency of the fan-out',
    defaultValue: 'none',
  },
  'alarm-topic': {
    value: 'ARN',
    meaning: 'the SNS topic that alarms notify; its policy has to let CloudWatch publish',
    defaultValue: 'no notification',
  },
  'alarm-email': {
    value: 'address',
    meaning: 'creates the topic `usage-alarms-ENVIRONMENT`, which sends e-mail to this address',
    defaultValue: 'no notification',
  },
  example: {
    value: '`rest`, `http` or `none`',
    meaning: 'the kind of the example API',
    defaultValue: '`rest`',
  },
  'account-role': {
    value: '`yes` or `no`',
    meaning:
      'whether to create the role with which API Gateway writes the logs of all REST APIs of the account and region, and set it in place of the present one',
    defaultValue: 'no',
  },
  canary: {
    value: '`yes` or `no`',
    meaning: 'whether `usage-canary` calls an API each minute and waits for its call to be counted',
    defaultValue:
      'yes, if there is an API to call (the example or `canary-url`) and the region has the extension that the canary needs',
  },
  'canary-url': {
    value: 'URL',
    meaning: 'the URL that the canary calls: a GET that is answered with 2xx if the key is valid, and billed',
    defaultValue: '`/status/200` of the example',
  },
  'portal-public-keys': {
    value: 'base64 or PEM, several with commas',
    meaning:
      'the public keys (P-256) of the tokens with which a customer sees its [usage page](#usage-page-of-a-customer), at most 4; they create the page',
    defaultValue: 'none, and no page',
  },
  'portal-frame-ancestors': {
    value: 'origins, several with commas',
    meaning: 'the pages that may embed the usage page, for example `https://app.example.com`',
    defaultValue: 'none',
  },
  'portal-concurrency': {
    value: 'number, or `none`',
    meaning:
      'reserved concurrency of the usage page: ten times as many requests a second, and no more; `0` refuses all. `none` reserves nothing, in an account with a small quota',
    defaultValue: String(PORTAL_CONCURRENCY),
  },
  'all-at-once': {
    value: '`yes` or `no`',
    meaning: 'whether new versions receive all calls at once, regardless of alarms',
    defaultValue: 'no',
  },
  'function-settings': {
    value: '`FUNCTION.SETTING=VALUE`, several with commas',
    meaning:
      'settings of functions that have no option, by the name of their environment variable in camelCase: `usage-consumer.maxEvents=2000` sets `MAX_EVENTS` of the consumer',
    defaultValue: "the functions' defaults",
  },
  tags: {
    value: '`NAME=VALUE`, several with commas',
    meaning: 'tags of all resources',
    defaultValue: 'only `usage-meter:environment`',
  },
  'bootstrap-qualifier': {
    value: 'text',
    meaning: 'the qualifier of `cdk bootstrap`, if it is not the default',
    defaultValue: '`hnb659fds`',
  },
  'permissions-boundary': {
    value: 'ARN',
    meaning: 'a managed policy as permissions boundary of all roles',
    defaultValue: 'none',
  },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof OPTIONS;

/** Names in CDK's context that the scripts set and that are not options. */
const SET_BY_SCRIPTS = ['environment', 'region', 'binaries', 'architecture', 'omit', 'creating', 'environments'];

/** The default folder of the files of environments. The context `environments` names another one. */
const DEFAULT_FOLDER = path.join(__dirname, '../environments');

/** The options of a deployment, from CDK's context and the environment's file. The context has precedence. */
export class Options {
  private readonly file: Record<string, unknown>;

  constructor(
    private readonly app: App,
    environment: string,
  ) {
    const folder: unknown = app.node.tryGetContext('environments');
    const file = path.join(typeof folder === 'string' ? folder : DEFAULT_FOLDER, `${environment}.json`);
    this.file = fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, unknown>) : {};
    refuseUnknown(Object.keys(this.file), file);
    // Keys of CDK contain ':' or '@'.
    const given = Object.keys(app.node.getAllContext()).filter(
      (name) => !/[:@]/.test(name) && !SET_BY_SCRIPTS.includes(name),
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
      throw new Error(`The option ${name} is ${JSON.stringify(text)}: set it to a whole number.`);
    }
    return Number(text);
  }

  /** Returns the parts of an option that commas separate. */
  list(name: OptionName): string[] | undefined {
    return this.text(name)
      ?.split(',')
      .map((part) => part.trim());
  }

  /** `true` if an option is `yes`, `undefined` if it is not set. */
  isOn(name: OptionName): boolean | undefined {
    const text = this.text(name);
    if (text !== undefined && text !== 'yes' && text !== 'no') {
      throw new Error(`The option ${name} is ${JSON.stringify(text)}: set it to yes or no.`);
    }
    return text === undefined ? undefined : text === 'yes';
  }

  /** Returns an option whose value is one of `words`. */
  oneOf<Word extends string>(name: OptionName, words: readonly Word[]): Word | undefined {
    const text = this.text(name);
    const word = words.find((each) => each === text);
    if (text !== undefined && word === undefined) {
      throw new Error(`The option ${name} is ${JSON.stringify(text)}: set it to one of ${words.join(', ')}.`);
    }
    return word;
  }

  /** The architecture that the binaries are built for, which the scripts set. */
  architecture(): Architecture {
    return this.app.node.tryGetContext('architecture') === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64;
  }

  /** The kind of the example API. */
  example(): ApiKind | 'none' {
    return this.oneOf('example', ['rest', 'http', 'none']) ?? 'rest';
  }

  /** The capacity mode of the stream. */
  streamMode(): StreamMode | undefined {
    const modes = { provisioned: StreamMode.PROVISIONED, 'on-demand': StreamMode.ON_DEMAND };
    const mode = this.oneOf('stream-mode', Object.keys(modes) as (keyof typeof modes)[]);
    return mode && modes[mode];
  }

  /** The reserved concurrency of the usage page. */
  portalConcurrency(): number | 'none' | undefined {
    return this.text('portal-concurrency') === 'none' ? 'none' : this.number('portal-concurrency');
  }

  /** `true` if the canary is deployed: by default, if there is an API that it can call. */
  hasCanary(): boolean {
    const url = this.text('canary-url');
    const canCall = url !== undefined || this.example() !== 'none';
    const region: unknown = this.app.node.tryGetContext('region');
    const canRead = typeof region !== 'string' || canHaveCanary(region, this.architecture());
    const isWanted = this.isOn('canary') ?? (canCall && canRead);
    if (isWanted && !canCall) {
      throw new Error('The canary has no API to call: set canary-url to one, or canary to no.');
    }
    if (isWanted && !canRead) {
      const lacking = `CDK knows of no Parameters and Secrets Lambda Extension in ${region} for ${this.architecture().name}`;
      throw new Error(
        `${lacking}, through which the canary reads its secret: set canary to no, or build for the other architecture.`,
      );
    }
    if (!isWanted && url !== undefined) {
      throw new Error('The option canary-url is set and there is no canary: set canary to yes, or omit canary-url.');
    }
    return isWanted;
  }

  /** The pairs of an option, which are separated by commas. `separator` is between the parts of a pair. */
  pairs(name: OptionName, separator: string): [string, string][] {
    const pairs = this.text(name)?.split(',') ?? [];
    return pairs.map((pair) => {
      const [left, right] = pair.split(separator);
      if (!left || !right) {
        throw new Error(
          `The option ${name} contains ${JSON.stringify(pair)}: set it to ${OPTIONS[name].value.replaceAll('`', '')}.`,
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
      `There is no option ${unknown.join(', ')}, which is set in ${where}; the options are ${Object.keys(OPTIONS).join(', ')}.`,
    );
  }
}
