import { describe, expect, test } from 'vitest';
import { templateOf } from '../verify/offline';
import { AlarmProperties, evaluate, Found, isOn, query, Series } from './metric-math';

const _ = undefined;
const SILENT: Series = [_, _, _, _, _];
const always = (value: number): Series => [value, value, value, value, value];

interface Properties extends AlarmProperties {
  readonly AlarmName: string;
  readonly Metrics?: { Expression?: unknown; MetricStat?: unknown }[];
}

/** The alarms of expressions, by id. */
const ALARMS = new Map(
  Object.values(templateOf('test').findResources('AWS::CloudWatch::Alarm'))
    .map(({ Properties: properties }) => properties as Properties)
    .filter(({ Metrics }) => Metrics !== undefined)
    .map((each) => [each.AlarmName.replace('usage-test-', ''), each]),
);

/** Returns the expression of an alarm, with `GROUP` for its log group. */
function expressionOf({ Metrics }: Properties): string {
  const expression = Metrics!.find(({ Expression }) => Expression !== undefined)!.Expression as
    string | { 'Fn::Join': [string, unknown[]] };
  return typeof expression === 'string'
    ? expression
    : expression['Fn::Join'][1].map((part) => (typeof part === 'string' ? part : 'GROUP')).join('');
}

type Case = [when: string, metrics: Record<string, Series>, isOn: boolean];

const CASES: Record<string, Case[]> = {
  'mapping-stands-still': [
    ['arriving records are polled', { incoming: [5, 0, _, 3, 2], polled: [4, 1, 0, 3, 2] }, false],
    ['no records arrive and it polls', { incoming: SILENT, polled: always(0) }, false],
    [
      'records arrive in one minute and are polled in the next',
      { incoming: [_, 9, _, _, _], polled: [0, 0, 9, 0, 0] },
      false,
    ],
    ['fewer records are polled than arrive', { incoming: always(5), polled: always(1) }, false],
    ['it polls and receives none of the arriving records', { incoming: always(5), polled: always(0) }, true],
    ['it stops polling', { incoming: always(5), polled: [5, 5, _, _, _] }, true],
    ['it has not polled for so long that there are no data', { incoming: always(5), polled: SILENT }, true],
    ['it does not poll and no records arrive', { incoming: SILENT, polled: SILENT }, true],
  ],
  'stream-nearly-full': [
    ['it has room', { bytes: always(41_000_000), records: always(41_000) }, false],
    ['two minutes are full', { bytes: [5, 43_000_000, 43_000_000, 5, 5], records: always(1) }, false],
    [
      'three minutes are full of bytes',
      { bytes: [43_000_000, 5, 43_000_000, _, 43_000_000], records: always(1) },
      true,
    ],
    ['it is full of records', { bytes: always(5), records: always(43_000) }, true],
    ['there are no data', { bytes: SILENT, records: SILENT }, false],
  ],
  'records-dropped': [
    ['none is given up', { dropped: always(0), kept: always(0) }, false],
    ['one is given up', { dropped: [_, 1, _, _, _], kept: SILENT }, true],
    ['one is kept', { dropped: SILENT, kept: [_, _, _, 1, _] }, true],
    ['there are no data', { dropped: SILENT, kept: SILENT }, false],
  ],
  'consumer-errors': [
    ['there are none', { errors: always(0), failed: SILENT }, false],
    ['two minutes have some', { errors: [1, 0, 0, 0, 0], failed: [_, 1, _, _, _] }, false],
    ['three minutes have some', { errors: [1, 0, 0, 0, 1], failed: [_, 1, _, _, _] }, true],
    ['it only fails as a whole', { errors: always(1), failed: SILENT }, true],
    ['there are no data', { errors: SILENT, failed: SILENT }, false],
  ],
  'skipped-without-a-key': [
    ['one of a hundred calls has none', { without_key: always(1), billable: always(99) }, false],
    ['two of a hundred calls have none', { without_key: always(2), billable: always(98) }, true],
    ['no call has one', { without_key: always(3), billable: SILENT }, true],
    ['a minute has no calls', { without_key: [2, 2, 0, 2, 2], billable: [98, 98, 0, 98, 98] }, false],
    ['there are no data', { without_key: SILENT, billable: SILENT }, false],
  ],
  'unreadable-lines': [
    ['all can be read', { logged: [7, 8, _, 0, 1], readable: [7, 8, _, 0, 1] }, false],
    ['one cannot', { logged: [7, 8, _, 0, 1], readable: [7, 7, _, 0, 1] }, true],
    ['none can', { logged: [_, _, 1, _, _], readable: SILENT }, true],
    ['there are no data', { logged: SILENT, readable: SILENT }, false],
  ],
  'reconciliation-missing': [
    ['each hour has one', { runs: [1, 1] }, false],
    ['the last hour has none', { runs: [1, _] }, false],
    ['two hours have none', { runs: [1, _, _] }, true],
    ['there are no data', { runs: [_, _] }, true],
  ],
  'canary-missed': [
    ['no call is missed', { missed: always(0), failed: always(0) }, false],
    ['two calls are missed', { missed: [0, 1, 0, 1, 0], failed: always(0) }, false],
    ['three are missed or fail', { missed: [0, 1, 0, 1, 0], failed: [1, 0, 0, 0, 0] }, true],
    ['it does not run', { missed: SILENT, failed: SILENT }, true],
  ],
};

const GROUP = {
  namespace: 'AWS/Logs',
  dimensions: { LogGroupName: 'GROUP', DestinationType: 'Kinesis', FilterName: 'usage' },
};
const elsewhere = { ...GROUP, dimensions: { ...GROUP.dimensions, LogGroupName: 'another' } };
const lost = (name: string, series: Series): Found => ({ ...GROUP, name, series });

const QUERIES: Record<string, [when: string, found: Found[], isOn: boolean][]> = {
  'delivery-failed': [
    ['nothing fails', [lost('DeliveryErrors', always(0))], false],
    ['one of two filters fails', [lost('DeliveryErrors', always(0)), lost('DeliveryErrors', [_, 1, _, _, _])], true],
    [
      'another log group fails, and it is throttled',
      [{ ...elsewhere, name: 'DeliveryErrors', series: always(9) }, lost('DeliveryThrottling', always(9))],
      false,
    ],
    ['there are no data', [], false],
  ],
  'delivery-throttled': [
    ['two minutes are', [lost('DeliveryThrottling', [1, _, 1, _, 0])], false],
    ['three minutes are', [lost('DeliveryThrottling', [1, _, 1, _, 4])], true],
    ['there are no data', [], false],
  ],
};

test('each alarm of an expression is evaluated here, on and off', () => {
  expect([...Object.keys(CASES), ...Object.keys(QUERIES)].sort()).toEqual([...ALARMS.keys()].sort());
  for (const cases of [...Object.values(CASES), ...Object.values(QUERIES)]) {
    expect(new Set(cases.map(([, , on]) => on))).toEqual(new Set([true, false]));
  }
});

describe.each(Object.entries(CASES))('%s', (id, cases) => {
  const alarm = ALARMS.get(id)!;
  test.each(cases)('where %s', (_when, metrics, on) => {
    expect(isOn(alarm, evaluate(expressionOf(alarm), metrics))).toBe(on);
  });
});

describe.each(Object.entries(QUERIES))('%s', (id, cases) => {
  const alarm = ALARMS.get(id)!;
  test.each(cases)('where %s', (_when, found, on) => {
    expect(isOn(alarm, query(expressionOf(alarm), found))).toBe(on);
  });
});

// AWS documents the value of an expression for each data point, not for a metric that never had one.
test('a mapping that never polled is an alarm also if its expression has no value', () => {
  expect(isOn(ALARMS.get('mapping-stands-still')!, SILENT)).toBe(true);
});

describe('the evaluator', () => {
  const metric1 = [30, 20, 0, 0];
  const metric2 = [20, _, 20, _];

  test.each<[string, Series]>([
    ['metric1 < metric2', [0, 0, 1, 0]],
    ['metric1 >= 30', [1, 0, 0, 0]],
    ['metric1 > 15 AND metric2 > 15', [1, 0, 0, 0]],
  ])('returns the values of the guide for %s', (expression, values) => {
    expect(evaluate(expression, { metric1, metric2 })).toEqual(values);
  });

  test.each<[string, Series]>([
    ['IF(condition, metric2, metric3)', [30, 0, 20, _, _]],
    ['IF(condition, 5, metric3)', [5, 5, 20, _, _]],
    ['IF(condition, metric2, 5)', [30, 0, 5, 5, _]],
  ])('returns the values of the guide for %s', (expression, values) => {
    expect(
      evaluate(expression, { condition: [1, 1, 0, 0, _], metric2: [30, _, 0, 0, 30], metric3: [0, 0, 20, _, 20] }),
    ).toEqual(values);
  });

  test('fills missing values, multiplies before it adds, and drops divisions by zero', () => {
    expect(evaluate('FILL(metric2, 7)', { metric2 })).toEqual([20, 7, 20, 7]);
    expect(evaluate('1 + 2 * metric2 / (metric1 - 20)', { metric1, metric2 })).toEqual([5, _, -1, 1]);
  });

  test.each([
    ['FILL(metric3, 0)', /does not say what FILL makes of a metric without data/],
    ['FILL(metric2, REPEAT)', /for REPEAT/],
    ['SUM(metric1)', /for SUM/],
    ['-metric1', /for -/],
    ['metric1 metric2', /for metric2/],
    ['metric1 ^ 2', /for a sign/],
    ['(metric1', /for its end/],
    ['1 + 1', /is a number/],
    ['IF(1, metric1, metric2)', /for IF of a number/],
  ])('refuses %s', (expression, message) => {
    expect(() => evaluate(expression, { metric1, metric2, metric3: SILENT })).toThrow(message);
  });

  test('refuses other queries and alarms', () => {
    expect(() => query('SELECT AVG(a) FROM "AWS/Logs"', [])).toThrow(/cannot be evaluated here/);
    expect(() => isOn({ ...ALARMS.get('canary-missed')!, TreatMissingData: 'ignore' }, SILENT)).toThrow(
      /takes silence as ignore/,
    );
  });
});
