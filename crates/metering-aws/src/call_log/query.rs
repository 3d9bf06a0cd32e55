//! The queries for CloudWatch Logs Insights.

use metering_core::billing_rules::BillingRules;
use metering_core::route_pattern::RoutePattern;
use serde_json::Value;

use super::{MAX_ROWS, TimeOfLine};

/// Reads the fields of a line under their short or long names.
///
/// Epochs in seconds and in milliseconds are distinguished by their size, as in
/// [`access_log::request_time::epoch_to_ms`]: `least(1, floor(epoch / 1e11))` is 0
/// for seconds and 1 for milliseconds, and the divisor follows from it.
const FIELDS: &str = concat!(
    "fields coalesce(apiKeyId, key, \"-\") as api_key, coalesce(customerId, \"-\") as customer_id,",
    " coalesce(requestTimeEpoch, time, \"-\") as epoch,",
    " coalesce(requestTime, time) as clock_time,",
    " coalesce(route, resourcePath, routeKey, \"\") as call_route, coalesce(method, httpMethod, \"\") as call_method\n",
    "| fields floor(epoch / 3600 / (1 + 999 * least(1, floor(epoch / 100000000000)))) as hour",
);

/// The condition that a line has no method apart from its route key.
const NO_METHOD: &str = r#"call_method in ["", "-"]"#;

/// Returns the query that counts calls without grouping.
pub fn plainly(rules: &BillingRules) -> String {
    format!("{}\n| stats count(*) as calls", selection(rules))
}

/// Returns the query that counts the calls of lines logged in `from_ms..to_ms`
/// by time and, if `per_key`, by key.
pub fn counting(
    rules: &BillingRules,
    (from_ms, to_ms): (i64, i64),
    time: TimeOfLine,
    per_key: bool,
) -> String {
    let key = if per_key { "api_key, customer_id, " } else { "" };
    let (condition, time) = match time {
        TimeOfLine::Epoch => ("", "hour"),
        TimeOfLine::Text => ("not ispresent(hour) and ", "clock_time"),
    };
    format!(
        "{}\n| filter {condition}toMillis(@timestamp) >= {from_ms} and toMillis(@timestamp) < {to_ms}\n| stats count(*) as calls by {key}{time}\n| limit {MAX_ROWS}",
        selection(rules)
    )
}

/// Selects the calls with a key that the rules bill.
fn selection(rules: &BillingRules) -> String {
    let statuses = rules.billed_statuses.regular_expression();
    let billed = format!(r#"| filter status like /{statuses}/ and api_key not in ["-", ""]"#);
    let conditions = rules.unbilled.entries().iter().map(is_of_route);
    let filters = conditions.map(|condition| format!("| filter not ({condition})"));
    [FIELDS.to_owned(), billed].into_iter().chain(filters).collect::<Vec<_>>().join("\n")
}

/// Returns the condition that a call is one of an unbilled route, equivalent to
/// [`metering_core::unbilled::UnbilledRoutes::contains`].
fn is_of_route(unbilled: &RoutePattern) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let is_path =
        |path: &str| format!("call_route = {} or call_route like /^[A-Z]+ {}$/", quoted(path), escaped(path));
    match unbilled {
        RoutePattern::Path(path) => is_path(path),
        RoutePattern::Method(method) => {
            format!("call_method = {} or ({NO_METHOD} and call_route like /^{method} /)", quoted(method))
        }
        RoutePattern::MethodOfPath { method, path } => format!(
            "(call_method = {} and ({})) or ({NO_METHOD} and call_route = {})",
            quoted(method),
            is_path(path),
            quoted(&format!("{method} {path}"))
        ),
    }
}

/// Escapes a text for a regular expression between slashes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if !(character.is_alphanumeric() || character == '_' || character == '-') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unbilled_route_is_left_out_by_resource_and_by_route_key() {
        let rules = BillingRules::except("/usage,OPTIONS *,GET /health".parse().unwrap());
        let counting = |rules: &BillingRules| counting(rules, (5, 9), TimeOfLine::Epoch, false);
        let query = counting(&rules);
        for filter in [
            r#"| filter not (call_route = "/usage" or call_route like /^[A-Z]+ \/usage$/)"#,
            r#"| filter not (call_method = "OPTIONS" or (call_method in ["", "-"] and call_route like /^OPTIONS /))"#,
            r#"| filter not ((call_method = "GET" and (call_route = "/health" or call_route like /^[A-Z]+ \/health$/)) or (call_method in ["", "-"] and call_route = "GET /health"))"#,
        ] {
            assert!(query.contains(filter), "{query}");
        }
        assert!(!counting(&BillingRules::default()).contains("filter not"));
    }

    #[test]
    fn the_billed_statuses_are_selected_and_no_others() {
        let selected = |statuses: &str| {
            plainly(&BillingRules { billed_statuses: statuses.parse().unwrap(), ..BillingRules::default() })
        };
        assert!(plainly(&BillingRules::default()).contains("filter status like /^2[0-9][0-9]$/ and"));
        assert!(selected("200-299,304").contains("filter status like /^(2[0-9][0-9]|304)$/ and"));
    }
}
