/** How long verification waits for what AWS does in its own time. */
export interface Waits {
  /** Until an alarm was evaluated first. */
  readonly evaluation_s: number;
  /** Until a call is counted. */
  readonly count_s: number;
  /** Until the metrics of the functions are in CloudWatch. */
  readonly metrics_s: number;
  /** Until a deleted key is refused: the sync interval of a second, and the way of a call. */
  readonly deletion_s: number;
  /** Between two looks. */
  readonly poll_ms: number;
  /** Between two lines that say that it still waits. */
  readonly progress_s: number;
}

/** On AWS, where roles and logging of a first deployment take minutes to be known everywhere, and a subscription
 * delivers "usually in less than three minutes". Source: CloudWatch Logs User Guide, "Real-time processing of log data
 * with subscriptions". */
export const ON_AWS: Waits = {
  evaluation_s: 600,
  count_s: 600,
  metrics_s: 600,
  deletion_s: 5,
  poll_ms: 2_000,
  progress_s: 30,
};

/** On one machine, where only the consumer has to be waited for. */
export const ON_ONE_MACHINE: Waits = { ...ON_AWS, evaluation_s: 0, count_s: 60, metrics_s: 0, poll_ms: 500 };

/** The same, but none longer than so many seconds. */
export function limitedTo(seconds: number, waits: Waits): Waits {
  const least = (wait_s: number) => Math.min(wait_s, seconds);
  return {
    ...waits,
    evaluation_s: least(waits.evaluation_s),
    count_s: least(waits.count_s),
    metrics_s: least(waits.metrics_s),
  };
}

/** Looks until something is there, and yields a line now and then. Returns it, or undefined when the time is over. */
export async function* waitFor<T>(
  what: string,
  limit_s: number,
  { poll_ms, progress_s }: Waits,
  look: () => T | undefined | Promise<T | undefined>,
): AsyncGenerator<string, { found: T | undefined; waited_s: number }> {
  const started = performance.now();
  let told_s = 0;
  for (;;) {
    const found = await look();
    const waited_s = Math.round((performance.now() - started) / 1_000);
    if (found !== undefined || waited_s >= limit_s) return { found, waited_s };
    if (waited_s >= told_s + progress_s) {
      told_s = waited_s;
      yield `... ${what} since ${waited_s} s, for ${limit_s} s at most`;
    }
    await new Promise((resolve) => setTimeout(resolve, poll_ms));
  }
}

/** Runs a generator to its end without its lines. */
export async function quietly<T>(steps: AsyncGenerator<string, T>): Promise<T> {
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return value;
  }
}
