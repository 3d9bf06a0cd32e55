//! Dated lists of route classes, and the rule that no instance uses an old copy of them.

use crate::route_class::RouteClasses;
use crate::usage_record::UsageRecord;
use crate::window::time_text;

/// Maximum number of lists, past ones included. Each is kept, because a record may be replayed.
pub const MAX_CLASS_LISTS: usize = 100;

/// Minimum time between the creation of a list and the first request time that it applies to, in
/// milliseconds.
pub const CLASS_LIST_LEAD_MS: i64 = 90 * 60_000;

/// Time for which a copy of the lists applies to records that arrive after it was read, in
/// milliseconds. A call may be made up to [`crate::assessment::MAX_CLOCK_LEAD_MS`] after the arrival
/// of its record. The rest up to [`CLASS_LIST_LEAD_MS`], 15 minutes, is the difference of the clocks
/// of an instance and of an operator.
pub const CLASS_COPY_MS: i64 = 15 * 60_000;

/// Lists of route classes, each of which applies to the request times from its time on, until the
/// next list does. No class applies before the first list.
///
/// The list is chosen by the request time, which is part of a call. Every record that contains the
/// call therefore counts it in the same class, also a retry, a put-back or a replay.
///
/// ```
/// use metering_core::class_lists::{CLASS_LIST_LEAD_MS, ClassLists};
///
/// let now_ms = 1_795_509_270_000;
/// let from_ms = now_ms + CLASS_LIST_LEAD_MS;
/// let lists = ClassLists::default().with(from_ms, "all *".parse()?, now_ms)?;
/// assert_eq!(lists.at(from_ms - 1).names().len(), 0);
/// assert_eq!(lists.at(from_ms).names().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ClassLists(Vec<(i64, RouteClasses)>);

/// The list before the first one.
static NO_CLASSES: RouteClasses = RouteClasses::NONE;

/// A list that cannot be added or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClassDateError {
    /// An instance may not know the list in time.
    #[error(
        "a list is added or removed {} minutes before it applies at the latest, so that no instance has an old copy by then",
        CLASS_LIST_LEAD_MS / 60_000
    )]
    TooSoon,
    /// A later list exists.
    #[error("there is a list from {} on; a new one applies after it", time_text(*latest_ms))]
    NotLast {
        /// Time from which the latest list applies, in milliseconds since 1970.
        latest_ms: i64,
    },
    /// No list applies from this time on.
    #[error("there is no list from {} on", time_text(*from_ms))]
    NoSuchList {
        /// The time, in milliseconds since 1970.
        from_ms: i64,
    },
    /// There are [`MAX_CLASS_LISTS`] lists.
    #[error("there are {MAX_CLASS_LISTS} lists, the most that are kept; report this limit if you need more")]
    TooMany,
}

impl ClassLists {
    /// Takes lists that were read from storage, in any order.
    pub fn from_stored(mut lists: Vec<(i64, RouteClasses)>) -> Self {
        lists.sort_by_key(|(from_ms, _)| *from_ms);
        Self(lists)
    }

    /// Returns the lists without a list.
    pub fn none() -> &'static Self {
        static NONE: ClassLists = ClassLists(Vec::new());
        &NONE
    }

    /// Returns the class of a call; `None` if no class fits.
    pub fn class_of(&self, call: &UsageRecord<'_>) -> Option<&str> {
        self.at(call.requested_at_ms).class_of(call)
    }

    /// Returns the list that applies to a call that was made at `requested_at_ms`, in milliseconds
    /// since 1970.
    pub fn at(&self, requested_at_ms: i64) -> &RouteClasses {
        self.in_force(requested_at_ms).map_or(&NO_CLASSES, |(_, classes)| classes)
    }

    /// Returns the time from which the list of calls made at `at_ms` applies; `None` if no list does.
    /// Both are in milliseconds since 1970.
    pub fn in_force_ms(&self, at_ms: i64) -> Option<i64> {
        self.in_force(at_ms).map(|(from_ms, _)| *from_ms)
    }

    fn in_force(&self, at_ms: i64) -> Option<&(i64, RouteClasses)> {
        self.0.iter().rev().find(|(from_ms, _)| *from_ms <= at_ms)
    }

    /// Returns the lists with the times from which they apply, in milliseconds since 1970.
    pub fn lists(&self) -> &[(i64, RouteClasses)] {
        &self.0
    }

    /// Adds a list that is created at `now_ms` and applies from `from_ms` on, both in milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// When an instance could miss the list, a later list exists, or there are too many.
    pub fn with(mut self, from_ms: i64, classes: RouteClasses, now_ms: i64) -> Result<Self, ClassDateError> {
        check_lead(from_ms, now_ms)?;
        if let Some((latest_ms, _)) = self.0.last().filter(|(latest_ms, _)| *latest_ms >= from_ms) {
            return Err(ClassDateError::NotLast { latest_ms: *latest_ms });
        }
        if self.0.len() >= MAX_CLASS_LISTS {
            return Err(ClassDateError::TooMany);
        }
        self.0.push((from_ms, classes));
        Ok(self)
    }

    /// Removes a list that does not apply yet: the one from `from_ms` on, at `now_ms`, both in
    /// milliseconds since 1970.
    ///
    /// # Errors
    /// When an instance could still have the list when it would apply, or there is no such list.
    pub fn without(mut self, from_ms: i64, now_ms: i64) -> Result<Self, ClassDateError> {
        let found = self.0.iter().position(|(of_list_ms, _)| *of_list_ms == from_ms);
        let place = found.ok_or(ClassDateError::NoSuchList { from_ms })?;
        check_lead(from_ms, now_ms)?;
        self.0.remove(place);
        Ok(self)
    }
}

/// Checks that every instance knows of a change at `now_ms` to the list from `from_ms` on in time.
/// Both are in milliseconds since 1970.
///
/// # Errors
/// When the list applies sooner than [`CLASS_LIST_LEAD_MS`] after the change.
pub fn check_lead(from_ms: i64, now_ms: i64) -> Result<(), ClassDateError> {
    let is_in_time = from_ms >= now_ms.saturating_add(CLASS_LIST_LEAD_MS);
    if is_in_time { Ok(()) } else { Err(ClassDateError::TooSoon) }
}

/// Returns `true` if a copy of the lists that was read at `read_at_ms` has every list that applies to
/// a countable call of a record which arrived at `arrived_at_ms`. Both are in milliseconds since 1970.
pub fn copy_applies(read_at_ms: i64, arrived_at_ms: i64) -> bool {
    arrived_at_ms < read_at_ms.saturating_add(CLASS_COPY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessment::MAX_CLOCK_LEAD_MS;
    use crate::usage_record::CallStatus;
    use proptest::prelude::*;

    fn list(name: &str) -> RouteClasses {
        format!("{name} *").parse().unwrap()
    }

    #[test]
    fn each_list_applies_until_the_next() {
        let lists = ClassLists::from_stored(vec![(20, list("b")), (10, list("a"))]);
        let at = |arrived_at_ms: i64| lists.at(arrived_at_ms).names().next().map(str::to_owned);
        assert_eq!(
            [9, 10, 19, 20, 99].map(at),
            [None, Some("a"), Some("a"), Some("b"), Some("b")].map(|name| name.map(str::to_owned))
        );
        assert_eq!(
            [9, 10, 19, 20].map(|at_ms| lists.in_force_ms(at_ms)),
            [None, Some(10), Some(10), Some(20)]
        );
    }

    #[test]
    fn a_call_has_the_class_of_its_request_time() {
        let lists = ClassLists::from_stored(vec![(20, list("b")), (10, list("a"))]);
        let call = |requested_at_ms: i64| UsageRecord {
            api_key_id: Some("key-1"),
            customer_id: None,
            status: CallStatus::parse(b"200").unwrap(),
            method: Some("GET"),
            route: Some("/orders"),
            api_id: None,
            stage: None,
            requested_at_ms,
            responded_at_ms: 99,
            response_bytes: 0,
        };
        assert_eq!([9, 10, 20].map(|at_ms| lists.class_of(&call(at_ms))), [None, Some("a"), Some("b")]);
        assert_eq!(ClassLists::none().class_of(&call(20)), None);
    }

    #[test]
    fn the_lead_is_ninety_minutes() {
        let problem = ClassDateError::TooSoon.to_string();
        assert!(problem.contains("removed 90 minutes before"), "{problem}");
        let now_ms = 7;
        assert_eq!(check_lead(now_ms + 90 * 60_000, now_ms), Ok(()));
        assert_eq!(check_lead(now_ms + 90 * 60_000 - 1, now_ms), Err(ClassDateError::TooSoon));
        let clock_difference_ms = 15 * 60_000;
        assert_eq!(CLASS_COPY_MS + MAX_CLOCK_LEAD_MS + clock_difference_ms, CLASS_LIST_LEAD_MS);
    }

    #[test]
    fn a_list_that_an_instance_could_miss_or_that_is_not_the_last_is_refused() {
        let now_ms = 1_000_000_000_000;
        let first_ms = now_ms + CLASS_LIST_LEAD_MS;
        assert_eq!(ClassLists::default().with(first_ms - 1, list("a"), now_ms), Err(ClassDateError::TooSoon));
        let lists = ClassLists::default().with(first_ms, list("a"), now_ms).unwrap();
        assert_eq!(
            lists.clone().with(first_ms, list("b"), now_ms),
            Err(ClassDateError::NotLast { latest_ms: first_ms })
        );
        assert_eq!(lists.with(first_ms + 1, list("b"), now_ms).unwrap().lists().len(), 2);
    }

    #[test]
    fn only_a_list_that_no_instance_may_use_yet_is_removed() {
        let from_ms = CLASS_LIST_LEAD_MS + 10;
        let lists = ClassLists::default().with(from_ms, list("a"), 0).unwrap();
        assert_eq!(lists.clone().without(from_ms, 11), Err(ClassDateError::TooSoon));
        let problem = lists.clone().without(5, 0).unwrap_err();
        assert_eq!(problem.to_string(), "there is no list from 1970-01-01T00:00:00.005Z on");
        assert_eq!(lists.without(from_ms, 10), Ok(ClassLists::default()));
    }

    #[test]
    fn there_are_so_many_lists_and_no_more() {
        let now_ms = 0;
        let mut lists = ClassLists::default();
        for number in 0..MAX_CLASS_LISTS {
            let from_ms = CLASS_LIST_LEAD_MS + i64::try_from(number).unwrap();
            lists = lists.with(from_ms, list("a"), now_ms).unwrap();
        }
        assert_eq!(lists.with(2 * CLASS_LIST_LEAD_MS, list("a"), now_ms), Err(ClassDateError::TooMany));
    }

    proptest! {
        /// Whatever was added after a copy was read does not apply to a countable call of a record
        /// that the copy judges, if the clocks differ by less than 15 minutes.
        #[test]
        fn no_copy_misses_a_list_that_applies(
            read_at_ms in 0_i64..1_000_000_000,
            after_ms in 0_i64..3_600_000,
            operator_lags_ms in -1_000_000_i64..900_000,
            later_ms in 0_i64..1_000_000,
            arrived_later_ms in -3_600_000_i64..3_600_000,
            lead_ms in 0..=MAX_CLOCK_LEAD_MS,
        ) {
            let added_at_ms = read_at_ms + after_ms - operator_lags_ms;
            let from_ms = added_at_ms + CLASS_LIST_LEAD_MS + later_ms;
            let arrived_at_ms = read_at_ms + arrived_later_ms;
            if copy_applies(read_at_ms, arrived_at_ms) {
                prop_assert!(arrived_at_ms + lead_ms < from_ms);
            }
        }
    }

    #[test]
    fn a_copy_applies_for_a_quarter_of_an_hour() {
        assert!(copy_applies(5, CLASS_COPY_MS + 4) && !copy_applies(5, CLASS_COPY_MS + 5));
        assert!(copy_applies(5, -1));
    }
}
