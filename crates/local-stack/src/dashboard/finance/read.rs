//! Reads a report from the ledger and the keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use deployment::names::local::{CLAIMS_TABLE, USAGE_TABLE};
use metering_aws::DynamoUsageSource;
use metering_core::api_key::KeyRecord;
use metering_core::metered_key::{Breakdown, CANARY_KEY_ID};
use metering_core::ports::PortError;
use metering_core::window::HOUR_MS;
use system_clock::{monotonic_us, now_ms};
use usage_report::groups::{Amount, Finished, Group, Property, Sums};
use usage_report::periods::{Period, Periods};
use usage_report::source::{RowsOf, UsageSource};
use usage_report::weights::WeightLists;

use super::super::sources::PageSources;
use super::query::ReportQuery;

/// The usage of a group in the range of a report.
#[derive(Debug)]
pub struct ReportRow {
    pub group: Group,
    pub amount: Amount,
    /// Who holds the key, or the name of the customer.
    pub owner: String,
    pub plan: String,
    pub monthly_limit: Option<u64>,
    /// `true` if all calls of the key in a range within a UTC month exceed its limit.
    pub is_over_limit: bool,
    pub is_deleted: bool,
    /// Time of the latest call in the range, in milliseconds since 1970; 0 if there is none.
    pub last_call_ms: i64,
    /// What a filter looks at, in lower case.
    pub text: String,
}

/// All rows of a report.
#[derive(Debug)]
pub struct Report {
    pub rows: Vec<ReportRow>,
    pub total: Amount,
    /// Time at which the report was read, in milliseconds since 1970.
    pub at_ms: i64,
    /// End of the reading, and the time that it took, in microseconds of the monotonic clock.
    pub read_at_us: u64,
    pub took_us: u64,
}

/// Reads a report. The calls of the canary are not billed, so they are left out.
///
/// # Errors
/// When a table cannot be read.
pub async fn read(sources: &PageSources, query: &ReportQuery) -> Result<Report, String> {
    let (started_us, at_ms) = (monotonic_us(), now_ms());
    let source = DynamoUsageSource::new(sources.ledger.clone(), USAGE_TABLE, CLAIMS_TABLE);
    let weights = source.weights().await.map_err(|error| error.to_string())?;
    let periods = query.span.periods(Period::Total)?;
    let mut sums = Sums::new(&periods, &weights, query.by.clone());
    let mut usage = Usage { amounts: BTreeMap::new(), by: &query.by, last_calls: HashMap::new() };
    let days = periods.utc_days();
    let range_ms = range_ms(&periods);
    let visited = source.visit_rows::<PortError>(RowsOf::All, days, |row| {
        let Breakdown { key, day, .. } = &row.breakdown;
        if &*key.api_key_id != CANARY_KEY_ID && (days[0]..=days[1]).contains(day) {
            usage.add(&sums.add(row));
            if range_ms.contains(&row.last_call_ms) {
                let last = usage.last_calls.entry(Group::of(&query.by, &row.breakdown)).or_default();
                *last = row.last_call_ms.max(*last);
            }
        }
        Ok(())
    });
    visited.await.map_err(|error| error.to_string())?;
    usage.add(&sums.finish());
    let keys = sources.keys.list().await.map_err(|error| error.to_string())?;
    let customers = sources.customers.list().await.map_err(|error| error.to_string())?;
    let customers: BTreeMap<String, String> =
        customers.into_iter().map(|customer| (customer.customer_id, customer.name)).collect();
    let described = Described { keys: &keys, customers: &customers };
    usage.add_unused(&described, &weights);
    let mut total = Amount::of_no_calls(&weights);
    usage.amounts.values().for_each(|amount| total += *amount);
    let rows = described.rows(usage, query.span.is_within_month());
    let read_at_us = monotonic_us();
    Ok(Report { rows, total, at_ms, read_at_us, took_us: read_at_us - started_us })
}

/// Returns the times of periods, in milliseconds since 1970.
fn range_ms(periods: &Periods) -> Range<i64> {
    let [first, last] = periods.utc_days();
    let starts = |day| periods.hours_of(day).map(|(_, start_ms)| start_ms);
    let from_ms = starts(first).min().unwrap_or_default();
    from_ms..starts(last).max().map_or(from_ms, |start_ms| start_ms + HOUR_MS)
}

/// The amounts of the groups.
struct Usage<'q> {
    amounts: BTreeMap<Group, Amount>,
    by: &'q [Property],
    last_calls: HashMap<Group, i64>,
}

impl Usage<'_> {
    fn add(&mut self, finished: &Finished<'_>) {
        for (group, _, amount) in finished.sums() {
            *self.amounts.entry(group.clone()).or_default() += amount;
        }
    }

    /// Returns the number of calls of each key in all its groups.
    fn calls_by_key(&self) -> HashMap<Box<str>, u64> {
        let mut calls: HashMap<Box<str>, u64> = HashMap::new();
        for (group, amount) in &self.amounts {
            if let Some(id) = &group.api_key_id {
                *calls.entry(id.clone()).or_default() += amount.calls;
            }
        }
        calls
    }

    /// Adds the keys or customers that have no usage.
    fn add_unused(&mut self, described: &Described<'_>, weights: &WeightLists) {
        if self.by.contains(&Property::Class) {
            return;
        }
        let is_by_key = self.by.contains(&Property::Key);
        let id = |group: &Group| if is_by_key { group.api_key_id.clone() } else { group.customer_id.clone() };
        let used: BTreeSet<Option<Box<str>>> = self.amounts.keys().map(id).collect();
        let is_by_customer = self.by.contains(&Property::Customer);
        let group = |customer_id: Option<&str>, api_key_id: Option<&str>| Group {
            customer_id: customer_id.filter(|_| is_by_customer).map(Into::into),
            api_key_id: api_key_id.map(Into::into),
            route_class: None,
        };
        let unused: Vec<Group> = if is_by_key {
            let keys = described.keys.iter().filter(|key| {
                key.key_id != CANARY_KEY_ID && !used.contains(&Some(key.key_id.as_str().into()))
            });
            keys.map(|key| group(key.customer_id.as_deref(), Some(&key.key_id))).collect()
        } else {
            let ids = described.customers.keys().filter(|id| !used.contains(&Some(id.as_str().into())));
            ids.map(|id| group(Some(id), None)).collect()
        };
        self.amounts.extend(unused.into_iter().map(|group| (group, Amount::of_no_calls(weights))));
    }
}

/// What is known of the keys and customers.
struct Described<'a> {
    keys: &'a [KeyRecord],
    /// Names of the customers by their ids.
    customers: &'a BTreeMap<String, String>,
}

impl Described<'_> {
    fn rows(&self, usage: Usage<'_>, is_within_month: bool) -> Vec<ReportRow> {
        let calls = usage.calls_by_key();
        let keys: HashMap<&str, &KeyRecord> =
            self.keys.iter().map(|key| (key.key_id.as_str(), key)).collect();
        let row = |(group, amount): (Group, Amount)| {
            let last_call_ms = usage.last_calls.get(&group).copied().unwrap_or_default();
            let key = group.api_key_id.as_deref().and_then(|id| keys.get(id));
            let monthly_limit = key.and_then(|key| key.monthly_limit);
            let calls_of_key = group.api_key_id.as_ref().and_then(|id| calls.get(id)).copied();
            let name = group.customer_id.as_deref().and_then(|id| self.customers.get(id));
            let owner = key.map(|key| key.owner.clone()).or(name.cloned()).unwrap_or_default();
            let texts = [&group.customer_id, &group.api_key_id, &group.route_class];
            let texts: Vec<&str> = texts.into_iter().flatten().map(|text| &**text).collect();
            ReportRow {
                text: format!("{} {owner}", texts.join(" ")).to_lowercase(),
                amount,
                owner,
                plan: key.map(|key| key.plan.clone()).unwrap_or_default(),
                monthly_limit,
                is_over_limit: is_within_month
                    && monthly_limit.zip(calls_of_key).is_some_and(|(limit, calls)| calls > limit),
                is_deleted: group.api_key_id.is_some() && key.is_none_or(|key| key.deleted_at_ms.is_some()),
                last_call_ms,
                group,
            }
        };
        usage.amounts.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use usage_report::periods::time_zone;

    use super::*;

    /// Returns whether each row exceeds the limit of key `a`, which is 5 calls.
    fn over_limit(rows: &[(&str, &str, u64)], is_within_month: bool) -> Vec<bool> {
        let keys = [KeyRecord { key_id: "a".to_owned(), monthly_limit: Some(5), ..KeyRecord::default() }];
        let described = Described { keys: &keys, customers: &BTreeMap::new() };
        let amount = |(customer, class, calls): &(&str, &str, u64)| {
            let some = |text: &str| Some(text.into()).filter(|_| !text.is_empty());
            let group =
                Group { customer_id: some(customer), api_key_id: Some("a".into()), route_class: some(class) };
            (group, Amount { calls: *calls, ..Amount::default() })
        };
        let amounts = rows.iter().map(amount).collect();
        let usage = Usage { amounts, by: &[], last_calls: HashMap::new() };
        described.rows(usage, is_within_month).iter().map(|row| row.is_over_limit).collect()
    }

    #[test]
    fn a_key_is_judged_by_all_its_calls_of_a_month() {
        assert_eq!(over_limit(&[("", "", 5)], true), [false], "as many calls as the limit are not above it");
        assert_eq!(over_limit(&[("", "", 6)], true), [true]);
        assert_eq!(over_limit(&[("", "x", 3), ("", "y", 3)], true), [true, true], "two classes");
        assert_eq!(over_limit(&[("", "", 3), ("acme", "", 3)], true), [true, true], "two customers");
        assert_eq!(over_limit(&[("", "", 60)], false), [false], "a year has no limit");
    }

    #[test]
    fn a_range_begins_and_ends_at_midnight_of_its_zone() {
        let days = ["1970-01-02", "1970-01-03"].map(|day| day.parse().unwrap());
        let range = |zone| range_ms(&Periods::new(days, time_zone(zone).unwrap(), Period::Total).unwrap());
        assert_eq!(range("UTC"), 24 * HOUR_MS..72 * HOUR_MS);
        assert_eq!(range("Europe/Berlin"), 23 * HOUR_MS..71 * HOUR_MS);
    }
}
