//! The declaration of each variable. Its constant has the variable's name.

use super::{Bool, Number, RequiredText, Text};
use crate::settings;

macro_rules! variables {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ident $(= $default:expr $(, $min:expr, $max:expr)?)?;)+) => {
        $(
            $(#[doc = $doc])+
            pub const $name: $kind =
                $kind::new(stringify!($name), concat!($($doc),+) $(, $default $(, [$min, $max])?)?);
        )+
    };
}

// A documentation is a noun phrase: "the environment variable USAGE_TABLE is
// not set; it has to name the DynamoDB table of the usage ledger".
variables! {
    /// the DynamoDB table of the usage ledger
    USAGE_TABLE: RequiredText;
    /// the DynamoDB table of the claims and the shard heads
    CLAIMS_TABLE: RequiredText;
    /// the ARN of the Kinesis stream that the consumer reads
    STREAM_ARN: RequiredText;
    /// the URL of the SQS queue for records that cannot be counted
    QUARANTINE_QUEUE_URL: RequiredText;
    /// the DynamoDB table of the API keys
    KEYS_TABLE: RequiredText;
    /// the DynamoDB table of the invalidation log
    INVALIDATIONS_TABLE: RequiredText;
    /// the DynamoDB table of the alerts that were sent
    ALERTS_TABLE: RequiredText;
    /// the ARN of the SNS topic for alerts about monthly limits
    ALERTS_TOPIC_ARN: RequiredText;
    /// the log groups of the access logs, separated by commas
    ACCESS_LOG_GROUPS: RequiredText;
    /// the public keys of portal tokens: P-256 keys as base64 of their `SubjectPublicKeyInfo`, separated by commas
    PORTAL_PUBLIC_KEYS: RequiredText;
    /// the URL that the canary calls: a GET that is answered with 2xx and billed
    CANARY_URL: RequiredText;
    /// the SSM parameter (a `SecureString`) with the secret of the canary's key
    CANARY_SECRET_PARAMETER: RequiredText;
    /// the session token of the function's role, which Lambda sets and by which the extension identifies the function
    AWS_SESSION_TOKEN: RequiredText;

    /// the value of the metrics' dimension `Environment`
    ENVIRONMENT_NAME: Text = "unnamed";
    /// the slices of request time and groups of log streams in which calls are claimed, as `FROM_MS:SLICE_MS:GROUPS`,
    /// several separated by commas
    CLAIM_LAYOUT: Text = "0:10000:1";
    /// the statuses and ranges of statuses with which calls are counted, separated by commas: `200-299,304`. The
    /// subscription filter has to deliver them; the stack sets both. A change applies to later batches
    BILLED_STATUSES: Text = settings::BILLED_STATUSES;
    /// the routes and methods whose calls are not counted, separated by commas: `/usage` (any method), `GET /health`,
    /// `OPTIONS *` (any route). A change applies to later batches. The stack sets `OPTIONS *` and `/usage`
    UNBILLED_ROUTES: Text = "";
    /// the stages that cache authorizer results, as `API_ID/STAGE`, several separated by commas
    STAGES: Text = "";
    /// the origins of pages that may embed the usage page of a customer, separated by commas: `https://app.example.com`.
    /// No page may by default
    PORTAL_FRAME_ANCESTORS: Text = "";
    /// the id of the canary's key. Calls of a key with another id are billed
    CANARY_API_KEY_ID: Text = "canary";

    /// days for which the ledger keeps the rows of a day; at least 62, because a month and its limits are read back
    USAGE_RETENTION_DAYS: Number = settings::USAGE_RETENTION_DAYS, 62, 36_500;
    /// days after its request time for which a call is recognised and counted: longer than the stream (at most 7 days)
    /// and the quarantine (14) keep it. A claim is kept seven days and an hour longer, for as long as its record may be
    /// retried. A deployment never changes it, because the claims of calls that were counted under a shorter retention
    /// have expired
    CLAIM_RETENTION_DAYS: Number = settings::CLAIM_RETENTION_DAYS, 15, 36_500;
    /// hours by which the consumer has to be behind before it raises the retention of the stream to seven days
    RAISE_RETENTION_BEHIND_HOURS: Number = 6, 1, 23;
    /// the maximum number of concurrent requests to DynamoDB and SQS
    WRITE_CONCURRENCY: Number = 32, 1, 1_000;
    /// the maximum size of a gzipped record after decompression, in bytes
    MAX_INFLATED_BYTES: Number = 32 << 20, 1 << 10, 64 << 20;
    /// the maximum number of log events in a record
    MAX_EVENTS: Number = 1 << 17, 1_000, 1 << 18;

    /// the maximum age of the last invalidation-log read, in milliseconds. `0` reads the log on every request
    SYNC_INTERVAL_MS: Number = settings::SYNC_INTERVAL_MS, 0, 60_000;
    /// the time for which a key is cached, in milliseconds
    CACHE_TTL_MS: Number = 30_000, 0, 600_000;
    /// the time for which an unknown secret is cached, in milliseconds
    UNKNOWN_TTL_MS: Number = 5_000, 0, 60_000;
    /// the time for which the month's usage of a key below 80 % of its limit is cached, in milliseconds
    USAGE_TTL_MS: Number = 30_000, 0, 600_000;
    /// the time for which the month's usage of a key from 80 % of its limit on is cached, in milliseconds
    USAGE_TTL_NEAR_LIMIT_MS: Number = 5_000, 0, 600_000;
    /// the maximum age of cached usage while the ledger cannot be read, in milliseconds
    USAGE_STALE_LIMIT_MS: Number = 300_000, 0, 3_600_000;
    /// the assumed upper bound of the lag of `hashedKey-index`, in milliseconds
    INDEX_LAG_BOUND_MS: Number = 300_000, 0, 3_600_000;
    /// the maximum number of cached keys
    MAX_CACHED_KEYS: Number = 50_000, 1, 1_000_000;
    /// the maximum number of cached secrets without a key
    MAX_CACHED_UNKNOWN: Number = 10_000, 1, 1_000_000;
    /// the maximum number of tombstones
    MAX_TOMBSTONES: Number = 100_000, 1, 1_000_000;
    /// the maximum time of a decision, in milliseconds; keep it below the time-out of the function
    DECISION_LIMIT_MS: Number = 4_000, 100, 29_000;

    /// hours that each run compares
    RECONCILE_HOURS: Number = 3, 1, 48;
    /// minutes after the end of an hour before it is compared
    SETTLE_MINUTES: Number = 15, 1, 180;

    /// the time for which a call is awaited in the ledger, in milliseconds; the time-out of the function is 30 s longer
    TIMEOUT_MS: Number = 120_000, 1_000, 840_000;
    /// the port of the Parameters and Secrets extension on loopback
    PARAMETERS_SECRETS_EXTENSION_HTTP_PORT: Number = 2_773, 1, 65_535;

    /// `true` if the HTTP API's authorizer is set up for simple responses (`isAuthorized`) instead of policies
    HTTP_API_SIMPLE_RESPONSES: Bool = true;

    /// the folder of the binaries that the end-to-end tests run. Default: the folder of the test's Cargo profile
    METER_BINARIES: Text = "";
    /// the number of keys of the reconciliation test with many keys
    METER_TEST_KEYS: Text = "";
    /// the URL of the Kinesis endpoint that the conformance test checks. Default: the local stack's
    KINESIS_ENDPOINT: Text = "";
    /// the pipe that the example function `probe_function` reads after its response
    PROBE_PIPE: Text = "";
    /// a value that the example function `probe_function` returns
    PROBE_SETTING: Text = "";
}
