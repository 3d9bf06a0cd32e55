mod log;

use super::*;
use crate::invalidation::{LogEntry, LogRead};
use crate::quota::{MonthUsage, Threshold};

const SETTINGS: CacheSettings = CacheSettings {
    sync_interval_ms: 1_000,
    sync_retry_ms: 500,
    key_lifetime_ms: 30_000,
    unknown_lifetime_ms: 5_000,
    usage_lifetime_ms: 30_000,
    usage_lifetime_near_limit_ms: 5_000,
    usage_stale_limit_ms: 300_000,
    index_lag_bound_ms: 60_000,
    read_limit_ms: 10_000,
    max_keys: 3,
    max_unknown: 2,
    max_tombstones: 4,
};

/// 2026-11-24T08:34:30Z.
const START_MS: i64 = 1_795_509_270_000;

fn at(milliseconds: u64) -> ClockReading {
    ClockReading { wall_ms: START_MS + i64::try_from(milliseconds).unwrap(), monotonic_ms: milliseconds }
}

fn digest(secret: &str) -> KeyDigest {
    KeyDigest::of_secret(secret).unwrap()
}

fn key(id: &str, version: u64) -> KeyRecord {
    KeyRecord { key_id: id.to_owned(), digest: Some(digest(id)), version, ..KeyRecord::default() }
}

/// The read of a log that has entries of these keys after `head`. It includes the entry at `head`,
/// which is of key `0`.
fn log(head: u64, keys: &[&str]) -> LogRead {
    let before = (head > 0).then_some("0");
    let first = head.max(1);
    let entries = before.iter().chain(keys).zip(first..).map(|(key, sequence)| LogEntry {
        sequence,
        key_id: (*key).to_owned(),
        changed_at_ms: 0,
    });
    LogRead { head: head + keys.len() as u64, entries: entries.collect() }
}

/// An instance that has read an empty log at 0.
fn started(settings: CacheSettings) -> DecisionCache {
    let mut cache = DecisionCache::new(settings);
    let start = cache.begin_read(at(0));
    cache.synced(start, &log(0, &[]), at(0));
    cache
}

fn sync(cache: &mut DecisionCache, now: ClockReading, keys: &[&str]) {
    let start = cache.begin_read(now);
    let mut read = log(cache.log_head().unwrap(), keys);
    if let (Some(last), Some(known)) = (&cache.log.as_ref().unwrap().last, read.entries.first_mut()) {
        known.clone_from(last);
    }
    assert_eq!(cache.synced(start, &read, now), LogCheck::Sound);
}

fn asked(cache: &mut DecisionCache, secret: &str, now: ClockReading) -> Step {
    let request = cache.begin(digest(secret));
    cache.step(&request, now)
}

fn look_up(cache: &mut DecisionCache, secret: &str, found: Option<KeyRecord>, now: ClockReading) -> Step {
    let mut request = cache.begin(digest(secret));
    let start = cache.begin_read(now);
    cache.found_consistently(&mut request, start, found, now);
    cache.step(&request, now)
}

fn denial(step: &Step) -> Option<Denial> {
    match step {
        Step::Answer(Decision::Deny { denial, .. }) => Some(*denial),
        _ => None,
    }
}

fn allows(step: &Step) -> bool {
    matches!(step, Step::Answer(decision) if decision.is_allowed())
}

#[test]
fn a_cold_instance_reads_the_log_then_the_table_and_then_remembers_for_30_seconds() {
    let mut cache = DecisionCache::new(SETTINGS);
    assert_eq!(asked(&mut cache, "a", at(0)), Step::Read(Read::Log));
    let mut cache = started(SETTINGS);
    assert_eq!(
        asked(&mut cache, "a", at(0)),
        Step::Read(Read::KeyConsistently),
        "the index is not trusted yet"
    );
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), at(0))));
    assert!(allows(&asked(&mut cache, "a", at(999))));
    assert_eq!(
        asked(&mut cache, "a", at(1_000)),
        Step::Read(Read::Log),
        "the last read of the log is one interval old"
    );
    sync(&mut cache, at(29_999), &[]);
    assert!(allows(&asked(&mut cache, "a", at(29_999))));
    assert_eq!(asked(&mut cache, "a", at(30_000)), Step::Read(Read::KeyConsistently));
}

#[test]
fn a_request_that_is_answered_from_the_cache_reads_no_key() {
    let mut cache = started(SETTINGS);
    let mut request = cache.begin(digest("a"));
    assert!(!request.read_key());
    let start = cache.begin_read(at(0));
    cache.found_consistently(&mut request, start, Some(key("a", 0)), at(0));
    assert!(request.read_key());
    let request = cache.begin(digest("a"));
    assert!(allows(&cache.step(&request, at(0))));
    assert!(!request.read_key());
}

#[test]
fn the_index_is_asked_first_once_it_can_be_trusted() {
    let mut cache = started(SETTINGS);
    sync(&mut cache, at(60_000), &[]);
    assert_eq!(asked(&mut cache, "a", at(60_000)), Step::Read(Read::KeyConsistently), "it may lag as long");
    let mut request = cache.begin(digest("a"));
    assert_eq!(cache.step(&request, at(60_001)), Step::Read(Read::KeyByIndex));
    let start = cache.begin_read(at(60_001));
    cache.found_by_index(&mut request, start, None, at(60_001));
    assert_eq!(
        cache.step(&request, at(60_001)),
        Step::Read(Read::KeyConsistently),
        "a new key is not in it yet"
    );

    let mut request = cache.begin(digest("b"));
    let start = cache.begin_read(at(60_001));
    cache.found_by_index(&mut request, start, Some(key("b", 0)), at(60_001));
    assert!(allows(&cache.step(&request, at(60_001))));
    assert!(allows(&asked(&mut cache, "b", at(60_001))));
}

#[test]
fn a_change_in_the_log_or_a_message_outdates_every_older_copy() {
    for by_message in [false, true] {
        let mut cache = started(SETTINGS);
        assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), at(0))));
        if by_message {
            cache.record_invalidation("a", 1, at(1));
        } else {
            sync(&mut cache, at(1), &["a"]);
        }
        assert_eq!(asked(&mut cache, "a", at(2)), Step::Read(Read::KeyConsistently));
        // A stale copy in the index, and a read that was in flight.
        let mut request = cache.begin(digest("a"));
        let start = cache.begin_read(at(2));
        cache.found_by_index(&mut request, start, Some(key("a", 0)), at(2));
        assert_eq!(cache.step(&request, at(2)), Step::Read(Read::KeyConsistently));
        cache.found_consistently(&mut request, start, Some(key("a", 0)), at(2));
        assert!(allows(&cache.step(&request, at(2))), "its own read: the change has not returned");
        assert_eq!(
            asked(&mut cache, "a", at(2)),
            Step::Read(Read::KeyConsistently),
            "which is not remembered"
        );
        sync(&mut cache, at(2), if by_message { &["a"] } else { &[] });
        let mut request = cache.begin(digest("a"));
        let deleted = KeyRecord { deleted_at_ms: Some(1), digest: None, ..key("a", 1) };
        cache.found_consistently(&mut request, start, Some(deleted), at(2));
        assert_eq!(denial(&cache.step(&request, at(2))), Some(Denial::Deleted));
        assert_eq!(denial(&asked(&mut cache, "a", at(3))), Some(Denial::Deleted), "remembered");
    }
}

#[test]
fn a_late_read_of_an_older_version_does_not_push_the_newer_one_out() {
    let mut cache = started(SETTINGS);
    let mut late = cache.begin(digest("a"));
    let start = cache.begin_read(at(0));
    sync(&mut cache, at(1), &["a"]);
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 1)), at(1))));
    cache.found_consistently(&mut late, start, Some(key("a", 0)), at(2));
    assert!(allows(&cache.step(&late, at(2))), "the change had not returned when the read began");
    assert!(allows(&asked(&mut cache, "a", at(2))), "the newer version is still remembered");
}

/// The index may return the old copy for as long as it lags, to a read that takes as long as a read may.
#[test]
fn a_tombstone_is_kept_until_no_read_can_return_what_it_forbids() {
    let mut cache = started(SETTINGS);
    cache.record_invalidation("a", 1, at(1));
    let mut stale_copy_is_used = |now| {
        let mut request = cache.begin(digest("a"));
        let start = cache.begin_read(at(60_001));
        cache.found_by_index(&mut request, start, Some(key("a", 0)), now);
        allows(&cache.step(&request, now))
    };
    assert!(!stale_copy_is_used(at(70_001)));
    assert!(stale_copy_is_used(at(70_002)), "a tombstone is not kept longer than it has to be");
}

/// Reads during a transaction may see its head and not yet its key. The tombstone of the last
/// entry is kept until another entry follows.
#[test]
fn a_key_that_is_read_beside_its_deletion_is_not_remembered_however_long_that_takes() {
    let mut cache = DecisionCache::new(SETTINGS);
    for seconds in 0..120 {
        let now = at(seconds * 1_000);
        assert_eq!(asked(&mut cache, "a", now), Step::Read(Read::Log));
        let start = cache.begin_read(now);
        let last = LogEntry { sequence: 8, key_id: "a".to_owned(), changed_at_ms: 0 };
        assert_eq!(cache.synced(start, &LogRead { head: 8, entries: vec![last] }, now), LogCheck::Sound);
        assert_ne!(denial(&look_up(&mut cache, "a", Some(key("a", 0)), now)), Some(Denial::Deleted));
        assert!(matches!(asked(&mut cache, "a", now), Step::Read(Read::KeyConsistently | Read::KeyByIndex)));
    }
}

/// A read that returns the head without its entry is incomplete.
#[test]
fn a_head_without_its_entry_makes_nothing_trusted() {
    let mut cache = started(SETTINGS);
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), at(0))));
    for (now, entries) in [(at(2_000), &[][..]), (at(3_000), &["a"][..])] {
        let start = cache.begin_read(now);
        cache.synced(start, &LogRead { head: 1, ..log(0, entries) }, now);
        assert_eq!(asked(&mut cache, "a", now), Step::Read(Read::KeyConsistently));
        assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), now)));
    }
    assert_eq!(asked(&mut cache, "a", at(3_001)), Step::Read(Read::KeyConsistently), "the entry has come");
}

#[test]
fn a_copy_above_the_head_is_not_used_and_a_log_that_stays_below_it_is_behind() {
    let mut cache = started(SETTINGS);
    sync(&mut cache, at(60_001), &["0", "0", "0"]);
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 500)), at(60_001))), "the table's answer");
    assert_eq!(asked(&mut cache, "a", at(60_001)), Step::Read(Read::KeyByIndex));
    let mut request = cache.begin(digest("a"));
    let start = cache.begin_read(at(60_001));
    cache.found_by_index(&mut request, start, Some(key("a", 500)), at(60_001));
    assert_eq!(cache.step(&request, at(60_001)), Step::Read(Read::KeyConsistently));
    let check = |cache: &mut DecisionCache, now| {
        let start = cache.begin_read(now);
        let last = cache.log.as_ref().unwrap().last.clone().unwrap();
        cache.synced(start, &LogRead { head: 3, entries: vec![last] }, now)
    };
    assert_eq!(check(&mut cache, at(70_001)), LogCheck::Sound, "the change may not have returned yet");
    assert_eq!(check(&mut cache, at(70_002)), LogCheck::Behind);
    let start = cache.begin_read(at(70_003));
    assert_eq!(cache.synced(start, &log(501, &[]), at(70_003)), LogCheck::Sound, "it was raised");
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 500)), at(70_003))));
    assert!(allows(&asked(&mut cache, "a", at(70_003))));
}

#[test]
fn an_interval_of_0_reads_the_log_once_for_each_request() {
    let mut cache = started(CacheSettings { sync_interval_ms: 0, ..SETTINGS });
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), at(0))));
    let request = cache.begin(digest("a"));
    assert_eq!(cache.step(&request, at(0)), Step::Read(Read::Log));
    sync(&mut cache, at(0), &[]);
    assert!(allows(&cache.step(&request, at(0))));
    assert_eq!(asked(&mut cache, "a", at(0)), Step::Read(Read::Log), "the next one reads it again");
}

#[test]
fn while_the_log_cannot_be_read_every_request_reads_its_key() {
    let mut cache = started(SETTINGS);
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), at(0))));
    assert_eq!(asked(&mut cache, "a", at(5_000)), Step::Read(Read::Log));
    cache.sync_failed(at(5_000));
    for _ in 0..2 {
        assert_eq!(asked(&mut cache, "a", at(5_001)), Step::Read(Read::KeyConsistently));
        assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), at(5_001))));
    }
    assert_eq!(asked(&mut cache, "a", at(5_500)), Step::Read(Read::Log), "it is tried again");
}

#[test]
fn a_gap_in_the_log_or_another_log_forgets_everything() {
    let other = LogEntry { sequence: 5, key_id: "b".to_owned(), changed_at_ms: 0 };
    for (read, check) in [
        (log(9, &[]), LogCheck::Sound),
        (log(3, &[]), LogCheck::Behind),
        (LogRead { head: 5, entries: vec![other] }, LogCheck::Behind),
    ] {
        let mut cache = started(SETTINGS);
        sync(&mut cache, at(59_000), &["x", "x", "x", "x", "x"]);
        sync(&mut cache, at(60_001), &[]);
        assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), at(60_001))));
        let mut in_flight = cache.begin(digest("b"));
        let before = cache.begin_read(at(60_001));
        let start = cache.begin_read(at(61_001));
        assert_eq!(cache.synced(start, &read, at(61_001)), check);
        assert_eq!(cache.log_head(), Some(read.head));
        assert_eq!(
            asked(&mut cache, "a", at(61_001)),
            Step::Read(Read::KeyConsistently),
            "and the index is not trusted"
        );
        cache.found_by_index(&mut in_flight, before, Some(key("b", 0)), at(61_001));
        assert_eq!(cache.step(&in_flight, at(61_001)), Step::Read(Read::KeyConsistently));
    }
}

#[test]
fn memory_is_bounded_and_more_changes_than_can_be_remembered_forget_everything() {
    let mut cache = started(SETTINGS);
    for id in ["a", "b", "c", "d"] {
        assert!(allows(&look_up(&mut cache, id, Some(key(id, 0)), at(1))));
    }
    assert_eq!(
        asked(&mut cache, "a", at(1)),
        Step::Read(Read::KeyConsistently),
        "the one used longest ago went"
    );
    assert!(allows(&asked(&mut cache, "b", at(1))));
    for secret in ["x", "y", "z"] {
        assert_eq!(denial(&look_up(&mut cache, secret, None, at(1))), Some(Denial::Unknown));
    }
    assert_eq!(asked(&mut cache, "x", at(1)), Step::Read(Read::KeyConsistently));
    assert_eq!(denial(&asked(&mut cache, "z", at(1))), Some(Denial::Unknown));
    assert!(allows(&asked(&mut cache, "b", at(1))), "unknown secrets push no key out");
    sync(&mut cache, at(60_001), &[]);
    assert_eq!(asked(&mut cache, "n", at(60_001)), Step::Read(Read::KeyByIndex));
    sync(&mut cache, at(60_001), &["1", "2", "3", "4"]);
    assert_eq!(asked(&mut cache, "n", at(60_001)), Step::Read(Read::KeyByIndex), "four can be remembered");
    sync(&mut cache, at(60_001), &["1", "2", "3", "4", "5"]);
    assert_eq!(asked(&mut cache, "n", at(60_001)), Step::Read(Read::KeyConsistently));
    assert_eq!(asked(&mut cache, "b", at(60_001)), Step::Read(Read::KeyConsistently));
}

#[test]
fn an_unknown_secret_is_remembered_shortly_and_not_once_it_has_a_key() {
    let mut cache = started(CacheSettings { sync_interval_ms: 60_000, ..SETTINGS });
    assert_eq!(denial(&look_up(&mut cache, "a", None, at(0))), Some(Denial::Unknown));
    assert_eq!(denial(&asked(&mut cache, "a", at(4_999))), Some(Denial::Unknown));
    assert_eq!(asked(&mut cache, "a", at(5_000)), Step::Read(Read::KeyConsistently));
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), at(5_000))));
    assert!(allows(&asked(&mut cache, "a", at(5_000))));
}

fn limited(id: &str, limit: u64) -> KeyRecord {
    KeyRecord { monthly_limit: Some(limit), ..key(id, 0) }
}

fn usage(total: u64) -> MonthUsage {
    let month = UtcMonth::at(START_MS).unwrap();
    MonthUsage { month, settled_before: month.first_day(), settled: 0, recent: total }
}

#[test]
fn a_limit_is_judged_by_the_usage_of_the_month_which_is_read_again_sooner_near_the_limit() {
    let mut cache = started(CacheSettings { sync_interval_ms: 600_000, ..SETTINGS });
    let read = |cache: &mut DecisionCache, total: u64, now: ClockReading| {
        let mut request = cache.begin(digest("a"));
        let start = cache.begin_read(now);
        cache.found_consistently(&mut request, start, Some(limited("a", 100)), now);
        cache.usage_read(&mut request, "a", usage(total), now);
        cache.step(&request, now)
    };
    assert!(matches!(
        look_up(&mut cache, "a", Some(limited("a", 100)), at(0)),
        Step::Read(Read::Usage { known: None, .. })
    ));
    let Step::Answer(Decision::Allow { quota: Some(quota), .. }) = read(&mut cache, 40, at(0)) else {
        panic!()
    };
    assert_eq!((quota.limit, quota.used, quota.remaining()), (100, 40, 60));
    assert!(allows(&asked(&mut cache, "a", at(29_999))));
    assert!(allows(&read(&mut cache, 80, at(30_000))));
    assert!(allows(&asked(&mut cache, "a", at(34_999))));
    // No call was counted meanwhile.
    assert!(allows(&read(&mut cache, 80, at(35_000))));
    assert!(allows(&asked(&mut cache, "a", at(39_999))));
    let again = asked(&mut cache, "a", at(40_000));
    assert!(matches!(again, Step::Read(Read::Usage { known: Some(known), .. }) if known.total() == 80));
    assert_eq!(denial(&read(&mut cache, 100, at(40_000))), Some(Denial::OverQuota));
    assert_eq!(denial(&asked(&mut cache, "a", at(40_001))), Some(Denial::OverQuota));
    // The first of December: nothing is used yet.
    let next_month = u64::try_from(UtcMonth::at(START_MS).unwrap().next().first_day().start_ms() - START_MS);
    let mut request = cache.begin(digest("a"));
    let start = cache.begin_read(at(next_month.unwrap()));
    cache.found_consistently(&mut request, start, Some(limited("a", 100)), at(next_month.unwrap()));
    let step = cache.step(&request, at(next_month.unwrap()));
    assert!(matches!(step, Step::Read(Read::Usage { known: None, .. })), "{step:?}");
}

#[test]
fn a_request_is_decided_by_the_usage_that_it_has_read_even_if_none_is_remembered() {
    let mut cache = started(CacheSettings { usage_lifetime_near_limit_ms: 0, ..SETTINGS });
    for (total, expected) in [(80, None), (100, Some(Denial::OverQuota))] {
        let mut request = cache.begin(digest("a"));
        let start = cache.begin_read(at(0));
        cache.found_consistently(&mut request, start, Some(limited("a", 100)), at(0));
        assert!(matches!(cache.step(&request, at(0)), Step::Read(Read::Usage { .. })));
        cache.usage_read(&mut request, "a", usage(total), at(0));
        let step = cache.step(&request, at(0));
        assert_eq!((denial(&step), allows(&step)), (expected, expected.is_none()));
    }
}

#[test]
fn a_request_is_decided_by_the_usage_that_another_one_has_read_meanwhile() {
    let mut cache = started(CacheSettings { key_lifetime_ms: 600_000, ..SETTINGS });
    let mut requests = [(), ()].map(|()| cache.begin(digest("a")));
    for (request, total) in requests.iter_mut().zip([99, 100]) {
        let start = cache.begin_read(at(0));
        cache.found_consistently(request, start, Some(limited("a", 100)), at(0));
        cache.usage_read(request, "a", usage(total), at(0));
    }
    for request in &requests {
        let Step::Answer(Decision::Deny { denial, quota: Some(quota), .. }) = cache.step(request, at(1))
        else {
            panic!("the limit is reached")
        };
        assert_eq!((denial, quota.used), (Denial::OverQuota, 100));
    }
    // A read that began before ends later, and does not open the key again.
    let [request, _] = &mut requests;
    cache.usage_read(request, "a", usage(98), at(0));
    assert_eq!(denial(&cache.step(request, at(2))), Some(Denial::OverQuota));
    assert_eq!(denial(&asked(&mut cache, "a", at(2))), Some(Denial::OverQuota));
}

#[test]
fn a_request_is_decided_by_its_own_usage_if_less_is_remembered() {
    let mut cache = started(CacheSettings { max_keys: 1, ..SETTINGS });
    let [mut request, mut late, mut other] = ["a", "a", "b"].map(|secret| cache.begin(digest(secret)));
    let start = cache.begin_read(at(0));
    cache.found_consistently(&mut request, start, Some(limited("a", 100)), at(0));
    cache.usage_read(&mut request, "a", usage(100), at(0));
    // Another key takes the place of what was read, and an earlier read of the first key ends.
    cache.usage_read(&mut other, "b", usage(1), at(0));
    cache.usage_read(&mut late, "a", usage(99), at(0));
    assert_eq!(denial(&cache.step(&request, at(0))), Some(Denial::OverQuota));
}

#[test]
fn usage_that_cannot_be_read_may_be_older_for_a_while_and_is_then_no_answer() {
    let mut cache =
        started(CacheSettings { sync_interval_ms: 600_000, key_lifetime_ms: 600_000, ..SETTINGS });
    let mut request = cache.begin(digest("a"));
    let start = cache.begin_read(at(0));
    cache.found_consistently(&mut request, start, Some(limited("a", 100)), at(0));
    cache.usage_failed(&mut request);
    assert!(matches!(cache.step(&request, at(0)), Step::Unavailable(_)), "no usage is known");
    cache.usage_read(&mut request, "a", usage(1), at(0));
    assert!(allows(&cache.step(&request, at(0))));
    let mut later = cache.begin(digest("a"));
    cache.usage_failed(&mut later);
    assert!(allows(&cache.step(&later, at(299_999))));
    assert!(matches!(cache.step(&later, at(300_000)), Step::Unavailable(_)));
}

#[test]
fn each_threshold_is_notified_once() {
    let mut cache = started(SETTINGS);
    let mut request = cache.begin(digest("a"));
    let mut to_notify = |total| {
        cache.usage_read(&mut request, "a", usage(total), at(0));
        let threshold = cache.threshold_to_notify("a", &Quota::new(100, &usage(total)));
        if let Some(threshold) = threshold {
            cache.threshold_notified("a", threshold);
        }
        threshold
    };
    let notified: Vec<_> = [79, 80, 81, 100, 120].into_iter().map(&mut to_notify).collect();
    assert_eq!(notified, [None, Some(Threshold::Percent80), None, Some(Threshold::Percent100), None]);
}

#[test]
fn a_wall_clock_that_is_set_loses_no_tombstone_and_makes_no_index_trusted() {
    let mut cache = started(SETTINGS);
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), at(1_000))));
    sync(&mut cache, at(1_005), &["a"]);
    // It is set back to before the tombstone, but not to before the key was read.
    let set_back = ClockReading { wall_ms: at(1_003).wall_ms, monotonic_ms: 1_006 };
    assert_eq!(
        asked(&mut cache, "a", set_back),
        Step::Read(Read::Log),
        "the age of the last read is unknown"
    );
    sync(&mut cache, set_back, &[]);
    assert_eq!(asked(&mut cache, "a", set_back), Step::Read(Read::KeyConsistently));
    // It is set forward, by more than the index can lag.
    let set_forward = ClockReading { wall_ms: at(600_000).wall_ms, monotonic_ms: 1_007 };
    sync(&mut cache, set_forward, &[]);
    assert_eq!(asked(&mut cache, "b", set_forward), Step::Read(Read::KeyConsistently));
}
