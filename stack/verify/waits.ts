/** The time limits of the verification for asynchronous changes of AWS. */
export interface Waits {
  /** For the first evaluation of an alarm. */
  readonly evaluation_s: number;
  /** For the count of a call. */
  readonly count_s: number;
  /** For the metrics of the functions in CloudWatch. */
  readonly metrics_s: number;
  /** For the denial of a deleted key: the sync interval of a second and the time of a call. */
  readonly deletion_s: number;
  /** The time between two polls. */
  readonly poll_ms: number;
  /** The time between two progress lines. */
  readonly progress_s: number;
}

/** The limits on AWS. Roles and logging of a first deployment take minutes to take effect, and a subscription delivers
 * "usually in less than three minutes". Source: CloudWatch Logs User Guide, "Real-time processing of log data
 * with subscriptions". */
export const ON_AWS: Waits = {
  evaluation_s: 600,
  count_s: 600,
  metrics_s: 600,
  deletion_s: 5,
  poll_ms: 2_000,
  progress_s: 30,
};

/** The limits on one machine, where only the consumer is asynchronous. */
export const ON_ONE_MACHINE: Waits = { ...ON_AWS, evaluation_s: 0, count_s: 60, metrics_s: 0, poll_ms: 500 };

/** Returns the limits, each at most `seconds`. */
export function limitedTo(seconds: number, waits: Waits): Waits {
  const least = (wait_s: number) => Math.min(wait_s, seconds);
  return {
    ...waits,
    evaluation_s: least(waits.evaluation_s),
    count_s: least(waits.count_s),
    metrics_s: least(waits.metrics_s),
  };
}

/** Polls until `poll` returns a value, and yields progress lines. Returns the value, or `undefined` after `limit_s`. */
export async function* waitFor<T>(
  state: string,
  limit_s: number,
  { poll_ms, progress_s }: Waits,
  poll: () => T | undefined | Promise<T | undefined>,
): AsyncGenerator<string, { found: T | undefined; waited_s: number }> {
  const started = performance.now();
  let printed_s = 0;
  for (;;) {
    const found = await poll();
    const waited_s = Math.round((performance.now() - started) / 1_000);
    if (found !== undefined || waited_s >= limit_s) return { found, waited_s };
    if (waited_s >= printed_s + progress_s) {
      printed_s = waited_s;
      yield `... ${state} after ${waited_s} s of at most ${limit_s} s`;
    }
    await new Promise((resolve) => setTimeout(resolve, poll_ms));
  }
}

/** Runs a generator to its end and discards its lines. */
export async function quietly<T>(steps: AsyncGenerator<string, T>): Promise<T> {
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return value;
  }
}
