//! The route classes of a run, and the comparison of the ledger by them.
//!
//! The classes go by the status, so the class of a call is known without the code with which the
//! meter finds it.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use metering_aws::dated_lists::CLASS_LISTS;
use metering_core::call_id::CallId;
use metering_core::fingerprint::Fingerprint;
use metering_core::metered_key::Breakdown;
use metering_core::usage_history::DayUsage;
use metering_core::window::CallWindow;

use crate::harness::system_under_test::SystemUnderTest;

/// The classes of calls by their status. Calls with another status have none.
const CLASSES: [(u16, &str); 2] = [(201, "created"), (202, "accepted")];

/// Returns the class of calls with a status.
pub fn class_of(status: u16) -> Option<&'static str> {
    CLASSES.iter().find(|(of_status, _)| *of_status == status).map(|(_, class)| *class)
}

/// Creates the list of classes, which applies to every call of the run.
///
/// # Errors
/// Returns an error if the list cannot be written, or there is one already.
pub async fn create(system: &SystemUnderTest) -> anyhow::Result<()> {
    let lines: Vec<String> =
        CLASSES.iter().map(|(status, class)| format!("{class} * status={status}")).collect();
    let classes = lines.join("\n").parse()?;
    let table = &system.meter.names.claims_table;
    let is_new = CLASS_LISTS.add(&system.dynamodb, table, 0, &classes, None).await;
    ensure!(is_new.context("cannot write the route classes")?, "the stack has other route classes");
    Ok(())
}

/// Calls by customer, key, route class and day: hour by hour, with their fingerprint.
#[derive(Debug, Default)]
pub struct CallsByClass(BTreeMap<Breakdown, DayUsage>);

impl CallsByClass {
    /// Adds a call to its breakdown.
    ///
    /// # Errors
    /// Returns an error if the request time is out of range.
    pub fn add(&mut self, breakdown: Breakdown, id: CallId, requested_at_ms: i64) -> anyhow::Result<()> {
        let hour = usize::from(CallWindow::at(requested_at_ms)?.hour);
        let mut call = DayUsage { fingerprint: Some(Fingerprint::of(id)), ..DayUsage::default() };
        call.hours[hour] = 1;
        *self.0.entry(breakdown).or_default() += call;
        Ok(())
    }

    /// Returns the number of breakdowns of which the ledger has other calls in an hour.
    pub fn differences(&self, ledger: &BTreeMap<Breakdown, DayUsage>) -> u64 {
        let calls = |usage: Option<&DayUsage>| {
            let DayUsage { hours, fingerprint, .. } = usage.cloned().unwrap_or_default();
            (hours, fingerprint)
        };
        let places = self.0.keys().chain(ledger.keys().filter(|place| !self.0.contains_key(*place)));
        places.filter(|place| calls(self.0.get(*place)) != calls(ledger.get(*place))).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use metering_core::metered_key::MeteredKey;

    use super::*;

    const REQUESTED_AT_MS: i64 = 1_795_509_270_000;

    fn counted(calls: &[(&str, Option<&str>, i64)]) -> CallsByClass {
        let mut counted = CallsByClass::default();
        for (id, class, requested_at_ms) in calls {
            let breakdown = Breakdown {
                key: MeteredKey::without_customer("key"),
                route_class: class.map(Into::into),
                day: CallWindow::at(*requested_at_ms).unwrap().day,
            };
            counted.add(breakdown, CallId::new(id, *requested_at_ms), *requested_at_ms).unwrap();
        }
        counted
    }

    #[test]
    fn a_call_with_another_class_or_hour_or_in_place_of_another_is_found() {
        let logged = counted(&[("a", None, REQUESTED_AT_MS), ("b", Some("created"), REQUESTED_AT_MS)]);
        for (other, differences) in [
            ([("b", Some("created"), REQUESTED_AT_MS), ("a", None, REQUESTED_AT_MS)], 0),
            ([("a", None, REQUESTED_AT_MS), ("a", Some("created"), REQUESTED_AT_MS)], 1),
            ([("a", None, REQUESTED_AT_MS), ("b", Some("accepted"), REQUESTED_AT_MS)], 2),
            ([("a", None, REQUESTED_AT_MS), ("b", Some("created"), REQUESTED_AT_MS + 3_600_000)], 1),
        ] {
            assert_eq!(logged.differences(&counted(&other).0), differences, "{other:?}");
        }
    }
}
