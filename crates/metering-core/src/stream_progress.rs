//! How far a stream is counted, over all of its shards.

use std::collections::{BTreeMap, BTreeSet};

/// Assumed bound of the error of arrival times within a shard, and from a shard to its children, in
/// milliseconds. Kinesis does not guarantee that they ascend.
///
/// Source: Kinesis Data Streams API Reference, `Record`, `ApproximateArrivalTimestamp`.
pub const ARRIVAL_ERROR_MS: i64 = 1_000;

/// A shard of a stream, open or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamShard {
    /// Id of the shard within its stream.
    pub shard_id: String,
    /// Ids of the shards that it was split or merged from. Those whose records have all expired may be
    /// missing from the stream.
    pub parents: Vec<String>,
    /// `true` if it gets records.
    pub is_open: bool,
}

/// Returns the time before which everything that reached the stream is counted or in quarantine,
/// except given-up records; in milliseconds since 1970. `None` if nothing is known of a shard.
///
/// `committed_arrival_ms` returns the arrival of the highest committed record of a shard. A shard
/// is read only after its parents are processed to their ends, so its commit is theirs as well. A
/// shard without a commit is as far as its parents are. Source: Lambda Developer Guide, "Using Lambda to
/// process records from Amazon Kinesis Data Streams".
///
/// ```
/// use metering_core::stream_progress::{ARRIVAL_ERROR_MS, StreamShard, counted_before_ms};
///
/// let shard = |id: &str, parents: &[&str], is_open| StreamShard {
///     shard_id: id.to_owned(),
///     parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
///     is_open,
/// };
/// // The first shard was split, and only one of the new shards has had a record.
/// let shards = [shard("a", &[], false), shard("b", &["a"], true), shard("c", &["a"], true)];
/// let committed = |id: &str| match id {
///     "a" => Some(70_000),
///     "b" => Some(90_000),
///     _ => None,
/// };
/// assert_eq!(counted_before_ms(&shards, committed), Some(70_000 - ARRIVAL_ERROR_MS));
/// ```
pub fn counted_before_ms(
    shards: &[StreamShard],
    committed_arrival_ms: impl Fn(&str) -> Option<i64>,
) -> Option<i64> {
    let by_id: BTreeMap<&str, &StreamShard> =
        shards.iter().map(|shard| (shard.shard_id.as_str(), shard)).collect();
    let mut earliest: Option<i64> = None;
    let mut unexamined: Vec<&StreamShard> = shards.iter().filter(|shard| shard.is_open).collect();
    // Each shard is examined once, also if two shards were merged and split again.
    let mut examined: BTreeSet<&str> = BTreeSet::new();
    while let Some(shard) = unexamined.pop() {
        if !examined.insert(&shard.shard_id) {
            continue;
        }
        if let Some(arrival_ms) = committed_arrival_ms(&shard.shard_id) {
            earliest = Some(earliest.map_or(arrival_ms, |other| other.min(arrival_ms)));
            continue;
        }
        let parents: Vec<&StreamShard> =
            shard.parents.iter().filter_map(|parent| by_id.get(parent.as_str()).copied()).collect();
        if parents.is_empty() {
            return None;
        }
        unexamined.extend(parents);
    }
    earliest.map(|arrival_ms| arrival_ms - ARRIVAL_ERROR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str], is_open: bool) -> StreamShard {
        let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        StreamShard { shard_id: id.to_owned(), parents, is_open }
    }

    fn counted(shards: &[StreamShard], committed: &[(&str, i64)]) -> Option<i64> {
        let committed: BTreeMap<_, _> = committed.iter().copied().collect();
        counted_before_ms(shards, |id| committed.get(id).copied()).map(|ms| ms + ARRIVAL_ERROR_MS)
    }

    #[test]
    fn the_shard_that_is_furthest_behind_decides() {
        let shards = [shard("a", &[], true), shard("b", &[], true)];
        assert_eq!(counted(&shards, &[("a", 9), ("b", 5)]), Some(5));
    }

    #[test]
    fn a_shard_without_any_commit_leaves_the_time_unknown() {
        let shards = [shard("a", &[], true), shard("b", &[], true)];
        assert_eq!(counted(&shards, &[("a", 9)]), None);
        assert_eq!(counted(&[], &[]), None);
    }

    #[test]
    fn a_closed_shard_does_not_hold_back_a_shard_that_has_gone_on() {
        let shards = [shard("a", &[], false), shard("b", &["a"], true)];
        assert_eq!(counted(&shards, &[("a", 5), ("b", 9)]), Some(9));
        assert_eq!(counted(&shards, &[("a", 5)]), Some(5));
    }

    #[test]
    fn a_merged_shard_is_as_far_as_the_slower_of_its_parents() {
        let shards = [shard("a", &[], false), shard("b", &[], false), shard("c", &["a", "b"], true)];
        assert_eq!(counted(&shards, &[("a", 9), ("b", 5)]), Some(5));
        assert_eq!(counted(&shards, &[("a", 9)]), None);
    }

    #[test]
    fn a_shard_without_commit_whose_parents_have_expired_is_unknown() {
        assert_eq!(counted(&[shard("b", &["a"], true)], &[]), None);
    }
}
