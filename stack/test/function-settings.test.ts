import { Lazy } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import {
  FreeSettings,
  functionEnvironment,
  FunctionSettings,
  parseFreeSettings,
  Service,
} from '../lib/function-settings';
import environment from '../lib/generated/environment.json';
import functions from '../lib/generated/functions.json';
import { templateOf } from '../verify/offline';
import { Parts } from './parts';

const CONSUMER = { usageTable: 'usage', claimsTable: 'claims', quarantineQueueUrl: 'https://sqs/quarantine' };
const consumer = (more: object) => functionEnvironment('usage-consumer', 'dev', { ...CONSUMER, ...more });

/** The free settings of each function with a value that differs from the default. */
const FREE: { [S in Service]: Required<FreeSettings<S>> } = {
  'api-authorizer': {
    cacheTtlMs: 10_000,
    decisionLimitMs: 3_000,
    httpApiSimpleResponses: false,
    indexLagBoundMs: 60_000,
    maxCachedKeys: 1_000,
    maxCachedUnknown: 1_000,
    maxTombstones: 1_000,
    unknownTtlMs: 1_000,
    usageStaleLimitMs: 60_000,
    usageTtlMs: 10_000,
    usageTtlNearLimitMs: 1_000,
  },
  'invalidation-fanout': {},
  'usage-canary': { canaryApiKeyId: 'probe', timeoutMs: 60_000 },
  'usage-consumer': {
    maxEvents: 2_000,
    maxInflatedBytes: 1_048_576,
    raiseRetentionBehindHours: 3,
    writeConcurrency: 16,
  },
  'usage-endpoint': {},
  'usage-portal': {},
  'usage-reconciler': { reconcileHours: 6, settleMinutes: 30 },
};

/** The environment variables for some settings of a function. */
function variables(service: Service, settings: object): Record<string, string> {
  const names: Record<string, { variable: string }> = environment[service];
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [names[name]!.variable, String(value)]));
}

describe('the settings of a function', () => {
  test('become its environment variables, with the name of the environment', () => {
    expect(consumer({ maxEvents: 2_000, claimLayout: undefined })).toEqual({
      ENVIRONMENT_NAME: 'dev',
      USAGE_TABLE: 'usage',
      CLAIMS_TABLE: 'claims',
      QUARANTINE_QUEUE_URL: 'https://sqs/quarantine',
      MAX_EVENTS: '2000',
    });
  });

  test.each([
    [{ claimsTable: undefined }, /usage-consumer needs the setting claimsTable: The DynamoDB table of the claims/],
    [{ usageTable: '' }, /usage-consumer needs the setting usageTable/],
    [{ maxEvents: 999 }, /maxEvents of usage-consumer is 999: set it to a whole number from 1000 to 262144/],
    [{ maxEvents: 262_145 }, /is 262145: set it to a whole number from 1000 to 262144/],
    [{ writeConcurrency: 1.5 }, /writeConcurrency of usage-consumer is 1.5: set it to a whole number from 1 to 1000/],
    [{ maxEvents: 'many' }, /maxEvents of usage-consumer is "many"/],
    [
      { maxEvent: 2_000 },
      /There is no setting maxEvent of usage-consumer to set here; the free settings are .*maxEvents/,
    ],
    [{ environmentName: 'prod' }, /There is no setting environmentName/],
  ])('%j is refused with a remedy', (settings, message) => {
    expect(() => consumer(settings)).toThrow(message);
  });

  test('are refused if the function would time out first', () => {
    const needed = { canaryUrl: 'https://api', canarySecretParameter: '/secret', usageTable: 'usage' };
    const canary = (timeoutMs: number) => functionEnvironment('usage-canary', 'dev', { ...needed, timeoutMs });
    expect(canary(functions['usage-canary'].timeoutMs - 30_000)).toMatchObject({ TIMEOUT_MS: '120000' });
    expect(() => canary(120_001)).toThrow(
      /timeoutMs of usage-canary is 120001: set it to a whole number from 1000 to 120000/,
    );
    expect(() => new Parts().keys([], { decisionLimitMs: 5_000 })).toThrow(/decisionLimitMs .* from 100 to 4999/);
  });

  test('are not checked if they are known only at deployment', () => {
    const later = Lazy.number({ produce: () => 5 });
    expect(consumer({ maxEvents: later }).MAX_EVENTS).toBe(String(later));
  });

  test('of a boolean are true or false', () => {
    expect(() => new Parts().keys([], { httpApiSimpleResponses: 'yes' as any })).toThrow(
      /httpApiSimpleResponses of api-authorizer is "yes": set it to true or false/,
    );
  });
});

describe('each setting that no construct sets', () => {
  const given = Object.entries(FREE) as [Service, object][];
  const option = given.flatMap(([service, settings]) =>
    Object.entries(settings).map(([name, value]) => `${service}.${name}=${value}`),
  );
  const template = templateOf('test', { 'function-settings': option.join(',') });

  test.each(given.filter(([, settings]) => Object.keys(settings).length > 0))(
    'of %s can be chosen',
    (service, settings) => {
      template.hasResourceProperties('AWS::Lambda::Function', {
        FunctionName: `${service}-test`,
        Environment: { Variables: Match.objectLike(variables(service, settings)) },
      });
    },
  );

  test('is parsed from an option', () => {
    expect(parseFreeSettings([['usage-consumer.maxEvents', '2000']])).toEqual({
      'usage-consumer': { maxEvents: '2000' },
    });
  });

  test.each([
    ['usage-counter.maxEvents', /There is no function usage-counter; the functions are api-authorizer, /],
    [
      'usage-consumer.usageTable',
      /There is no setting usageTable of usage-consumer to set here; the free settings are maxEvents, /,
    ],
    ['usage-consumer', /There is no setting without a name of usage-consumer/],
    ['usage-endpoint.usageTable', /the free settings are none/],
  ])('is not %s', (path, message) => {
    expect(() => parseFreeSettings([[path, '1']])).toThrow(message);
  });
});

test('a construct takes the settings of its function', () => {
  const settings: FreeSettings<'usage-consumer'> = { maxEvents: 2_000 };
  new Parts(() => ({ consumerSettings: settings })).template().hasResourceProperties('AWS::Lambda::Function', {
    Environment: { Variables: Match.objectLike({ MAX_EVENTS: '2000' }) },
  });
  const all: FunctionSettings<'usage-consumer'> = { ...CONSUMER, ...settings };
  expect(functionEnvironment('usage-consumer', 'dev', all)).toMatchObject({ MAX_EVENTS: '2000' });
});
