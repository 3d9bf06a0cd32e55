//! The usage of each key.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use deployment::names::local::USAGE_TABLE;
use metering_aws::key_usage::usage_of_all_keys;
use metering_core::api_key::KeyRecord;
use metering_core::metered_key::{CANARY_KEY_ID, MeteredKey};
use metering_core::window::CallWindow;
use serde_json::{Value, json};
use system_clock::now_ms;

use super::page::{DashboardPage, answer};

/// Answers with each key and its usage of this hour, this day and this month.
pub async fn usage(State(page): State<DashboardPage>) -> Response {
    answer(page.usage_per_key(now_ms()).await.map(|rows| json!({"keys": rows})))
}

impl DashboardPage {
    async fn usage_per_key(&self, at_ms: i64) -> Result<Vec<Value>, String> {
        let usage = usage_of_all_keys(&self.ledger, USAGE_TABLE).await.map_err(|error| error.to_string())?;
        let now = CallWindow::at(at_ms).map_err(|error| error.to_string())?;
        let keys = self.keys.list().await.map_err(|error| error.to_string())?;
        let keys: BTreeMap<&str, &KeyRecord> = keys.iter().map(|key| (key.key_id.as_str(), key)).collect();
        let mut rows = Vec::new();
        for (MeteredKey { customer_id, api_key_id }, usage) in usage {
            let day = usage.get(&now.day);
            let month: u64 =
                usage.range(now.day.first_of_month()..=now.day).map(|(_, day)| day.total()).sum();
            let last_call_ms = usage.values().map(|day| day.last_call_ms).max();
            let record = keys.get(&*api_key_id);
            let limit = record.and_then(|record| record.monthly_limit);
            let is_deleted = record.is_none_or(|record| record.deleted_at_ms.is_some());
            rows.push(json!({
                "key": api_key_id, "customer": customer_id, "owner": record.map(|record| &record.owner), "is_deleted": is_deleted,
                "hour": day.map_or(0, |day| day.hours[usize::from(now.hour)]), "day": day.map_or(0, metering_core::usage_history::DayUsage::total),
                "is_billed": &*api_key_id != CANARY_KEY_ID, "month": month, "monthly_limit": limit, "last_call_ms": last_call_ms,
            }));
        }
        Ok(rows)
    }
}
