/** The default quotas of AWS and the rates of calls that they allow. docs/OPERATION.md has them as a table, and each
 * deployment prints the quotas of the account. */

/** Maximum requests per second for each unit of Lambda concurrency, for requests of any duration. Source: Lambda
 * Developer Guide, "Lambda quotas", invocation requests per Region. */
export const REQUESTS_PER_CONCURRENCY = 10;
/** Read units per second of one partition of a table. Source: DynamoDB Developer Guide, "Best practices for designing
 * and using partition keys effectively". */
export const READ_UNITS_PER_PARTITION = 3_000;
/** Default interval at which an instance of the authorizer reads the invalidation log, in seconds. */
export const SYNC_INTERVAL_S = 1;

export interface Limit {
  readonly id: 'concurrency' | 'gateway' | 'ledger' | 'invalidations';
  /** The limited resource. */
  readonly resource: string;
  /** Default quota. */
  readonly granted: number;
  readonly unit: string;
  /** Returns the calls per second that a quota allows. */
  readonly callsPerSecond: (granted: number, syncInterval_s?: number) => number;
  /** The use of the resource by calls. */
  readonly use: string;
  readonly source: string;
  /** How to raise the quota. */
  readonly raise: string;
}

export const LIMITS: readonly Limit[] = [
  {
    id: 'concurrency',
    resource: 'Lambda concurrency of all functions of the account and region',
    granted: 1_000,
    unit: 'concurrent (a new account: 10)',
    callsPerSecond: (granted) => granted * REQUESTS_PER_CONCURRENCY,
    use: `one authorizer invocation per call; ${REQUESTS_PER_CONCURRENCY} requests/s per unit`,
    source: 'Lambda Developer Guide, "Lambda quotas"',
    raise: 'Service Quotas, Lambda, "Concurrent executions"',
  },
  {
    id: 'gateway',
    resource: 'API Gateway throttle of all APIs of the account and region',
    granted: 10_000,
    unit: 'requests/s, bursts of 5,000',
    callsPerSecond: (granted) => granted,
    use: 'one request per call',
    source: 'API Gateway Developer Guide, "Quotas for configuring and running an API"',
    raise: 'Service Quotas, API Gateway, "Throttle rate"; and the throttle of the stage',
  },
  {
    id: 'invalidations',
    resource: 'the invalidation log, one partition',
    granted: READ_UNITS_PER_PARTITION,
    unit: 'read units/s',
    callsPerSecond: (granted, syncInterval_s = SYNC_INTERVAL_S) => granted * syncInterval_s * REQUESTS_PER_CONCURRENCY,
    use: 'one read per sync interval and busy instance; an instance may serve only 10 calls/s',
    source: 'DynamoDB Developer Guide, "Best practices for designing and using partition keys effectively"',
    raise: 'a longer sync interval (`sync-interval-ms`); above the limit, keys are read from their table',
  },
  {
    id: 'ledger',
    resource: 'the ledger, one table',
    granted: 40_000,
    unit: 'write units/s',
    callsPerSecond: (granted) => granted,
    use: 'at most one write per call, if all keys of a batch differ; otherwise one per key of a batch',
    source: 'DynamoDB Developer Guide, "Quotas in Amazon DynamoDB", throughput per table',
    raise: 'Service Quotas, DynamoDB, "Table-level write throughput limit"; fewer, longer batches',
  },
];
