//! Answers `GET /usage`.

use jiff::Timestamp;
use lambda_support::causes::with_causes;
use metering_core::ports::{CountingProgress, UsageHistory};
use metering_core::usage_history::{DayUsage, KeyUsage};
use metering_core::window::UtcMonth;
use serde_json::{Map, Value, json};

use crate::request::{BadRequest, UsageRequest};

#[derive(Debug)]
pub struct Handler<H, P> {
    /// Reads the ledger.
    pub history: H,
    /// Reads how far the stream is counted.
    pub progress: P,
}

impl<H: UsageHistory, P: CountingProgress> Handler<H, P> {
    /// Answers a request of API Gateway, in the form of a Lambda proxy integration.
    /// Every failure is an answer with its status code.
    pub async fn handle(&self, event: &Value, now_ms: impl Fn() -> i64) -> Value {
        let now_ms = now_ms();
        let request = match UsageRequest::read(event, now_ms) {
            Ok(request) => request,
            Err(BadRequest::Parameter(problem)) => return response(400, &json!({"message": problem})),
            Err(BadRequest::NoKey) => {
                tracing::error!(
                    "GET /usage is not behind the API key authorizer: there is no apiKeyId in its context"
                );
                return response(403, &json!({"message": "Send your API key in the x-api-key header."}));
            }
        };
        // Read before the ledger, which then shows everything that is counted by then.
        let as_of_ms = self.progress.counted_before_ms().await.unwrap_or_else(|error| {
            tracing::warn!(error = %with_causes(&error), "the progress of the stream cannot be read");
            None
        });
        // The present month is read as well, for the limit.
        let month = UtcMonth::at(now_ms).map_or(request.from, UtcMonth::first_day);
        let usage = self.history.usage_of_key(
            &request.key,
            request.from.min(month),
            request.to.max(month.plus_days(30)),
        );
        match usage.await {
            Ok(usage) => response(200, &document(&request, &usage, as_of_ms, now_ms)),
            Err(error) => {
                tracing::error!(%error, "the usage of a key cannot be read");
                response(
                    503,
                    &json!({"message": "The usage cannot be read now. Please try again in a minute."}),
                )
            }
        }
    }
}

fn response(status: u16, body: &Value) -> Value {
    json!({
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "isBase64Encoded": false,
        "body": body.to_string(),
    })
}

fn document(request: &UsageRequest, usage: &KeyUsage, as_of_ms: Option<i64>, now_ms: i64) -> Value {
    let asked: KeyUsage =
        usage.range(request.from..=request.to).map(|(day, usage)| (*day, usage.clone())).collect();
    let days: Vec<Value> = asked
        .iter()
        .map(|(day, usage)| json!({"day": day.to_string(), "calls": usage.total(), "hours": hours(usage)}))
        .collect();
    json!({
        "api_key_id": request.key.api_key_id,
        "customer_id": request.key.customer_id,
        // Time of the latest counted call. Earlier calls may not be counted yet.
        "last_call": usage.values().map(|day| day.last_call_ms).max().and_then(time),
        // Everything that reached the stream before this time is counted, in quarantine or given up.
        "as_of": as_of_ms.and_then(time),
        "read_at": time(now_ms),
        "from": request.from.to_string(),
        "to": request.to.to_string(),
        "calls": asked.values().map(DayUsage::total).sum::<u64>(),
        "months": months(&asked),
        "days": days,
        "limit": limit(request, usage, now_ms),
    })
}

/// Calls by hour, without the hours that have none.
fn hours(usage: &DayUsage) -> Map<String, Value> {
    let hours = usage.hours.iter().enumerate().filter(|(_, calls)| **calls > 0);
    hours.map(|(hour, calls)| (format!("{hour:02}"), json!(calls))).collect()
}

fn months(usage: &KeyUsage) -> Map<String, Value> {
    let mut months: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for (day, usage) in usage {
        *months.entry(day.to_string()[..7].to_owned()).or_default() += usage.total();
    }
    months.into_iter().map(|(month, calls)| (month, json!(calls))).collect()
}

/// Limit and use of the present month; null for a key without a limit.
fn limit(request: &UsageRequest, usage: &KeyUsage, now_ms: i64) -> Value {
    let (Some(limit), Ok(month)) = (request.monthly_limit, UtcMonth::at(now_ms)) else { return Value::Null };
    let used: u64 =
        usage.range(month.first_day()..month.next().first_day()).map(|(_, usage)| usage.total()).sum();
    json!({
        "monthly_limit": limit,
        "used": used,
        "remaining": limit.saturating_sub(used),
        "resets_at": time(month.next().first_day().start_ms()),
    })
}

fn time(epoch_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(epoch_ms).ok().map(|time| time.to_string())
}
