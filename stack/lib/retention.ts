/** Retention times. */
import { RetentionDays as LogRetention } from 'aws-cdk-lib/aws-logs';
import settings from './generated/settings.json';

/** Retention of the stream as deployed, in hours. */
export const STREAM_RETENTION_HOURS = 24;
/** Retention of the quarantine and the dead-letter queues, in days: the maximum of SQS. */
export const QUEUE_RETENTION_DAYS = 14;
/** Days after its request time for which a call is recognised: longer than the stream or the quarantine keep it, shorter
 * than a given-up record is kept. A later one is not counted, because the claims no longer show whether it was counted
 * before. For the same reason it is no prop: the claims of calls that were counted under a shorter retention have expired. */
export const CLAIM_RETENTION_DAYS = settings.claimRetentionDays;
/** Days for which the ledger keeps the rows of a day. */
export const USAGE_RETENTION_DAYS = settings.usageRetentionDays;
/** Days for which a record that Lambda gave up is kept, longer than its calls can be put back. */
export const GIVEN_UP_RETENTION_DAYS = 90;

/** The longest month and the month before it. The limits and the usage of a month are read from the ledger. */
const SHORTEST_USAGE_RETENTION_DAYS = 62;

/** Throws an error that says what to set if the ledger would not keep the rows of a month and the month before it. */
export function checkUsageRetention(days: number): void {
  if (!(Number.isInteger(days) && days >= SHORTEST_USAGE_RETENTION_DAYS)) {
    throw new Error(
      `The ledger keeps rows for ${days} days: the usage and limits of a month could not be read. ` +
        `Set usageRetentionDays to a whole number of at least ${SHORTEST_USAGE_RETENTION_DAYS}.`,
    );
  }
}

/** Returns the log retention for a number of days. Throws an error if CloudWatch Logs does not support it. */
export function logRetention(days: number): LogRetention {
  const all = Object.values(LogRetention).filter((value) => typeof value !== 'string');
  const found = all.find((value) => (value as number) === days);
  if (found === undefined) {
    const finite = all.map(Number).filter((value) => value < 9_999);
    throw new Error(
      `CloudWatch Logs does not support a retention of ${days} days: set log-retention-days to one of ${finite.join(', ')}.`,
    );
  }
  return found;
}
