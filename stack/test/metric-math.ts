/** The part of CloudWatch's metric math, Metrics Insights and evaluation of alarms that the meter's alarms use. Anything
 * else, or without documentation by AWS, is refused. */

/** A value for each period, or none. */
export type Series = (number | undefined)[];

/** The value of a part of an expression: that of a metric, or a number. */
type Value = Series | number;

const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z]\w*)|(==|!=|<=|>=|&&|\|\||[-+*/<>(),]))/y;

const ARITHMETIC: Record<string, (left: number, right: number) => number | undefined> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  // "If the value of a data point causes a function to attempt to divide by zero, the data point is dropped."
  '/': (left, right) => (right === 0 ? undefined : left / right),
};

const COMPARISON: Record<string, (left: number, right: number) => boolean> = {
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '<=': (left, right) => left <= right,
  '>=': (left, right) => left >= right,
  '<': (left, right) => left < right,
  '>': (left, right) => left > right,
};

/** Evaluates an expression of metrics of the same length. Source of its rules: CloudWatch User Guide, "Using math
 * expressions with CloudWatch metrics". */
export function evaluate(expression: string, metrics: Record<string, Series>): Series {
  const value = new Parser(expression, metrics).all();
  if (typeof value === 'number')
    throw new Error(`${expression} is a number, and "the final result of any math expression must be" a series.`);
  return value;
}

class Parser {
  private readonly tokens: string[] = [];

  constructor(
    private readonly expression: string,
    private readonly metrics: Record<string, Series>,
  ) {
    TOKEN.lastIndex = 0;
    while (expression.slice(TOKEN.lastIndex).trim() !== '') {
      const found = TOKEN.exec(expression);
      if (found === null) throw this.refused('a sign of it');
      this.tokens.push(found[0].trim());
    }
  }

  all(): Value {
    const value = this.logic();
    if (this.tokens.length > 0) throw this.refused(this.tokens[0]!);
    return value;
  }

  private logic(): Value {
    let left = this.comparison();
    while (this.takes('AND', '&&', 'OR', '||')) {
      const isAnd = /AND|&&/.test(this.taken);
      // In the example of the guide, a missing value of either side is false.
      left = this.pairs(left, this.comparison(), (a, b) => Number(isAnd ? a !== 0 && b !== 0 : a !== 0 || b !== 0));
    }
    return left;
  }

  private comparison(): Value {
    const left = this.sum();
    if (!this.takes(...Object.keys(COMPARISON))) return left;
    const compare = COMPARISON[this.taken]!;
    return this.pairs(left, this.sum(), (a, b) => Number(compare(a, b)));
  }

  private sum(): Value {
    return this.chain(['+', '-'], () => this.product());
  }

  private product(): Value {
    return this.chain(['*', '/'], () => this.atom());
  }

  private chain(operators: string[], next: () => Value): Value {
    let left = next();
    while (this.takes(...operators)) {
      const operator = this.taken;
      left = this.pairs(left, next(), ARITHMETIC[operator]!);
    }
    return left;
  }

  private atom(): Value {
    const token = this.tokens.shift();
    if (token === undefined) throw this.refused('its end');
    if (/^\d/.test(token)) return Number(token);
    if (token === '(') {
      const inner = this.logic();
      this.expect(')');
      return inner;
    }
    if (this.takes('(')) return this.call(token);
    const metric = this.metrics[token];
    if (metric === undefined) throw this.refused(token);
    return metric;
  }

  private call(name: string): Value {
    const given: Value[] = [];
    do given.push(this.logic());
    while (this.takes(','));
    this.expect(')');
    if (name === 'FILL' && given.length === 2) return this.fill(given[0]!, given[1]!);
    if (name === 'IF' && given.length === 3) return this.choose(given[0]!, given[1]!, given[2]!);
    throw this.refused(name);
  }

  private fill(series: Value, filler: Value): Series {
    if (typeof series === 'number' || typeof filler !== 'number') throw this.refused('FILL');
    // The guide documents FILL for a missing value, and not for a series without values.
    if (series.every((each) => each === undefined))
      throw new Error(`AWS does not say what FILL makes of a metric without data: ${this.expression}`);
    return series.map((each) => each ?? filler);
  }

  /** Drops a data point without a condition, or whose chosen series has no value. If the condition is true, a missing
   * value is 0. */
  private choose(condition: Value, whenTrue: Value, whenFalse: Value): Series {
    if (typeof condition === 'number') throw this.refused('IF of a number');
    const at = (value: Value, place: number) => (typeof value === 'number' ? value : value[place]);
    return condition.map((is, place) =>
      is === undefined ? undefined : is !== 0 ? (at(whenTrue, place) ?? 0) : at(whenFalse, place),
    );
  }

  /** Combines two values point by point. If one of two series has no value at a point, it counts as 0. */
  private pairs(left: Value, right: Value, take: (left: number, right: number) => number | undefined): Value {
    if (typeof left === 'number' && typeof right === 'number') return take(left, right) ?? NaN;
    const length = typeof left === 'number' ? (right as Series).length : left.length;
    return Array.from({ length }, (_, place) => {
      const [a, b] = [left, right].map((value) => (typeof value === 'number' ? value : value[place]));
      const hasPoint = [left, right].some((value) => typeof value !== 'number' && value[place] !== undefined);
      return hasPoint ? take(a ?? 0, b ?? 0) : undefined;
    });
  }

  private taken = '';

  private takes(...tokens: string[]): boolean {
    if (!tokens.includes(this.tokens[0] ?? '')) return false;
    this.taken = this.tokens.shift()!;
    return true;
  }

  private expect(token: string): void {
    if (!this.takes(token)) throw this.refused(this.tokens[0] ?? 'its end');
  }

  private refused(what: string): Error {
    return new Error(`The expression ${this.expression} cannot be evaluated here, for ${what}.`);
  }
}

/** A metric with its dimensions. */
export interface Found {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Record<string, string>;
  readonly series: Series;
}

/** Evaluates a query of Metrics Insights that sums one metric of one dimension. A period has a value if any of these
 * has one. Source: CloudWatch User Guide, "Query components and syntax in CloudWatch Metrics Insights". */
export function query(text: string, found: Found[]): Series {
  const parts = /^SELECT SUM\((\w+)\) FROM "([\w/]+)" WHERE (\w+) = '([^']+)'$/.exec(text);
  if (parts === null) throw new Error(`The query ${text} cannot be evaluated here.`);
  const [, name, namespace, dimension, value] = parts as unknown as [string, string, string, string, string];
  const series = found
    .filter((each) => each.name === name && each.namespace === namespace && each.dimensions[dimension] === value)
    .map((each) => each.series);
  return Array.from({ length: Math.max(0, ...series.map(({ length }) => length)) }, (_, place) => {
    const values = series.map((each) => each[place]).filter((each) => each !== undefined);
    return values.length === 0 ? undefined : values.reduce((sum, each) => sum + each);
  });
}

/** The properties of an alarm in a template. */
export interface AlarmProperties {
  readonly Threshold: number;
  readonly ComparisonOperator: string;
  readonly EvaluationPeriods: number;
  readonly DatapointsToAlarm: number;
  readonly TreatMissingData: string;
}

/** Returns whether an alarm is on after the last of these periods, without late data. Source: CloudWatch User Guide,
 * "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data". */
export function isOn(alarm: AlarmProperties, series: Series): boolean {
  if (
    alarm.ComparisonOperator !== 'GreaterThanThreshold' ||
    !/^(notBreaching|breaching)$/.test(alarm.TreatMissingData)
  ) {
    throw new Error(
      `An alarm that is ${alarm.ComparisonOperator} and takes silence as ${alarm.TreatMissingData} cannot be evaluated here.`,
    );
  }
  const last = Array.from({ length: alarm.EvaluationPeriods }, (_, back) => series[series.length - 1 - back]);
  const breaching = last.filter((value) =>
    value === undefined ? alarm.TreatMissingData === 'breaching' : value > alarm.Threshold,
  );
  return breaching.length >= alarm.DatapointsToAlarm;
}
