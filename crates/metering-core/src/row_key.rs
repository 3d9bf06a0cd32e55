//! The primary key of a ledger row.

use crate::claims::owner::ShardName;
use crate::metered_key::{Breakdown, MeteredKey};
use crate::window::UtcDay;

/// Separates the parts of a sort key.
const SEPARATOR: char = '#';
/// The character after [`SEPARATOR`]: the end of a range of sort keys.
const AFTER_SEPARATOR: char = '$';

/// Begins the partition key of a customer.
const CUSTOMER: &str = "customer#";
/// Begins the partition key of a key that belongs to no customer.
const KEY: &str = "key#";

/// The key of the row that one shard writes for one breakdown. No other shard writes it, and a
/// shard has one batch in flight, so every row has one writer.
///
/// The partition is that of the customer. The sort key begins with the month and the key, so that
/// the month of a customer is one range of rows, and so is the month of a key.
///
/// ```
/// use metering_core::claims::owner::ShardName;
/// use metering_core::metered_key::{Breakdown, MeteredKey};
/// use metering_core::row_key::RowKey;
///
/// let row = RowKey {
///     breakdown: Breakdown {
///         key: MeteredKey { customer_id: Some("acme".into()), api_key_id: "key-1".into() },
///         route_class: Some("search".into()),
///         day: "2026-11-24".parse().unwrap(),
///     },
///     shard: ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000000"),
/// };
/// let (partition, sort) = (row.partition_key(), row.sort_key());
/// assert_eq!(partition, "customer#acme");
/// assert_eq!(sort, "2026-11#key-1#24#search#123456789012/eu-west-1/usage/shardId-000000000000");
/// assert_eq!(RowKey::parse(&partition, &sort), Some(row));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The calls that the row counts.
    pub breakdown: Breakdown,
    /// The shard that writes the row.
    pub shard: ShardName,
}

impl RowKey {
    /// Returns the key and its customer.
    pub fn key(&self) -> &MeteredKey {
        &self.breakdown.key
    }

    /// Returns the UTC day.
    pub fn day(&self) -> UtcDay {
        self.breakdown.day
    }

    /// Returns the partition key.
    pub fn partition_key(&self) -> String {
        partition_key(&self.breakdown.key)
    }

    /// Returns the sort key, `MONTH#KEY#DAY#CLASS#SHARD`. The class is empty if there is none, and
    /// the key if it is in the partition key.
    pub fn sort_key(&self) -> String {
        let Self { breakdown: Breakdown { key, route_class, day }, shard } = self;
        let route_class = route_class.as_deref().unwrap_or_default();
        format!("{}{SEPARATOR}{route_class}{SEPARATOR}{shard}", day_prefix(key, *day))
    }

    /// Parses the two keys of a row. `None` for any other texts.
    ///
    /// A key id may contain the separator. Month, day, class and shard do not.
    pub fn parse(partition_key: &str, sort_key: &str) -> Option<Self> {
        let (rest, shard) = sort_key.rsplit_once(SEPARATOR)?;
        let (rest, route_class) = rest.rsplit_once(SEPARATOR)?;
        let (rest, day) = rest.rsplit_once(SEPARATOR)?;
        let (month, api_key_id) = rest.split_once(SEPARATOR)?;
        let row = Self {
            breakdown: Breakdown {
                key: match partition_key.strip_prefix(CUSTOMER) {
                    Some(customer_id) => {
                        MeteredKey { customer_id: Some(customer_id.into()), api_key_id: api_key_id.into() }
                    }
                    None => MeteredKey::without_customer(partition_key.strip_prefix(KEY)?),
                },
                route_class: Some(route_class).filter(|class| !class.is_empty()).map(Into::into),
                day: format!("{month}-{day}").parse().ok()?,
            },
            shard: ShardName::from_stored(shard),
        };
        (row.sort_key() == sort_key).then_some(row)
    }
}

/// Returns the partition key of the rows of a key.
pub fn partition_key(key: &MeteredKey) -> String {
    match &key.customer_id {
        Some(customer_id) => partition_key_of_customer(customer_id),
        None => format!("{KEY}{}", key.api_key_id),
    }
}

/// Returns ranges of sort keys that have all rows of a key from the day `from` to the day `to`, both
/// included: one for each month. The ranges of a customer's key also have rows of its other keys whose
/// ids contain `#`.
pub fn sort_key_ranges(key: &MeteredKey, from: UtcDay, to: UtcDay) -> Vec<[String; 2]> {
    let mut ranges = Vec::new();
    let mut first = from;
    while first <= to {
        let last = first.last_of_month().min(to);
        ranges.push([
            format!("{}{SEPARATOR}", day_prefix(key, first)),
            format!("{}{AFTER_SEPARATOR}", day_prefix(key, last)),
        ]);
        first = last.plus_days(1);
    }
    ranges
}

/// Returns the partition key of the rows of a customer.
pub fn partition_key_of_customer(customer_id: &str) -> String {
    format!("{CUSTOMER}{customer_id}")
}

/// Returns the range of sort keys that has the rows of all keys in the months from that of `from` to
/// that of `to`.
pub fn sort_key_range_of_months(from: UtcDay, to: UtcDay) -> [String; 2] {
    let month = |day: UtcDay| day.to_string()[..7].to_owned();
    [format!("{}{SEPARATOR}", month(from)), format!("{}{AFTER_SEPARATOR}", month(to))]
}

/// Returns the beginning of the sort keys of a key and a day, `MONTH#KEY#DAY`.
fn day_prefix(key: &MeteredKey, day: UtcDay) -> String {
    let api_key_id = if key.customer_id.is_some() { &key.api_key_id } else { "" };
    let day = day.to_string();
    let (month, day) = day.rsplit_once('-').unwrap_or((&day, ""));
    format!("{month}{SEPARATOR}{api_key_id}{SEPARATOR}{day}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns a row on the day that is `day` days after the first of 2026.
    fn row(customer_id: Option<String>, api_key_id: String, route_class: Option<&str>, day: i32) -> RowKey {
        let key = MeteredKey { customer_id: customer_id.map(Into::into), api_key_id: api_key_id.into() };
        let shard = ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000007");
        let day = "2026-01-01".parse::<UtcDay>().unwrap().plus_days(day);
        RowKey { breakdown: Breakdown { key, route_class: route_class.map(Into::into), day }, shard }
    }

    proptest! {
        #[test]
        fn a_row_is_read_from_its_keys_whatever_the_ids_contain(
            customer_id in prop::option::of("[#a-c/-]{1,6}"), api_key_id in "[#a-c/0-9-]{1,8}",
            route_class in prop::option::of("[a-c-]{1,3}"), day in 0_i32..800,
        ) {
            let row = row(customer_id, api_key_id, route_class.as_deref(), day);
            prop_assert_eq!(RowKey::parse(&row.partition_key(), &row.sort_key()), Some(row));
        }

        #[test]
        fn the_ranges_have_exactly_the_rows_of_their_days(
            of_customer: bool, api_key_id in "[#a-c]{1,4}", from in 0_i32..100, days in 0_i32..100, day in -5_i32..210,
        ) {
            let row = row(Some("acme".to_owned()).filter(|_| of_customer), api_key_id, Some("class"), day);
            let at = |day: i32| "2026-01-01".parse::<UtcDay>().unwrap().plus_days(day);
            let sort_key = row.sort_key();
            let is_within = |[first, last]: &[String; 2]| (first..=last).contains(&&sort_key);
            let ranges = sort_key_ranges(row.key(), at(from), at(from + days));
            prop_assert_eq!(ranges.iter().filter(|range| is_within(range)).count(), usize::from((from..=from + days).contains(&day)));
        }
    }

    #[test]
    fn the_range_of_months_has_all_their_keys_and_no_other_month() {
        let day = |text: &str| text.parse::<UtcDay>().unwrap();
        let [first, last] = sort_key_range_of_months(day("2026-02-28"), day("2026-03-01"));
        for (days, is_within) in [(30, false), (31, true), (58, true), (59, true), (89, true), (90, false)] {
            for key in ["#", "a", "~"] {
                let sort_key = row(Some("acme".to_owned()), key.to_owned(), None, days).sort_key();
                assert_eq!((&first..=&last).contains(&&sort_key), is_within, "{sort_key}");
            }
        }
    }

    #[test]
    fn the_days_of_a_month_are_in_order_and_those_of_a_customer_together() {
        let sort_keys = [("key-1", 0), ("key-1", 30), ("key-2", 0), ("key-1", 31)]
            .map(|(key, day)| row(Some("acme".to_owned()), key.to_owned(), None, day).sort_key());
        assert!(sort_keys.is_sorted());
        assert_eq!(sort_keys[3], "2026-02#key-1#01##123456789012/eu-west-1/usage/shardId-000000000007");
    }

    #[test]
    fn other_texts_are_no_row() {
        let sort_key = row(None, "key-1".to_owned(), None, 0).sort_key();
        assert!(RowKey::parse("key#key-1", &sort_key).is_some());
        for (partition_key, sort_key) in [
            ("customer", sort_key.as_str()),
            ("key-1", &sort_key),
            ("key#key-1", "2026-13##01##s"),
            ("key#key-1", "2026-12#key-1#01##s"),
            ("key#key-1", "01#s"),
        ] {
            assert_eq!(RowKey::parse(partition_key, sort_key), None, "{partition_key} {sort_key}");
        }
    }
}
