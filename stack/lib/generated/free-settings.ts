/** Further settings of the function `api-authorizer`. */
export interface AuthorizerSettings {
  /**
   * The time for which a key is cached, in milliseconds. From 0 to 600000.
   *
   * @default 30000
   */
  readonly cacheTtlMs?: number;
  /**
   * The maximum time of a decision, in milliseconds; keep it below the time-out of the function. From 100 to 29000.
   *
   * @default 4000
   */
  readonly decisionLimitMs?: number;
  /**
   * `true` if the HTTP API's authorizer is set up for simple responses (`isAuthorized`) instead of policies.
   *
   * @default true
   */
  readonly httpApiSimpleResponses?: boolean;
  /**
   * The assumed upper bound of the lag of `hashedKey-index`, in milliseconds. From 0 to 3600000.
   *
   * @default 300000
   */
  readonly indexLagBoundMs?: number;
  /**
   * The maximum number of cached keys. From 1 to 1000000.
   *
   * @default 50000
   */
  readonly maxCachedKeys?: number;
  /**
   * The maximum number of cached secrets without a key. From 1 to 1000000.
   *
   * @default 10000
   */
  readonly maxCachedUnknown?: number;
  /**
   * The maximum number of tombstones. From 1 to 1000000.
   *
   * @default 100000
   */
  readonly maxTombstones?: number;
  /**
   * The time for which an unknown secret is cached, in milliseconds. From 0 to 60000.
   *
   * @default 5000
   */
  readonly unknownTtlMs?: number;
  /**
   * The maximum age of cached usage while the ledger cannot be read, in milliseconds. From 0 to 3600000.
   *
   * @default 300000
   */
  readonly usageStaleLimitMs?: number;
  /**
   * The time for which the month's usage of a key below 80 % of its limit is cached, in milliseconds. From 0 to 600000.
   *
   * @default 30000
   */
  readonly usageTtlMs?: number;
  /**
   * The time for which the month's usage of a key from 80 % of its limit on is cached, in milliseconds. From 0 to 600000.
   *
   * @default 5000
   */
  readonly usageTtlNearLimitMs?: number;
}

/** Further settings of the function `usage-canary`. */
export interface CanarySettings {
  /**
   * The id of the canary's key. Calls of a key with another id are billed.
   *
   * @default canary
   */
  readonly canaryApiKeyId?: string;
  /**
   * The time for which a call is awaited in the ledger, in milliseconds; the time-out of the function is 30 s longer. From 1000 to 840000.
   *
   * @default 120000
   */
  readonly timeoutMs?: number;
}

/** Further settings of the function `usage-consumer`. */
export interface ConsumerSettings {
  /**
   * The maximum number of log events in a record. From 1000 to 262144.
   *
   * @default 131072
   */
  readonly maxEvents?: number;
  /**
   * The maximum size of a gzipped record after decompression, in bytes. From 1024 to 67108864.
   *
   * @default 33554432
   */
  readonly maxInflatedBytes?: number;
  /**
   * Hours by which the consumer has to be behind before it raises the retention of the stream to seven days. From 1 to 23.
   *
   * @default 6
   */
  readonly raiseRetentionBehindHours?: number;
  /**
   * The maximum number of concurrent requests to DynamoDB and SQS. From 1 to 1000.
   *
   * @default 32
   */
  readonly writeConcurrency?: number;
}

/** Further settings of the function `usage-reconciler`. */
export interface ReconcilerSettings {
  /**
   * Hours that each run compares. From 1 to 48.
   *
   * @default 3
   */
  readonly reconcileHours?: number;
  /**
   * Minutes after the end of an hour before it is compared. From 1 to 180.
   *
   * @default 15
   */
  readonly settleMinutes?: number;
}
