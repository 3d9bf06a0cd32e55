//! The groups of a report, and the sums of their calls.

use std::collections::BTreeMap;

use clap::ValueEnum;
use metering_aws::ledger_items::Hours;
use metering_core::metered_key::Breakdown;
use metering_core::row_key::partition_key;

use super::periods::Periods;

/// A property by which usage is grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Property {
    /// The customer, or the key of a key that belongs to none
    Customer,
    /// The key
    Key,
    /// The route class
    Class,
}

/// The properties of the calls in a group. Those that are not asked for are `None`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The id of the customer.
    pub customer_id: Option<Box<str>>,
    /// The id of the key.
    pub api_key_id: Option<Box<str>>,
    /// The name of the route class.
    pub route_class: Option<Box<str>>,
}

/// The sums of calls by group and period.
#[derive(Debug)]
pub struct Sums<'p> {
    periods: &'p Periods,
    by: Vec<Property>,
    /// The partition of the ledger whose rows are being read: that of a customer, or of a key that
    /// belongs to none.
    present: Option<String>,
    groups: BTreeMap<Group, BTreeMap<usize, u64>>,
}

impl<'p> Sums<'p> {
    /// Returns empty sums.
    pub fn new(periods: &'p Periods, by: Vec<Property>) -> Self {
        Self { periods, by, present: None, groups: BTreeMap::new() }
    }

    /// Returns `true` if usage is grouped by the property.
    pub fn is_by(&self, property: Property) -> bool {
        self.by.contains(&property)
    }

    /// Adds the calls of a row. Returns the groups that no later row belongs to: the rows of a
    /// customer follow one another.
    pub fn add(&mut self, row: &Breakdown, hours: &Hours) -> Finished<'p> {
        let partition = partition_key(&row.key);
        let is_done = self.present.as_ref().is_some_and(|present| *present != partition);
        let finished = if is_done && self.is_by(Property::Customer) {
            self.finish()
        } else {
            Finished { periods: self.periods, groups: BTreeMap::new() }
        };
        self.present = Some(partition);
        let mut calls = self.periods.of_calls(row.day, hours).peekable();
        if calls.peek().is_some() {
            let group = self.groups.entry(group(&self.by, row)).or_default();
            calls.for_each(|(period, calls)| *group.entry(period).or_default() += calls);
        }
        finished
    }

    /// Returns the groups that are left.
    pub fn finish(&mut self) -> Finished<'p> {
        Finished { periods: self.periods, groups: std::mem::take(&mut self.groups) }
    }
}

fn group(by: &[Property], row: &Breakdown) -> Group {
    let Breakdown { key, route_class, .. } = row;
    let is_by = |property| by.contains(&property);
    let is_own_customer = is_by(Property::Customer) && key.customer_id.is_none();
    Group {
        customer_id: key.customer_id.clone().filter(|_| is_by(Property::Customer)),
        api_key_id: (is_by(Property::Key) || is_own_customer).then(|| key.api_key_id.clone()),
        route_class: route_class.clone().filter(|_| is_by(Property::Class)),
    }
}

/// Groups with the sums of their calls.
#[derive(Debug)]
pub struct Finished<'p> {
    periods: &'p Periods,
    groups: BTreeMap<Group, BTreeMap<usize, u64>>,
}

impl Finished<'_> {
    /// Returns the sums in the order of groups and periods.
    pub fn sums(&self) -> impl Iterator<Item = (&Group, &str, u64)> {
        self.groups.iter().flat_map(|(group, sums)| {
            let periods = self.periods;
            sums.iter().map(move |(period, calls)| (group, periods.name(*period), *calls))
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use metering_core::metered_key::MeteredKey;

    use super::*;
    use crate::usage::periods::Period;

    fn row(customer: &str, key: &str, class: &str) -> Breakdown {
        let some = |text: &str| Some(text.into()).filter(|_| !text.is_empty());
        Breakdown {
            key: MeteredKey { customer_id: some(customer), api_key_id: key.into() },
            route_class: some(class),
            day: "2026-11-24".parse().unwrap(),
        }
    }

    /// Groups rows with one call each, and returns the groups after each row and at the end.
    fn grouped(by: &[Property], rows: &[Breakdown]) -> Vec<Vec<(String, u64)>> {
        let days = ["2026-11-24"; 2].map(|day| day.parse().unwrap());
        let periods = Periods::new(days, TimeZone::UTC, Period::Day).unwrap();
        let mut sums = Sums::new(&periods, by.to_vec());
        let mut hours = [0; 24];
        hours[3] = 1;
        let shown = |finished: &Finished<'_>| {
            let text = |group: &Group| {
                let Group { customer_id, api_key_id, route_class } = group;
                [customer_id, api_key_id, route_class].map(|part| part.as_deref().unwrap_or("-")).join(" ")
            };
            finished.sums().map(|(group, _, calls)| (text(group), calls)).collect::<Vec<_>>()
        };
        let mut found: Vec<_> = rows.iter().map(|row| shown(&sums.add(row, &hours))).collect();
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
}
