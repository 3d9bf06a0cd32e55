//! The usage of one key or one customer, over time and by route class.

use std::collections::BTreeMap;

use axum::extract::{Query as Parameters, State};
use axum::routing::get;
use axum::{Json, Router};
use deployment::names::local::{CLAIMS_TABLE, USAGE_TABLE};
use metering_aws::DynamoUsageSource;
use metering_aws::customer_store::CustomerError;
use metering_aws::key_store::KeyStoreError;
use metering_core::api_key::KeyRecord;
use metering_core::metered_key::{CANARY_KEY_ID, MeteredKey};
use metering_core::ports::PortError;
use metering_core::window::CallWindow;
use serde::Deserialize;
use serde_json::{Value, json};
use system_clock::now_ms;
use usage_report::groups::{Amount, Property, Sums};
use usage_report::periods::{Period, Periods};
use usage_report::source::{RowsOf, UsageRow, UsageSource};

use super::finance::{RangeParameters, Span};
use super::response::{Answer, Problem};
use super::sources::PageSources;

/// Maximum number of days that are shown by hour unless days are asked for.
const HOURLY_DAYS: usize = 3;

/// Whose usage is shown, and how.
#[derive(Debug, Deserialize)]
struct DetailParameters {
    id: String,
    /// `hour` or `day`; by default hours for a few days.
    #[serde(default)]
    per: String,
}

/// Returns the routes of a key and a customer.
pub fn router(sources: PageSources) -> Router {
    Router::new().route("/key.json", get(key)).route("/customer.json", get(customer)).with_state(sources)
}

/// Answers with a key: who holds it, its usage over time and by route class, and its last call.
async fn key(
    State(sources): State<PageSources>,
    Parameters(detail): Parameters<DetailParameters>,
    Parameters(range): Parameters<RangeParameters>,
) -> Answer {
    let span = Span::new(&range).map_err(Problem::Refused)?;
    Ok(Json(sources.key_document(&detail, &span).await?))
}

/// Answers with a customer and its usage over time and by route class.
async fn customer(
    State(sources): State<PageSources>,
    Parameters(detail): Parameters<DetailParameters>,
    Parameters(range): Parameters<RangeParameters>,
) -> Answer {
    let span = Span::new(&range).map_err(Problem::Refused)?;
    Ok(Json(sources.customer_document(&detail, &span).await?))
}

impl PageSources {
    async fn key_document(&self, detail: &DetailParameters, span: &Span) -> Result<Value, String> {
        let record = match self.keys.get(&detail.id).await {
            Ok(record) => Some(record),
            Err(KeyStoreError::NoSuchKey { .. }) => None,
            Err(error) => return Err(error.to_string()),
        };
        // A key that is not known any more may still have usage.
        let key = record
            .as_ref()
            .map_or_else(|| MeteredKey::without_customer(detail.id.as_str()), KeyRecord::metered_key);
        let keys: Vec<MeteredKey> = key.counted_as().collect();
        let mut document = self.usage_document(keys.iter().map(RowsOf::Key), detail, span).await?;
        document["key"] = record.as_ref().map(described).into();
        document["is_billed"] = (detail.id != CANARY_KEY_ID).into();
        Ok(document)
    }

    async fn customer_document(&self, detail: &DetailParameters, span: &Span) -> Result<Value, String> {
        let record = match self.customers.get(&detail.id).await {
            Ok(record) => Some(record),
            Err(CustomerError::NoSuchCustomer { .. }) => None,
            Err(error) => return Err(error.to_string()),
        };
        let rows = [RowsOf::Customer(&detail.id)].into_iter();
        let mut document = self.usage_document(rows, detail, span).await?;
        document["customer"] = record
            .map(|customer| {
                json!({"name": customer.name, "labels": customer.labels, "created_at_ms": customer.created_at_ms})
            })
            .into();
        Ok(document)
    }

    async fn usage_document<'r>(
        &self,
        parts: impl Iterator<Item = RowsOf<'r>>,
        detail: &DetailParameters,
        span: &Span,
    ) -> Result<Value, String> {
        let source = DynamoUsageSource::new(self.ledger.clone(), USAGE_TABLE, CLAIMS_TABLE);
        let weights = source.weights().await.map_err(|error| error.to_string())?;
        let [total, days] = [span.periods(Period::Total)?, span.periods(Period::Day)?];
        let now = now_ms();
        let is_hourly = detail.per == "hour" || (detail.per.is_empty() && starts(&days).len() <= HOURLY_DAYS);
        let over_time = if is_hourly { span.periods(Period::Hour)? } else { days };
        let mut usage = Usage::new(&over_time);
        let mut sums = Sums::new(&total, &weights, vec![Property::Class]);
        let month = CallWindow::at(now).map_err(|error| error.to_string())?.day.first_of_month();
        // The rows of this month are read as well, for the limit and the last call.
        let [first, last] = total.utc_days();
        let read_days = [first.min(month), last.max(month.last_of_month())];
        for rows in parts {
            let visited = source.visit_rows::<PortError>(rows, read_days, |row| {
                usage.add(&over_time, row);
                if (month..=month.last_of_month()).contains(&row.breakdown.day) {
                    usage.month_calls += row.hours.iter().sum::<u64>();
                }
                sums.add(row);
                Ok(())
            });
            visited.await.map_err(|error| error.to_string())?;
        }
        let mut all = Amount::of_no_calls(&weights);
        let finished = sums.finish();
        let classes: Vec<Value> = finished
            .sums()
            .map(|(group, _, amount)| {
                all += amount;
                json!({"class": group.route_class, "calls": amount.calls, "credits": amount.credits_text()})
            })
            .collect();
        Ok(json!({
            "at_ms": now, "from": span.from.to_string(), "to": span.to.to_string(), "zone": span.zone,
            "is_hourly": is_hourly, "graph": usage.graph(now), "classes": classes, "calls": all.calls,
            "credits": all.credits_text(), "month_calls": usage.month_calls, "last_call_ms": usage.last_call_ms,
        }))
    }
}

fn described(key: &KeyRecord) -> Value {
    json!({
        "customer": key.customer_id, "owner": key.owner, "name": key.name, "plan": key.plan,
        "monthly_limit": key.monthly_limit, "labels": key.labels, "created_at_ms": key.created_at_ms,
        "expires_at_ms": key.expires_at_ms, "deleted_at_ms": key.deleted_at_ms,
        "previous_secret_valid_until_ms": key.previous.as_ref().map(|previous| previous.valid_until_ms),
    })
}

/// Returns the starts of periods, in milliseconds since 1970.
fn starts(periods: &Periods) -> Vec<i64> {
    let [first, last] = periods.utc_days();
    let mut starts = BTreeMap::new();
    let days =
        std::iter::successors(Some(first), |day| Some(day.plus_days(1))).take_while(|day| *day <= last);
    for day in days {
        for (period, hour_ms) in periods.hours_of(day) {
            starts.entry(period).or_insert(hour_ms);
        }
    }
    starts.into_values().collect()
}

/// The calls of a key or a customer over time.
struct Usage {
    starts_ms: Vec<i64>,
    calls: Vec<u64>,
    month_calls: u64,
    last_call_ms: i64,
}

impl Usage {
    fn new(periods: &Periods) -> Self {
        let starts_ms = starts(periods);
        Self { calls: vec![0; starts_ms.len()], starts_ms, month_calls: 0, last_call_ms: 0 }
    }

    fn add(&mut self, periods: &Periods, row: &UsageRow) {
        for (period, usage) in periods.of_row(row) {
            self.calls[period] += usage.calls;
        }
        self.last_call_ms = self.last_call_ms.max(row.last_call_ms);
    }

    /// Returns the data as graphs read it. Periods that have not begun have no value.
    fn graph(&self, now_ms: i64) -> Value {
        let calls = self.starts_ms.iter().zip(&self.calls);
        let values: Vec<Option<u64>> =
            calls.map(|(start_ms, calls)| (*start_ms <= now_ms).then_some(*calls)).collect();
        json!({"times_ms": self.starts_ms, "lines": [{"label": "calls", "is_sum": true, "values": values}]})
    }
}

#[cfg(test)]
mod tests {
    use metering_core::metered_key::CallBreakdown;
    use metering_core::window::{HOURS_PER_DAY, UtcDay};

    use super::*;
    use usage_report::periods::time_zone;

    #[test]
    fn a_day_of_a_zone_begins_at_its_midnight_and_later_days_have_no_value() {
        let days = ["2026-11-24", "2026-11-26"].map(|day| day.parse().unwrap());
        let periods = Periods::new(days, time_zone("Europe/Berlin").unwrap(), Period::Day).unwrap();
        let mut usage = Usage::new(&periods);
        let midnight_ms = UtcDay::start_ms("2026-11-24".parse().unwrap()) - 3_600_000;
        let day_ms = 86_400_000;
        assert_eq!(usage.starts_ms, [midnight_ms, midnight_ms + day_ms, midnight_ms + 2 * day_ms]);
        let breakdown = CallBreakdown::of_key("key-1", "2026-11-24".parse().unwrap()).into();
        let mut hours = [0; HOURS_PER_DAY];
        (hours[22], hours[23]) = (3, 4);
        usage.add(&periods, &UsageRow { breakdown, hours, response_bytes: hours, last_call_ms: 7 });
        let graph = usage.graph(midnight_ms + day_ms);
        assert_eq!(graph["lines"][0]["values"], json!([3, 4, null]));
    }
}
