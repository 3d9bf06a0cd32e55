//! The groups of a report, and the sums of their calls.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::str::FromStr;

use metering_core::metered_key::Breakdown;
use metering_core::row_key::partition_key;

use crate::credits::Credits;
use crate::periods::Periods;
use crate::source::{HourUsage, UsageRow};
use crate::weights::WeightLists;

/// A property by which usage is grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Property {
    /// The customer, or the key of a key that belongs to none
    Customer,
    /// The key with which calls were made
    Key,
    /// The route class of calls
    Class,
}

/// A text that is not a property by which usage is grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("usage is grouped by customer, key or class")]
pub struct NotAProperty;

impl FromStr for Property {
    type Err = NotAProperty;

    fn from_str(text: &str) -> Result<Self, NotAProperty> {
        match text {
            "customer" => Ok(Self::Customer),
            "key" => Ok(Self::Key),
            "class" => Ok(Self::Class),
            _ => Err(NotAProperty),
        }
    }
}

/// The properties of the calls in a group. Those that are not asked for are `None`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// The id of the customer.
    pub customer_id: Option<Box<str>>,
    /// The id of the key.
    pub api_key_id: Option<Box<str>>,
    /// The name of the route class.
    pub route_class: Option<Box<str>>,
}

/// Counted calls, their credits and the bytes of their responses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Number of counted calls.
    pub calls: u64,
    /// Credits of the calls by the weights; `None` if there are no weights.
    pub credits: Option<Credits>,
    /// Length of the responses, in bytes; 0 if the access log does not have it.
    pub response_bytes: u64,
}

impl Amount {
    /// Returns the amount of no calls. It has credits if there are weights.
    pub fn of_no_calls(weights: &WeightLists) -> Self {
        Self { credits: (!weights.is_empty()).then(Credits::default), ..Self::default() }
    }

    /// Returns the credits as a decimal number.
    pub fn credits_text(&self) -> Option<String> {
        self.credits.map(|credits| credits.to_string())
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.response_bytes += other.response_bytes;
        self.credits = match (self.credits, other.credits) {
            (Some(sum), Some(added)) => Some(sum + added),
            (sum, added) => sum.or(added),
        };
    }
}

/// The sums of calls by group and period.
#[derive(Debug)]
pub struct Sums<'p> {
    periods: &'p Periods,
    weights: &'p WeightLists,
    by: Vec<Property>,
    /// The partition of the ledger whose rows are being read: that of a customer, or of a key that
    /// belongs to none.
    present: Option<String>,
    groups: BTreeMap<Group, BTreeMap<usize, Amount>>,
    /// Number of sums in the groups.
    count: usize,
}

impl<'p> Sums<'p> {
    /// Returns sums of no rows, by period and the properties of `by`.
    pub fn new(periods: &'p Periods, weights: &'p WeightLists, by: Vec<Property>) -> Self {
        Self { periods, weights, by, present: None, groups: BTreeMap::new(), count: 0 }
    }

    /// Returns the number of sums that are kept, by group and period.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds the calls of a row. Returns the groups that no later row belongs to: the rows of a
    /// customer follow one another.
    pub fn add(&mut self, row: &UsageRow) -> Finished<'p> {
        let breakdown = &row.breakdown;
        let partition = partition_key(&breakdown.key);
        let is_done = self.present.as_ref().is_some_and(|present| *present != partition);
        let finished = if is_done && self.by.contains(&Property::Customer) {
            self.finish()
        } else {
            Finished { periods: self.periods, groups: BTreeMap::new() }
        };
        self.present = Some(partition);
        let mut hours = self.periods.of_row(row).peekable();
        if hours.peek().is_some() {
            let group = self.groups.entry(Group::of(&self.by, breakdown)).or_default();
            let count_before = group.len();
            for (period, HourUsage { start_ms, calls, response_bytes }) in hours {
                let class = breakdown.route_class.as_deref();
                let credits =
                    (!self.weights.is_empty()).then(|| self.weights.credits(class, start_ms, calls));
                *group.entry(period).or_default() += Amount { calls, credits, response_bytes };
            }
            self.count += group.len() - count_before;
        }
        finished
    }

    /// Returns the groups that are left.
    pub fn finish(&mut self) -> Finished<'p> {
        self.count = 0;
        Finished { periods: self.periods, groups: std::mem::take(&mut self.groups) }
    }
}

impl Group {
    /// Returns the group of a row by these properties.
    pub fn of(by: &[Property], row: &Breakdown) -> Self {
        let Breakdown { key, route_class, .. } = row;
        let is_by = |property| by.contains(&property);
        let is_own_customer = is_by(Property::Customer) && key.customer_id.is_none();
        Self {
            customer_id: key.customer_id.clone().filter(|_| is_by(Property::Customer)),
            api_key_id: (is_by(Property::Key) || is_own_customer).then(|| key.api_key_id.clone()),
            route_class: route_class.clone().filter(|_| is_by(Property::Class)),
        }
    }
}

/// Groups with the sums of their calls.
#[derive(Debug)]
pub struct Finished<'p> {
    periods: &'p Periods,
    groups: BTreeMap<Group, BTreeMap<usize, Amount>>,
}

impl Finished<'_> {
    /// Returns the sums in the order of groups and periods.
    pub fn sums(&self) -> impl Iterator<Item = (&Group, &str, Amount)> {
        self.groups.iter().flat_map(|(group, sums)| {
            let periods = self.periods;
            sums.iter().map(move |(period, amount)| (group, periods.name(*period), *amount))
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use metering_core::metered_key::MeteredKey;

    use super::*;
    use crate::periods::Period;
    use crate::weights::PastHours;

    /// Returns a row with one call.
    fn row(customer: &str, key: &str, class: &str) -> UsageRow {
        let some = |text: &str| Some(text.into()).filter(|_| !text.is_empty());
        let breakdown = Breakdown {
            key: MeteredKey { customer_id: some(customer), api_key_id: key.into() },
            route_class: some(class),
            day: "2026-11-24".parse().unwrap(),
        };
        let mut hours = [0; 24];
        hours[3] = 1;
        UsageRow { breakdown, hours, response_bytes: hours.map(|calls| calls * 700), last_call_ms: 0 }
    }

    fn days() -> Periods {
        let days = ["2026-11-24"; 2].map(|day| day.parse().unwrap());
        Periods::new(days, TimeZone::UTC, Period::Day).unwrap()
    }

    /// Groups rows with one call each, and returns the groups after each row and at the end.
    fn grouped(by: &[Property], rows: &[UsageRow]) -> Vec<Vec<(String, u64)>> {
        let (periods, weights) = (days(), WeightLists::default());
        let mut sums = Sums::new(&periods, &weights, by.to_vec());
        let shown = |finished: &Finished<'_>| {
            let text = |group: &Group| {
                let Group { customer_id, api_key_id, route_class } = group;
                [customer_id, api_key_id, route_class].map(|part| part.as_deref().unwrap_or("-")).join(" ")
            };
            finished.sums().map(|(group, _, amount)| (text(group), amount.calls)).collect::<Vec<_>>()
        };
        let mut found: Vec<_> = rows.iter().map(|row| shown(&sums.add(row))).collect();
        found.push(shown(&sums.finish()));
        found
    }

    #[test]
    fn a_customer_is_finished_when_the_next_one_begins() {
        let rows = [row("a", "1", ""), row("a", "2", "x"), row("b", "3", "x"), row("", "4", "")];
        let sums = |texts: &[(&str, u64)]| {
            texts.iter().map(|(text, calls)| ((*text).to_owned(), *calls)).collect::<Vec<_>>()
        };
        assert_eq!(
            grouped(&[Property::Customer], &rows),
            [sums(&[]), sums(&[]), sums(&[("a - -", 2)]), sums(&[("b - -", 1)]), sums(&[("- 4 -", 1)])]
        );
        assert_eq!(
            grouped(&[Property::Customer, Property::Key, Property::Class], &rows)[2],
            sums(&[("a 1 -", 1), ("a 2 x", 1)])
        );
        let of_two = [row("a", "1", ""), row("", "1", "")];
        assert_eq!(grouped(&[Property::Key], &of_two)[2], sums(&[("- 1 -", 2)]), "a key of two payers");
        assert_eq!(
            grouped(&[Property::Class], &rows)[4],
            sums(&[("- - -", 2), ("- - x", 2)]),
            "all customers together"
        );
    }

    #[test]
    fn calls_are_weighed_by_their_class_and_only_if_there_are_weights() {
        let periods = days();
        let rows = [row("a", "1", ""), row("a", "1", "x"), row("a", "2", "x")];
        let credits = |weights: &WeightLists| {
            let mut sums = Sums::new(&periods, weights, vec![Property::Customer]);
            for row in &rows {
                sums.add(row);
            }
            let finished = sums.finish();
            finished
                .sums()
                .map(|(_, _, amount)| amount.credits.map(|credits| credits.to_string()))
                .collect::<Vec<_>>()
        };
        assert_eq!(credits(&WeightLists::default()), [None]);
        let weights =
            WeightLists::default().with(0, "x 2.25".parse().unwrap(), 0, PastHours::Restate).unwrap();
        assert_eq!(credits(&weights), [Some("5.5".to_owned())]);
    }

    #[test]
    fn sums_that_are_kept_are_counted() {
        let (periods, weights) = (days(), WeightLists::default());
        let mut sums = Sums::new(&periods, &weights, vec![Property::Customer, Property::Key]);
        let mut other_day = row("a", "1", "");
        other_day.breakdown.day = "2026-11-23".parse().unwrap();
        let rows = [row("a", "1", ""), row("a", "1", "x"), other_day, row("a", "2", "x"), row("b", "1", "")];
        let mut counts = Vec::new();
        for row in &rows {
            sums.add(row);
            counts.push(sums.count());
        }
        assert_eq!(counts, [1, 1, 1, 2, 1], "the sums of a are finished when b begins");
        sums.finish();
        assert_eq!(sums.count(), 0);
    }

    #[test]
    fn properties_have_names() {
        let properties = [Property::Customer, Property::Key, Property::Class].map(Ok);
        assert_eq!(["customer", "key", "class"].map(str::parse), properties);
        assert_eq!("route".parse::<Property>(), Err(NotAProperty));
    }
}
