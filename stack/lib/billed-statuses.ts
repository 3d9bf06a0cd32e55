import accessLog from './generated/access-log.json';

/** The statuses with which calls are billed by default: 200 to 299. */
export const BILLED_STATUSES: readonly string[] = accessLog.billedStatuses;

/** A status or a range of statuses from 200 to 599, as the functions parse it. */
const RANGE = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/;

/** Returns the setting `billedStatuses` of the functions. Throws an error for an entry that they cannot parse. */
export function billedStatusesSetting(statuses: readonly string[]): string {
  rangesOf(statuses);
  return statuses.join(',');
}

/** Returns the pattern of a subscription filter that delivers the calls with these statuses. Filters tell statuses apart
 * by their first digit. */
export function subscriptionFilterPattern(statuses: readonly string[]): string {
  const ranges = rangesOf(statuses);
  const digits = ['2', '3', '4', '5'].filter((digit) =>
    ranges.some(([first, last]) => first[0]! <= digit && digit <= last[0]!),
  );
  const patterns: Record<string, string> = accessLog.subscriptionFilterPatterns;
  return patterns[digits.join('')]!;
}

/** Returns a regular expression for these statuses, as it stands between slashes in a query of Logs Insights. */
export function statusExpression(statuses: readonly string[]): string {
  const billed = rangesOf(statuses).map((range) => range.map(Number) as [number, number]);
  const isBilled = (status: number) => billed.some(([first, last]) => first <= status && status <= last);
  const ofHundred = [2, 3, 4, 5].flatMap((digit) => {
    const found = Array.from({ length: 100 }, (_, rest) => digit * 100 + rest).filter(isBilled);
    return found.length === 100 ? [`${digit}[0-9][0-9]`] : found.map(String);
  });
  return `^(${ofHundred.join('|')})$`;
}

function rangesOf(statuses: readonly string[]): [string, string][] {
  if (statuses.length === 0 || statuses.length > accessLog.maxStatusRanges) {
    throw new Error(
      `There are ${statuses.length} billed statuses: set billedStatuses to 1 to ${accessLog.maxStatusRanges} statuses ` +
        "and ranges, such as '200-299' and '304'.",
    );
  }
  return statuses.map(rangeOf);
}

function rangeOf(status: string): [string, string] {
  const [, first, last = first] = RANGE.exec(status) ?? [];
  if (first === undefined || last === undefined || last < first) {
    throw new Error(
      `The billed status ${JSON.stringify(status)} cannot be parsed: write a status from 200 to 599 as '304', or a ` +
        "range as '200-299'.",
    );
  }
  return [first, last];
}
