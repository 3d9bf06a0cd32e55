//! The comparison of the ledger with the access log by the identity of the calls.

use anyhow::{Context, bail};
use metering_aws::CallLog;
use metering_aws::call_log::LOGGING_DELAY_MS;
use metering_aws::logged_calls::logged_calls;
use metering_aws::logged_events::Judge;
use metering_core::metered_key::MeteredKey;
use metering_core::ports::LedgerCounts;
use metering_core::reconciliation::{ComparedIdentities, Reconciliation};
use metering_core::window::{CallWindow, DAY_MS, UtcDay};
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use super::{Arguments, NOT_COUNTED, SHOWN_KEYS};
use crate::table::Column::Text;
use crate::table::Table;
use crate::target::Target;

/// The result of a comparison by identity.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct IdentityComparison {
    /// Compared UTC days, as in `2026-11-25`.
    pub days: Vec<String>,
    /// Number of keys and days of which the ledger has the calls of the access log.
    pub same: usize,
    /// Keys and days of which the ledger has the right number of calls, but not those of the access log.
    pub other_calls: Vec<KeyDay>,
    /// Keys and days whose calls could not be compared: the numbers differ, or an earlier version has
    /// counted calls without their fingerprint.
    pub uncompared: Vec<KeyDay>,
    /// Calls without a request id. They are identified by the ids of their log events.
    pub without_request_id: u64,
}

/// A key and a day.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeyDay {
    /// Id of the customer; null if the key belongs to none.
    pub customer_id: Option<String>,
    /// Id of the key.
    pub api_key_id: String,
    /// The UTC day, as in `2026-11-25`.
    pub day: String,
}

/// The differences of some days.
#[derive(Default)]
pub(super) struct Found {
    /// The differences of the numbers, by hour.
    pub counts: Reconciliation,
    days: Vec<UtcDay>,
    identities: ComparedIdentities,
    without_request_id: u64,
}

/// Compares the days of a span, one after the other.
pub(super) async fn compare(
    target: &Target,
    log: &CallLog,
    arguments: &Arguments,
    span_ms: [i64; 2],
) -> anyhow::Result<Found> {
    let judge = Judge { layout: arguments.claim_layout.clone(), rules: log.rules().clone() };
    let mut found = Found::default();
    for day in days(span_ms, now_ms(), arguments.with_this_hour)? {
        found.compare_day(target, log, &judge, day).await?;
    }
    Ok(found)
}

/// Returns the days of a span: those that have ended and whose calls are logged, and the present day
/// if it is included.
fn days([from_ms, to_ms]: [i64; 2], now_ms: i64, with_this_day: bool) -> anyhow::Result<Vec<UtcDay>> {
    let starts_ms = (from_ms - from_ms.rem_euclid(DAY_MS)..to_ms).step_by(usize::try_from(DAY_MS)?);
    let is_over = |start_ms: &i64| with_this_day || start_ms + DAY_MS + LOGGING_DELAY_MS <= now_ms;
    let days = starts_ms.filter(is_over).map(|start_ms| CallWindow::at(start_ms).map(|window| window.day));
    let days: Vec<UtcDay> = days.collect::<Result<_, _>>()?;
    if days.is_empty() {
        bail!(
            "the UTC day of these hours is not over: set --hours 24 to compare the day before, or --with-this-hour to include calls that may not be counted yet"
        );
    }
    Ok(days)
}

impl Found {
    async fn compare_day(
        &mut self,
        target: &Target,
        log: &CallLog,
        judge: &Judge,
        day: UtcDay,
    ) -> anyhow::Result<()> {
        let (from_ms, to_ms) = (day.start_ms(), day.start_ms() + DAY_MS);
        let logged = logged_calls(log, judge, from_ms, to_ms).await.context(NOT_COUNTED)?;
        let ledger = target.ledger_counts();
        let counted = ledger.calls_of_day(logged.keys(), day).await?;
        let counts = Reconciliation::compare(&logged.by_hour, &counted.by_hour);
        let total: u64 = ledger.totals_by_hour(from_ms, to_ms).await?.values().sum();
        if total > counts.counted {
            eprintln!(
                "On {day} the ledger has {} calls beside those of the keys of the access log: calls of other keys, which --whole-ledger lists, or calls that were counted during the comparison.",
                total - counts.counted
            );
        }
        self.days.push(day);
        self.counts.add(counts);
        self.identities.add(ComparedIdentities::compare(&logged.by_day, &counted.identities));
        self.without_request_id += logged.without_request_id;
        Ok(())
    }

    /// Returns the span of the days, in milliseconds since 1970.
    pub(super) fn span_ms(&self) -> [i64; 2] {
        let start_ms = |day: Option<&UtcDay>| day.map_or(0, |day| day.start_ms());
        [start_ms(self.days.first()), start_ms(self.days.last()) + DAY_MS]
    }

    /// Returns the number of keys and days with other calls than those of the access log.
    pub(super) fn others(&self) -> usize {
        self.identities.other.len()
    }

    /// Returns the result for the JSON output.
    pub(super) fn output(&self) -> IdentityComparison {
        let key_days = |places: &[(MeteredKey, UtcDay)]| {
            let key_day = |(key, day): &(MeteredKey, UtcDay)| KeyDay {
                customer_id: key.customer_id.as_deref().map(str::to_owned),
                api_key_id: key.api_key_id.to_string(),
                day: day.to_string(),
            };
            places.iter().map(key_day).collect()
        };
        IdentityComparison {
            days: self.days.iter().map(ToString::to_string).collect(),
            same: self.identities.same.len(),
            other_calls: key_days(&self.identities.other),
            uncompared: key_days(&self.identities.uncompared),
            without_request_id: self.without_request_id,
        }
    }

    /// Prints the comparison of the identities as text.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let ComparedIdentities { same, other, uncompared } = &self.identities;
        println!(
            "Keys and days with the calls of the access log: {}; with other calls: {}.",
            same.len(),
            other.len()
        );
        if !uncompared.is_empty() {
            println!(
                "Keys and days that could not be compared by identity: {}. Their numbers differ, or an earlier version has counted some of their calls.",
                uncompared.len()
            );
        }
        if other.is_empty() {
            return Ok(());
        }
        println!();
        let mut table = Table::new([Text("key"), Text("day with other calls")]);
        for (key, day) in other.iter().take(SHOWN_KEYS) {
            table.row([key.to_string(), day.to_string()])?;
        }
        table.finish()?;
        if other.len() > SHOWN_KEYS {
            println!("and {} more; --json shows all", other.len() - SHOWN_KEYS);
        }
        if self.without_request_id > 0 {
            println!(
                "\n{} calls have no request id. AWS does not document that the ids of their log events are those with which they were counted (docs/AWS.md). If the ids differ, such calls are reported as other calls.",
                self.without_request_id
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metering_core::window::HOUR_MS;

    /// 2026-11-24T00:00:00Z.
    const MIDNIGHT_MS: i64 = 1_795_478_400_000;

    #[test]
    fn only_days_that_are_over_are_compared_unless_the_present_one_is_included() {
        let compared = |hours: i64, now_ms: i64, with_this_day| {
            let days = days([now_ms - hours * HOUR_MS, now_ms], now_ms, with_this_day);
            days.map(|days| days.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let noon_ms = MIDNIGHT_MS + 12 * HOUR_MS;
        assert!(compared(3, noon_ms, false).unwrap_err().to_string().contains("--hours 24"));
        assert_eq!(compared(3, noon_ms, true).unwrap(), ["2026-11-24"]);
        assert_eq!(compared(24, noon_ms, false).unwrap(), ["2026-11-23"]);
        assert_eq!(compared(24, noon_ms, true).unwrap(), ["2026-11-23", "2026-11-24"]);
        let logged_ms = MIDNIGHT_MS + LOGGING_DELAY_MS;
        assert_eq!(compared(1, logged_ms, false).unwrap(), ["2026-11-23"]);
        assert!(compared(1, logged_ms - 1, false).is_err());
    }
}
