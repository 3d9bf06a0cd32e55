import { Token } from 'aws-cdk-lib';
import environment from './generated/environment.json';
import { AuthorizerSettings, CanarySettings, ConsumerSettings, ReconcilerSettings } from './generated/free-settings';
import functions from './generated/functions.json';

/** The name of a function, which is the name of its binary. */
export type Service = keyof typeof environment;

type Variables<S extends Service> = Omit<(typeof environment)[S], 'environmentName'>;

type IfRequired<V, Then, Else> = V extends { required: boolean } ? Then : Else;

/** A setting with a range is a number. The type of JSON does not show which of the others are booleans. */
type Value<V> = V extends { min: string } ? number : IfRequired<V, string, string | boolean>;

/**
 * The settings of a function by name, for example `maxEvents` for the environment variable `MAX_EVENTS`. The
 * environment's name, which all functions have, is not among them.
 */
export type FunctionSettings<S extends Service> = {
  readonly [Name in keyof Variables<S> as IfRequired<Variables<S>[Name], Name, never>]: Value<Variables<S>[Name]>;
} & {
  readonly [Name in keyof Variables<S> as IfRequired<Variables<S>[Name], never, Name>]?: Value<Variables<S>[Name]>;
};

/** The settings that the constructs set: names of resources, and settings that have a prop. */
const SET_BY_CONSTRUCTS = {
  'api-authorizer': [
    'alertsTable',
    'alertsTopicArn',
    'invalidationsTable',
    'keysTable',
    'syncIntervalMs',
    'usageTable',
  ],
  'invalidation-fanout': ['stages'],
  // CDK sets the port of the extension.
  'usage-canary': ['canarySecretParameter', 'canaryUrl', 'parametersSecretsExtensionHttpPort', 'usageTable'],
  'usage-consumer': [
    'billedStatuses',
    'claimLayout',
    'claimRetentionDays',
    'claimsTable',
    'quarantineQueueUrl',
    'unbilledRoutes',
    'usageRetentionDays',
    'usageTable',
  ],
  'usage-endpoint': ['claimsTable', 'streamArn', 'usageTable'],
  'usage-portal': ['claimsTable', 'portalFrameAncestors', 'portalPublicKeys', 'streamArn', 'usageTable'],
  'usage-reconciler': ['accessLogGroups', 'billedStatuses', 'claimsTable', 'unbilledRoutes', 'usageTable'],
} as const satisfies { [S in Service]: readonly (keyof Variables<S>)[] };

interface FreeSettingsOf {
  readonly 'api-authorizer': AuthorizerSettings;
  readonly 'invalidation-fanout': Record<string, never>;
  readonly 'usage-canary': CanarySettings;
  readonly 'usage-consumer': ConsumerSettings;
  readonly 'usage-endpoint': Record<string, never>;
  readonly 'usage-portal': Record<string, never>;
  readonly 'usage-reconciler': ReconcilerSettings;
}

/** The settings of a function that no construct sets. */
export type FreeSettings<S extends Service> = FreeSettingsOf[S];

/** Free settings of functions, by function. */
export type FreeSettingsByService = { readonly [S in Service]?: FreeSettings<S> };

/**
 * Settings of a time that has to end before the function times out, with the time that the function needs for the rest
 * of its work, in milliseconds.
 */
const TIMES_BEFORE_TIMEOUT: Record<string, number> = { decisionLimitMs: 1, timeoutMs: 30_000 };

interface Variable {
  readonly variable: string;
  readonly doc: string;
  readonly required?: boolean;
  readonly default?: string;
  readonly min?: string;
  readonly max?: string;
}

/** The environment variable with the environment's name. */
const ENVIRONMENT_NAME = environment['usage-consumer'].environmentName.variable;

/** The environment variables of a function by setting, without that of the environment's name. */
function variablesOf(service: Service): Record<string, Variable> {
  const all: [string, Variable][] = Object.entries(environment[service]);
  return Object.fromEntries(all.filter(([, { variable }]) => variable !== ENVIRONMENT_NAME));
}

/** The environment variables of the free settings of each function. */
export const FREE_SETTINGS = Object.fromEntries(
  (Object.keys(environment) as Service[]).map((service) => {
    const others: readonly string[] = SET_BY_CONSTRUCTS[service];
    return [
      service,
      Object.fromEntries(Object.entries(variablesOf(service)).filter(([name]) => !others.includes(name))),
    ];
  }),
) as Record<Service, Record<string, Variable>>;

/**
 * Returns the environment variables of a function. Throws an error that names the setting if a required one is missing,
 * the function does not have it, or its value is outside of the range.
 */
export function functionEnvironment<S extends Service>(
  service: S,
  environmentName: string,
  settings: FunctionSettings<S>,
): Record<string, string> {
  const variables = variablesOf(service);
  const given = Object.entries(settings).filter(([, value]) => value !== undefined && value !== '');
  for (const [name, { required, doc }] of Object.entries(variables)) {
    if (required && !given.some(([each]) => each === name)) {
      throw new Error(`The function ${service} needs the setting ${name}: ${doc}`);
    }
  }
  const entries = given.map(([name, value]) => {
    const variable = variables[name];
    if (variable === undefined) throw unknownSetting(service, name, Object.keys(variables));
    return [variable.variable, checkedText(service, name, variable, value)];
  });
  return { [ENVIRONMENT_NAME]: environmentName, ...Object.fromEntries(entries) };
}

/** The text of a value, if the function accepts it. A value that is known only at deployment is not checked. */
function checkedText(service: Service, name: string, variable: Variable, value: unknown): string {
  const text = String(value);
  if (Token.isUnresolved(value)) return text;
  const refuse = (wanted: string) =>
    new Error(`The setting ${name} of ${service} is ${JSON.stringify(value)}: set it to ${wanted}.`);
  if (variable.min !== undefined && variable.max !== undefined) {
    const timeLeftMs = functions[service].timeoutMs - (TIMES_BEFORE_TIMEOUT[name] ?? -Infinity);
    const [min, max] = [Number(variable.min), Math.min(Number(variable.max), timeLeftMs)];
    if (!(/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max)) {
      throw refuse(`a whole number from ${min} to ${max}`);
    }
  }
  const isBoolean = variable.default === 'true' || variable.default === 'false';
  if (isBoolean && text !== 'true' && text !== 'false') throw refuse('true or false');
  return text;
}

function unknownSetting(service: Service, name: string, known: string[]): Error {
  return new Error(
    `There is no setting ${name} of ${service} to set here; the free settings are ${known.join(', ') || 'none'}.`,
  );
}

/**
 * Parses settings as `FUNCTION.SETTING` with their values, for example `['usage-consumer.maxEvents', '2000']`. Throws
 * an error if the function does not exist or the setting is not one of its free settings. The values are checked by
 * `functionEnvironment`.
 */
export function parseFreeSettings(pairs: [string, string][]): FreeSettingsByService {
  const parsed: Record<string, Record<string, string>> = {};
  for (const [path, value] of pairs) {
    const [service, name] = path.split('.') as [Service, string | undefined];
    if (!(service in environment)) {
      throw new Error(`There is no function ${service}; the functions are ${Object.keys(environment).join(', ')}.`);
    }
    const free = Object.keys(FREE_SETTINGS[service]);
    if (name === undefined || !free.includes(name)) throw unknownSetting(service, name ?? 'without a name', free);
    parsed[service] = { ...parsed[service], [name]: value };
  }
  return parsed;
}
