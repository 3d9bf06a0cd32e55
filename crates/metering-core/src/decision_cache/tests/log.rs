use super::*;

/// Reports a read of a log whose head is at `head`, and which has this entry of it, of key `0`.
fn read_of(cache: &mut DecisionCache, now: ClockReading, head: u64, entry: Option<u64>) -> LogCheck {
    let start = cache.begin_read(now);
    let entry = entry.map(|sequence| LogEntry { sequence, key_id: "0".to_owned(), changed_at_ms: 0 });
    cache.synced(start, &LogRead { head, entries: entry.into_iter().collect() }, now)
}

#[test]
fn the_log_is_read_again_from_its_last_known_entry_on() {
    let mut cache = DecisionCache::new(SETTINGS);
    assert_eq!((cache.log_position(), cache.log_head()), (None, None));
    for (head, position) in [(0, 0), (1, 0), (2, 1), (7, 6)] {
        read_of(&mut cache, at(0), head, Some(head));
        assert_eq!((cache.log_position(), cache.log_head()), (Some(position), Some(head)));
    }
}

#[test]
fn a_read_of_the_log_that_began_before_a_known_one_changes_nothing() {
    let mut cache = started(SETTINGS);
    let early = cache.begin_read(at(1));
    assert_eq!(read_of(&mut cache, at(1), 1, Some(1)), LogCheck::Sound);
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 0)), at(1))));
    assert_eq!(cache.synced(early, &log(0, &[]), at(2)), LogCheck::Sound, "the log had no entry then");
    assert_eq!(cache.log_head(), Some(1));
    assert!(allows(&asked(&mut cache, "a", at(2))), "it is still remembered");
}

#[test]
fn an_entry_that_is_missing_or_comes_late_is_not_a_different_log() {
    let mut cache = started(SETTINGS);
    for entry in [None, Some(1), None] {
        assert_eq!(read_of(&mut cache, at(1), 1, entry), LogCheck::Sound, "{entry:?}");
    }
}

/// The time for which a key is above the head begins when the first such version is found.
#[test]
fn a_key_at_the_head_is_not_above_it() {
    let mut cache = started(SETTINGS);
    assert_eq!(read_of(&mut cache, at(1), 3, Some(3)), LogCheck::Sound);
    assert!(allows(&look_up(&mut cache, "a", Some(key("a", 3)), at(1))));
    assert!(allows(&look_up(&mut cache, "b", Some(key("b", 4)), at(10_002))));
    assert_eq!(read_of(&mut cache, at(10_002), 3, Some(3)), LogCheck::Sound, "it was found just now");
    assert_eq!(read_of(&mut cache, at(20_003), 3, Some(3)), LogCheck::Behind);
}
