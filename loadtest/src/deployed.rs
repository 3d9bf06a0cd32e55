//! What `stack/lib` deploys where nobody chooses otherwise, and what AWS does
//! by itself: the settings of the stack that a run starts, unless its profile
//! names others.
//!
//! A test compares this with the template that the stack synthesises.

/// How long API Gateway repeats an answer of the authorizer, in milliseconds:
/// not at all, since a deleted key would be admitted for as long.
pub const AUTHORIZER_CACHE_TTL_MS: u64 = 0;
/// How old the authorizer's last look at the invalidation log may be, in milliseconds.
pub const SYNC_INTERVAL_MS: u64 = 1_000;
/// The most records of a batch.
pub const BATCH_SIZE: usize = 100;
/// How long a batch waits to fill, in milliseconds.
pub const BATCH_WINDOW_MS: u64 = 5_000;
/// Times that a failed batch is tried again; `None` is -1, without a limit.
pub const MAX_RETRIES: Option<u32> = None;
/// Age at which a record is given up, in milliseconds; `None` is -1, never.
pub const MAX_RECORD_AGE_MS: Option<i64> = None;
/// How often an empty shard is asked, in milliseconds.
///
/// Source: Lambda Developer Guide, "Using Lambda to process records from
/// Amazon Kinesis Data Streams": "a base rate of once per second".
pub const POLL_INTERVAL_MS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../stack/test/__snapshots__/snapshot.test.ts.snap");

    /// The values that a property has in the template, wherever it is.
    fn deployed(property: &str) -> Vec<i64> {
        let name = format!("\"{property}\": ");
        let values = TEMPLATE.split(name.as_str()).skip(1);
        let digits = values.map(|rest| rest.split([',', '\n']).next().unwrap_or("").trim_matches('"'));
        digits.filter_map(|digits| digits.parse().ok()).collect()
    }

    #[test]
    fn the_template_has_these_settings() {
        let ms = |milliseconds: u64| i64::try_from(milliseconds).unwrap();
        assert_eq!(deployed("AuthorizerResultTtlInSeconds"), [ms(AUTHORIZER_CACHE_TTL_MS / 1_000)]);
        assert_eq!(deployed("SYNC_INTERVAL_MS"), [ms(SYNC_INTERVAL_MS)]);
        assert_eq!(deployed("BatchSize"), [i64::try_from(BATCH_SIZE).unwrap()]);
        assert_eq!(deployed("MaximumBatchingWindowInSeconds"), [ms(BATCH_WINDOW_MS / 1_000)]);
        assert_eq!(deployed("MaximumRecordAgeInSeconds"), [MAX_RECORD_AGE_MS.map_or(-1, |age| age / 1_000)]);
        // Others are those of asynchronous invocations.
        assert!(deployed("MaximumRetryAttempts").contains(&MAX_RETRIES.map_or(-1, i64::from)));
    }
}
