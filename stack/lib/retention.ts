/** How long data is kept, and what has to outlive what. */
import { RetentionDays as LogRetention } from 'aws-cdk-lib/aws-logs';
import settings from './generated/settings.json';

/** Hours for which the stream keeps a record, as deployed. */
export const STREAM_RETENTION_HOURS = 24;
/** Days for which the stream keeps a record once the consumer is hours behind and has raised its retention. */
export const RAISED_STREAM_RETENTION_DAYS = 7;
/** Days for which the quarantine keeps a message: the most that SQS allows. */
export const QUARANTINE_RETENTION_DAYS = 14;
/** Days after it was made for which a call is recognised: later than this, nobody can tell whether it was counted before. */
export const CLAIM_RETENTION_DAYS = settings.claimRetentionDays;
/** Days for which the ledger keeps the rows of a day. */
export const USAGE_RETENTION_DAYS = settings.usageRetentionDays;
/** Days for which a record that Lambda gave up is kept: until long after its calls can be put back. */
export const GIVEN_UP_RETENTION_DAYS = 90;

/** The longest month and the one before it: limits and usage of a month are read back from the ledger. */
const SHORTEST_USAGE_RETENTION_DAYS = 62;

/** The retention times that can be chosen, in days. */
export interface RetentionDays {
  readonly claims: number;
  readonly usage: number;
}

/** Checks that retention times fit each other. Throws an error that says which to change, and to what. */
export function checkRetention({ claims, usage }: RetentionDays): void {
  const delivered = {
    'the stream keeps a record': RAISED_STREAM_RETENTION_DAYS,
    'the quarantine keeps a message': QUARANTINE_RETENTION_DAYS,
  };
  for (const [what, days] of Object.entries(delivered)) {
    if (!(Number.isInteger(claims) && claims > days)) {
      throw new Error(
        `Claims are kept ${claims} days, and ${what} for ${days}: what is delivered later would be counted twice. ` +
          `Set claimRetentionDays to a whole number above ${days}.`,
      );
    }
  }
  if (claims >= GIVEN_UP_RETENTION_DAYS) {
    throw new Error(
      `Claims are kept ${claims} days, and records that were given up for ${GIVEN_UP_RETENTION_DAYS}: they would expire while ` +
        `they can be put back. Set claimRetentionDays below ${GIVEN_UP_RETENTION_DAYS}, or raise GIVEN_UP_RETENTION_DAYS in lib/retention.ts.`,
    );
  }
  if (!(Number.isInteger(usage) && usage >= SHORTEST_USAGE_RETENTION_DAYS)) {
    throw new Error(
      `The ledger keeps a day for ${usage} days: a month and its limits could not be read back. ` +
        `Set usageRetentionDays to a whole number of at least ${SHORTEST_USAGE_RETENTION_DAYS}.`,
    );
  }
}

/** Days for which logs can be kept, checked to be a number of days that CloudWatch Logs takes. */
export function logRetention(days: number): LogRetention {
  const all = Object.values(LogRetention).filter((value) => typeof value !== 'string');
  const found = all.find((value) => (value as number) === days);
  if (found === undefined) {
    const finite = all.map(Number).filter((value) => value < 9_999);
    throw new Error(
      `CloudWatch Logs cannot keep logs for ${days} days: set log-retention-days to one of ${finite.join(', ')}.`,
    );
  }
  return found;
}
