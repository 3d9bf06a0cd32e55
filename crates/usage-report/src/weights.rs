//! Dated lists of weights: the credits of a call by its route class.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use metering_core::route_class::MAX_CLASS_NAME_BYTES;
use metering_core::window::{HOUR_MS, hour_start_ms, time_text};

use crate::credits::{Credits, Weight, WeightError};

/// Maximum number of lists, past ones included. Each is kept, because past usage is read with it.
pub const MAX_WEIGHT_LISTS: usize = 100;
/// Maximum number of classes in a list. Past classes may keep their weights.
pub const MAX_WEIGHTS: usize = 100;

/// Minimum time between the creation of a list and the first hour in which it applies, in milliseconds. The
/// creation may take a while, and the clock of the operator may be slow.
pub const WEIGHT_LIST_LEAD_MS: i64 = 5 * 60_000;

/// Stands for all calls whose class has no weight, and for those without a class.
const OTHERS: &str = "*";

/// The weights of route classes.
///
/// ```
/// use usage_report::weights::ClassWeights;
///
/// let weights: ClassWeights = "search 2.5\n* 0.5".parse()?;
/// assert_eq!(weights.weight_of(Some("search")).to_string(), "2.5");
/// assert_eq!(weights.weight_of(None).to_string(), "0.5");
/// # Ok::<(), usage_report::weights::WeightListError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassWeights {
    by_class: BTreeMap<Box<str>, Weight>,
    others: Option<Weight>,
}

impl ClassWeights {
    /// Returns the weight of a call by its class; `None` for a call without one.
    pub fn weight_of(&self, route_class: Option<&str>) -> Weight {
        let of_class = route_class.and_then(|class| self.by_class.get(class)).copied();
        of_class.or(self.others).unwrap_or(Weight::ONE)
    }

    /// Returns the names of the classes that have a weight.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.by_class.keys().map(|class| &**class)
    }
}

/// A text that is not a list of weights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightListError {
    /// A line is not understood.
    #[error("line {line}: {problem}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// The mistake in the line, and its remedy.
        problem: String,
    },
    /// The list has more than [`MAX_WEIGHTS`] classes.
    #[error(
        "the list has {classes} classes, more than {MAX_WEIGHTS}; leave out classes that no calls have any more"
    )]
    TooMany {
        /// Number of classes in the list.
        classes: usize,
    },
}

impl FromStr for ClassWeights {
    type Err = WeightListError;

    /// Reads a line for each class, its name and its weight. Empty lines, and lines that begin with `#`,
    /// are left out.
    fn from_str(text: &str) -> Result<Self, WeightListError> {
        let mut weights = Self { by_class: BTreeMap::new(), others: None };
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if !text.is_empty() && !text.starts_with('#') {
                weights.add(text).map_err(|problem| WeightListError::Line { line, problem })?;
            }
        }
        match weights.by_class.len() {
            0..=MAX_WEIGHTS => Ok(weights),
            classes => Err(WeightListError::TooMany { classes }),
        }
    }
}

impl ClassWeights {
    fn add(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let (Some(class), Some(weight), None) = (words.next(), words.next(), words.next()) else {
            return Err(format!(
                "write a class and its weight, as in `search 2.5`, or `{OTHERS} 1` for all other calls"
            ));
        };
        if class.len() > MAX_CLASS_NAME_BYTES {
            return Err(format!("the name of a class has at most {MAX_CLASS_NAME_BYTES} bytes"));
        }
        let weight = weight.parse().map_err(|error: WeightError| error.to_string())?;
        let earlier = match class {
            OTHERS => self.others.replace(weight),
            class => self.by_class.insert(class.into(), weight),
        };
        if earlier.is_some() { Err(format!("{class} has a weight already")) } else { Ok(()) }
    }
}

impl fmt::Display for ClassWeights {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.by_class.iter().try_for_each(|(class, weight)| writeln!(formatter, "{class} {weight}"))?;
        self.others.iter().try_for_each(|weight| writeln!(formatter, "{OTHERS} {weight}"))
    }
}

/// Lists of weights, each of which applies to the calls of the hours from its time on, until the next
/// list does. Before the first list, each call is one credit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeightLists(Vec<(i64, ClassWeights)>);

/// A list that cannot be added or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeightDateError {
    /// The time is within an hour, for which the ledger has one number.
    #[error("weights apply from a full UTC hour on, such as {}", time_text(hour_start_ms(*from_ms)))]
    WithinHour {
        /// The time, in milliseconds since 1970.
        from_ms: i64,
    },
    /// The list would change the credits of past hours.
    #[error(
        "the credits of the hour of {} may have been read: it has begun, or begins within {} minutes. With --restate, they change nevertheless",
        time_text(*from_ms),
        WEIGHT_LIST_LEAD_MS / 60_000
    )]
    Past {
        /// The time, in milliseconds since 1970.
        from_ms: i64,
    },
    /// There is a list from this time on.
    #[error("there is a list from {} on; --restate replaces it", time_text(*from_ms))]
    Taken {
        /// The time, in milliseconds since 1970.
        from_ms: i64,
    },
    /// No list applies from this time on.
    #[error("there is no list from {} on; see `meter weights show`", time_text(*from_ms))]
    NoSuchList {
        /// The time, in milliseconds since 1970.
        from_ms: i64,
    },
    /// There are [`MAX_WEIGHT_LISTS`] lists.
    #[error("there are {MAX_WEIGHT_LISTS} lists, the most that are kept; report this limit if you need more")]
    TooMany,
}

/// The credits that a change may affect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastHours {
    /// Credits of hours that have begun stay as they are.
    Keep,
    /// Credits of all hours may change, and a list may replace another.
    Restate,
}

impl WeightLists {
    /// Takes lists that were read from storage, in any order.
    pub fn from_stored(mut lists: Vec<(i64, ClassWeights)>) -> Self {
        lists.sort_by_key(|(from_ms, _)| *from_ms);
        Self(lists)
    }

    /// Returns `true` if there is no list, and calls have no credits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the lists with the times from which they apply, in milliseconds since 1970.
    pub fn lists(&self) -> &[(i64, ClassWeights)] {
        &self.0
    }

    /// Returns the list that applies from exactly `from_ms` on, in milliseconds since 1970.
    pub fn from_exactly(&self, from_ms: i64) -> Option<&ClassWeights> {
        self.0.iter().find(|(of_list_ms, _)| *of_list_ms == from_ms).map(|(_, weights)| weights)
    }

    /// Returns the time from which the list that applies at `at_ms` does; `None` if no list does. Both
    /// are in milliseconds since 1970.
    pub fn in_force_ms(&self, at_ms: i64) -> Option<i64> {
        self.in_force(at_ms).map(|(from_ms, _)| *from_ms)
    }

    /// Returns the credits of calls in an hour by their class. `hour_ms` is the start of the hour, in
    /// milliseconds since 1970.
    pub fn credits(&self, route_class: Option<&str>, hour_ms: i64, calls: u64) -> Credits {
        let weight =
            self.in_force(hour_ms).map_or(Weight::ONE, |(_, weights)| weights.weight_of(route_class));
        weight * calls
    }

    fn in_force(&self, at_ms: i64) -> Option<&(i64, ClassWeights)> {
        let later = self.0.partition_point(|(from_ms, _)| *from_ms <= at_ms);
        self.0[..later].last()
    }

    /// Adds a list at `now_ms` that applies from `from_ms` on, both in milliseconds since 1970.
    ///
    /// # Errors
    /// When the time is not the start of an hour, or there are too many lists; or, if past hours keep
    /// their credits, when it is not [`WEIGHT_LIST_LEAD_MS`] ahead, or another list applies from it on.
    pub fn with(
        mut self,
        from_ms: i64,
        weights: ClassWeights,
        now_ms: i64,
        past: PastHours,
    ) -> Result<Self, WeightDateError> {
        if from_ms.rem_euclid(HOUR_MS) != 0 {
            return Err(WeightDateError::WithinHour { from_ms });
        }
        check_past(from_ms, now_ms, past)?;
        if past == PastHours::Restate {
            self.0.retain(|(taken_ms, _)| *taken_ms != from_ms);
        } else if self.0.iter().any(|(taken_ms, _)| *taken_ms == from_ms) {
            return Err(WeightDateError::Taken { from_ms });
        }
        if self.0.len() >= MAX_WEIGHT_LISTS {
            return Err(WeightDateError::TooMany);
        }
        self.0.push((from_ms, weights));
        Ok(Self::from_stored(self.0))
    }

    /// Removes the list from `from_ms` on, at `now_ms`, both in milliseconds since 1970.
    ///
    /// # Errors
    /// When there is no such list, or it applies already and past hours keep their credits.
    pub fn without(mut self, from_ms: i64, now_ms: i64, past: PastHours) -> Result<Self, WeightDateError> {
        let place = self.0.iter().position(|(of_list_ms, _)| *of_list_ms == from_ms);
        let place = place.ok_or(WeightDateError::NoSuchList { from_ms })?;
        check_past(from_ms, now_ms, past)?;
        self.0.remove(place);
        Ok(self)
    }
}

fn check_past(from_ms: i64, now_ms: i64, past: PastHours) -> Result<(), WeightDateError> {
    let is_ahead = from_ms >= now_ms.saturating_add(WEIGHT_LIST_LEAD_MS);
    if is_ahead || past == PastHours::Restate { Ok(()) } else { Err(WeightDateError::Past { from_ms }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 10 * HOUR_MS + 1;

    fn weights(text: &str) -> ClassWeights {
        text.parse().unwrap()
    }

    fn problem(text: &str) -> String {
        text.parse::<ClassWeights>().unwrap_err().to_string()
    }

    #[test]
    fn a_list_has_a_line_for_each_class_and_one_for_the_others() {
        let list = weights("\n# prices of 2027\nsearch   2.50\n  * 0.5\nexport 100\n");
        assert_eq!(list.to_string(), "export 100\nsearch 2.5\n* 0.5\n");
        assert_eq!(weights(&list.to_string()), list);
        assert_eq!(list.classes().collect::<Vec<_>>(), ["export", "search"]);
        let of = |class: Option<&str>| list.weight_of(class).to_string();
        assert_eq!([of(Some("search")), of(Some("upload")), of(None)], ["2.5", "0.5", "0.5"]);
        assert_eq!(weights("").weight_of(Some("search")), Weight::ONE);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        assert!(problem("search").starts_with("line 1: write a class and its weight"));
        assert!(problem("\nsearch 2 3").starts_with("line 2: write a class and its weight"));
        assert!(problem("search x").contains("line 1: a weight is a number of credits"));
        assert!(problem("search 1\nsearch 1").contains("line 2: search has a weight already"));
        assert!(problem("* 1\n* 1").contains("line 2: * has a weight already"));
        assert!(problem(&format!("{} 1", "s".repeat(MAX_CLASS_NAME_BYTES + 1))).contains("at most 32 bytes"));
        let classes =
            |number: usize| (0..number).map(|class| format!("c{class} 1")).collect::<Vec<_>>().join("\n");
        assert_eq!(weights(&classes(MAX_WEIGHTS)).classes().count(), MAX_WEIGHTS);
        assert!(problem(&classes(MAX_WEIGHTS + 1)).contains("101 classes, more than 100"));
    }

    #[test]
    fn each_list_applies_from_its_hour_until_the_next() {
        let lists =
            WeightLists::from_stored(vec![(2 * HOUR_MS, weights("a 3")), (HOUR_MS, weights("a 2\n* 0"))]);
        let credits = |class, hour| lists.credits(class, hour * HOUR_MS, 10).to_string();
        assert_eq!([0, 1, 2, 9].map(|hour| credits(Some("a"), hour)), ["10", "20", "30", "30"]);
        assert_eq!([0, 1, 2].map(|hour| credits(None, hour)), ["10", "0", "10"]);
        let in_force = [HOUR_MS - 1, HOUR_MS, 3 * HOUR_MS].map(|at_ms| lists.in_force_ms(at_ms));
        assert_eq!(in_force, [None, Some(HOUR_MS), Some(2 * HOUR_MS)]);
    }

    #[test]
    fn past_hours_keep_their_credits_unless_they_are_restated() {
        let add = |from_ms, past| WeightLists::default().with(from_ms, weights("* 2"), NOW_MS, past);
        let (keep, restate) = (PastHours::Keep, PastHours::Restate);
        assert!(add(11 * HOUR_MS, keep).is_ok() && add(10 * HOUR_MS, restate).is_ok());
        assert_eq!(add(10 * HOUR_MS, keep), Err(WeightDateError::Past { from_ms: 10 * HOUR_MS }));
        assert_eq!(add(NOW_MS, restate), Err(WeightDateError::WithinHour { from_ms: NOW_MS }));
        let lists = add(11 * HOUR_MS, keep).unwrap();
        assert_eq!(lists.from_exactly(11 * HOUR_MS), Some(&weights("* 2")));
        assert_eq!(lists.from_exactly(12 * HOUR_MS), None);
        let again = |past| lists.clone().with(11 * HOUR_MS, weights("a 1"), NOW_MS, past);
        assert_eq!(again(keep), Err(WeightDateError::Taken { from_ms: 11 * HOUR_MS }));
        assert_eq!(again(restate).unwrap().lists(), [(11 * HOUR_MS, weights("a 1"))]);
        let earlier = lists.clone().with(HOUR_MS, weights("* 5"), NOW_MS, restate).unwrap();
        assert_eq!(earlier.lists()[0].0, HOUR_MS, "lists are in the order of time");
        assert_eq!(
            earlier.clone().without(HOUR_MS, NOW_MS, keep),
            Err(WeightDateError::Past { from_ms: HOUR_MS })
        );
        assert_eq!(earlier.without(HOUR_MS, NOW_MS, restate), Ok(lists.clone()));
        assert_eq!(
            lists.clone().without(12 * HOUR_MS, NOW_MS, keep),
            Err(WeightDateError::NoSuchList { from_ms: 12 * HOUR_MS })
        );
        assert!(lists.without(11 * HOUR_MS, NOW_MS, keep).unwrap().is_empty());
        let at = |now_ms: i64| WeightLists::default().with(11 * HOUR_MS, weights(""), now_ms, keep).is_ok();
        let latest_ms = 11 * HOUR_MS - WEIGHT_LIST_LEAD_MS;
        assert!(at(latest_ms) && !at(latest_ms + 1));
    }

    #[test]
    fn there_are_so_many_lists_and_no_more() {
        let mut lists = WeightLists::default();
        let mut from_ms = 11 * HOUR_MS;
        for _ in 0..MAX_WEIGHT_LISTS {
            lists = lists.with(from_ms, weights(""), NOW_MS, PastHours::Keep).unwrap();
            from_ms += HOUR_MS;
        }
        assert_eq!(lists.with(from_ms, weights(""), NOW_MS, PastHours::Keep), Err(WeightDateError::TooMany));
    }
}
