/** What AWS grants, and which rate of calls each grant allows. docs/OPERATION.md has it as a table, and a deployment
 * compares the account with it. */

/** Requests a second that Lambda serves for each unit of concurrency, however short they are. Source: Lambda Developer
 * Guide, "Lambda quotas", invocation requests per Region. */
export const REQUESTS_PER_CONCURRENCY = 10;
/** Read units a second that one partition of a table gives. Source: DynamoDB Developer Guide, "Best practices for
 * designing and using partition keys effectively". */
export const READ_UNITS_PER_PARTITION = 3_000;
/** The interval at which an instance of the authorizer reads the invalidation log, where nothing else is set. */
export const SYNC_INTERVAL_S = 1;

export interface Limit {
  readonly id: 'concurrency' | 'gateway' | 'ledger' | 'invalidations';
  readonly what: string;
  /** What AWS grants where nothing was raised. */
  readonly granted: number;
  readonly unit: string;
  /** Calls a second that so much allows. */
  readonly callsPerSecond: (granted: number, syncInterval_s?: number) => number;
  /** What each call takes of it. */
  readonly taken: string;
  readonly source: string;
  readonly raise: string;
}

export const LIMITS: readonly Limit[] = [
  {
    id: 'concurrency',
    what: "Lambda's concurrency, of all functions of account and region",
    granted: 1_000,
    unit: 'at once (a new account: 10)',
    callsPerSecond: (granted) => granted * REQUESTS_PER_CONCURRENCY,
    taken: `the authorizer is asked for each call; ${REQUESTS_PER_CONCURRENCY} requests a second for each unit`,
    source: 'Lambda Developer Guide, "Lambda quotas"',
    raise: 'Service Quotas, Lambda, "Concurrent executions"',
  },
  {
    id: 'gateway',
    what: "API Gateway's throttle, of all APIs of account and region",
    granted: 10_000,
    unit: 'requests/s, 5,000 in a burst',
    callsPerSecond: (granted) => granted,
    taken: 'each call is a request',
    source: 'API Gateway Developer Guide, "Quotas for configuring and running an API"',
    raise: 'Service Quotas, API Gateway, "Throttle rate"; and the throttle of the stage',
  },
  {
    id: 'invalidations',
    what: 'the invalidation log, one partition',
    granted: READ_UNITS_PER_PARTITION,
    unit: 'read units/s',
    callsPerSecond: (granted, syncInterval_s = SYNC_INTERVAL_S) => granted * syncInterval_s * REQUESTS_PER_CONCURRENCY,
    taken: 'each busy instance reads once in the sync interval, and may serve no more than 10 calls/s',
    source: 'DynamoDB Developer Guide, "Best practices for designing and using partition keys effectively"',
    raise: 'a longer sync interval (`sync-interval-ms`); beyond it each key is read from its table',
  },
  {
    id: 'ledger',
    what: 'the ledger, one table',
    granted: 40_000,
    unit: 'write units/s',
    callsPerSecond: (granted) => granted,
    taken: 'one at most, where each call of a batch has another key; one for each key of a batch else',
    source: 'DynamoDB Developer Guide, "Quotas in Amazon DynamoDB", throughput per table',
    raise: 'Service Quotas, DynamoDB, "Table-level write throughput limit"; fewer and longer batches',
  },
];
