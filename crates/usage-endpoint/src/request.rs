//! Parses a request: the key of the caller, and the days it asks for.
//!
//! The key comes from the authorizer's context alone, which a client cannot write.
//! Nothing else in the request names a key.

use metering_core::metered_key::MeteredKey;
use metering_core::window::{CallWindow, UtcDay, UtcMonth};
use serde_json::Value;

/// Limit of the days of one answer.
pub const MAX_DAYS: i64 = 100;

/// A valid request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRequest {
    /// The caller's key and its customer.
    pub key: MeteredKey,
    /// Monthly limit of the key, in calls; `None` if it has no limit.
    pub monthly_limit: Option<u64>,
    /// First day of the answer.
    pub from: UtcDay,
    /// Last day of the answer, inclusive.
    pub to: UtcDay,
}

/// A request that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadRequest {
    /// The method is not behind the API key authorizer.
    NoKey,
    /// A parameter is invalid.
    Parameter(String),
}

impl UsageRequest {
    /// Parses a request of a REST API, or of an HTTP API with payload format 2.0.
    ///
    /// # Errors
    /// When the context has no key, or a parameter is invalid.
    pub fn read(event: &Value, now_ms: i64) -> Result<Self, BadRequest> {
        let context = &event["requestContext"]["authorizer"];
        // HTTP APIs put the context of a Lambda authorizer one level deeper.
        let context = if context["lambda"].is_object() { &context["lambda"] } else { context };
        let api_key_id = context["apiKeyId"].as_str().filter(|id| !id.is_empty()).ok_or(BadRequest::NoKey)?;
        // REST APIs convert numbers to strings.
        let limit = &context["usageLimit"];
        let monthly_limit = limit.as_u64().or_else(|| limit.as_str()?.parse().ok());
        let (from, to) = days(&event["queryStringParameters"], now_ms)?;
        let customer_id = match &context["customerId"] {
            Value::Null => None,
            Value::String(id) => Some(id.as_str()).filter(|id| !id.is_empty()).map(Into::into),
            // The access log has its text, under which the calls are counted.
            other => Some(other.to_string().into()),
        };
        let key = MeteredKey { customer_id, api_key_id: api_key_id.into() };
        Ok(Self { key, monthly_limit, from, to })
    }
}

fn days(parameters: &Value, now_ms: i64) -> Result<(UtcDay, UtcDay), BadRequest> {
    let invalid = |text: String| Err(BadRequest::Parameter(text));
    let (mut from, mut to) = (None, None);
    for (name, value) in parameters.as_object().into_iter().flatten() {
        let day = value.as_str().unwrap_or("").parse::<UtcDay>();
        match (name.as_str(), day) {
            ("from", Ok(day)) => from = Some(day),
            ("to", Ok(day)) => to = Some(day),
            ("from" | "to", Err(error)) => return invalid(format!("{name}: {error}")),
            _ => return invalid("only the parameters from and to can be given, each a day".to_owned()),
        }
    }
    let today = CallWindow::at(now_ms).map(|window| window.day);
    let this_month = UtcMonth::at(now_ms).map(UtcMonth::first_day);
    let (Ok(today), Ok(this_month)) = (today, this_month) else {
        return invalid("the clock of the service is wrong".to_owned());
    };
    let to = to.unwrap_or(today);
    let from = from.unwrap_or(if to >= this_month { this_month } else { to.first_of_month() });
    if from > to {
        return invalid(format!("from {from} is after to {to}"));
    }
    if (to.start_ms() - from.start_ms()) / metering_core::window::DAY_MS >= MAX_DAYS {
        return invalid(format!("at most {MAX_DAYS} days can be asked for at once"));
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// 2026-11-24T08:34:30Z.
    const NOW_MS: i64 = 1_795_509_270_000;

    fn read(authorizer: &Value, parameters: &Value) -> Result<UsageRequest, BadRequest> {
        let event =
            json!({"requestContext": {"authorizer": authorizer}, "queryStringParameters": parameters});
        UsageRequest::read(&event, NOW_MS)
    }

    #[test]
    fn the_key_comes_from_the_authorizer_of_either_kind_of_api() {
        let rest =
            read(&json!({"apiKeyId": "key-1", "usageLimit": "100", "principalId": "key-1"}), &Value::Null);
        let http = read(&json!({"lambda": {"apiKeyId": "key-1", "usageLimit": 100}}), &Value::Null);
        assert_eq!(rest, http);
        let of_customer = read(&json!({"apiKeyId": "key-1", "customerId": "acme"}), &Value::Null).unwrap();
        assert_eq!(of_customer.key.customer_id.as_deref(), Some("acme"));
        let request = rest.unwrap();
        assert_eq!((request.key, request.monthly_limit), (MeteredKey::without_customer("key-1"), Some(100)));
        assert_eq!(
            (request.from.to_string(), request.to.to_string()),
            ("2026-11-01".into(), "2026-11-24".into())
        );
    }

    #[test]
    fn a_question_is_read_alike_from_either_payload_format() {
        let parameters = json!({"from": "2026-11-01", "to": "2026-11-02"});
        let question = |event: Value| UsageRequest::read(&event, NOW_MS);
        let rest = json!({"resource": "/usage", "queryStringParameters": parameters,
            "requestContext": {"authorizer": {"apiKeyId": "key-1"}}});
        let http = json!({"version": "2.0", "routeKey": "GET /usage", "queryStringParameters": parameters,
            "requestContext": {"authorizer": {"lambda": {"apiKeyId": "key-1"}}}});
        assert_eq!(question(rest).unwrap(), question(http).unwrap());
        // Without parameters format 2.0 has no such member; two values of one are joined.
        let bare =
            json!({"version": "2.0", "requestContext": {"authorizer": {"lambda": {"apiKeyId": "key-1"}}}});
        assert_eq!(question(bare.clone()).unwrap().to.to_string(), "2026-11-24");
        let mut twice = bare;
        twice["queryStringParameters"] = json!({"from": "2026-11-01,2026-11-02"});
        assert!(matches!(question(twice), Err(BadRequest::Parameter(_))));
    }

    #[test]
    fn nothing_that_a_client_sends_names_a_key() {
        let key = json!({"apiKeyId": "key-1"});
        for name in ["apiKeyId", "api_key_id", "key", "x-api-key"] {
            assert!(matches!(read(&key, &json!({name: "key-2"})), Err(BadRequest::Parameter(_))));
        }
        let event = json!({"headers": {"apiKeyId": "key-2"}, "body": "{\"apiKeyId\":\"key-2\"}",
            "pathParameters": {"apiKeyId": "key-2"}, "requestContext": {"authorizer": key}});
        assert_eq!(UsageRequest::read(&event, NOW_MS).unwrap().key, MeteredKey::without_customer("key-1"));
        for nobody in [Value::Null, json!({}), json!({"apiKeyId": ""}), json!({"apiKeyId": 7})] {
            assert_eq!(read(&nobody, &Value::Null), Err(BadRequest::NoKey));
        }
    }

    #[test]
    fn days_that_make_no_sense_are_named() {
        let problem = |parameters: Value| match read(&json!({"apiKeyId": "key-1"}), &parameters) {
            Err(BadRequest::Parameter(problem)) => problem,
            other => panic!("{other:?}"),
        };
        assert!(problem(json!({"from": "2026-13-01"})).contains("from: a day is written YYYY-MM-DD"));
        assert!(problem(json!({"from": "2026-11-02", "to": "2026-11-01"})).contains("is after"));
        assert!(
            problem(json!({"from": "2026-08-16", "to": "2026-11-24"})).contains("at most 100 days"),
            "101 days"
        );
        assert!(
            read(&json!({"apiKeyId": "key-1"}), &json!({"from": "2026-08-17", "to": "2026-11-24"})).is_ok()
        );
        let earlier = read(&json!({"apiKeyId": "key-1"}), &json!({"to": "2026-02-10"})).unwrap();
        assert_eq!(earlier.from.to_string(), "2026-02-01");
    }
}
