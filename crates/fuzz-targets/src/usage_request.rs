//! Requests for usage: key and customer are those of the authorizer's context, and the days are bounded.

use metering_core::holder::Holder;
use serde_json::Value;
use usage_endpoint::request::{BadRequest, MAX_DAYS, UsageRequest};

/// The time of every invocation: 2026-11-24T08:34:30Z.
const NOW_MS: i64 = 1_795_509_270_000;

/// Checks an event of API Gateway.
pub fn check(input: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Value>(input) else { return };
    let authorizer = &event["requestContext"]["authorizer"];
    let named = [&authorizer["apiKeyId"], &authorizer["lambda"]["apiKeyId"]];
    match UsageRequest::read(&event, NOW_MS) {
        Ok(UsageRequest { caller: Holder::Key(key), days: [from, to], periods, .. }) => {
            assert!(!key.api_key_id.is_empty());
            assert!(
                named.iter().any(|name| name.as_str() == Some(&key.api_key_id)),
                "only the authorizer names a key"
            );
            let customers = [&authorizer["customerId"], &authorizer["lambda"]["customerId"]];
            let text = |name: &Value| name.as_str().map_or_else(|| name.to_string(), str::to_owned);
            let is_named = |id: &str| customers.iter().any(|name| text(name) == id);
            assert!(key.customer_id.as_deref().is_none_or(is_named), "and a customer");
            assert!(from <= to && to.since(from).is_ok_and(|days| days.get_days() < MAX_DAYS));
            let [first, last] = periods.utc_days();
            assert!(first <= last && last <= first.plus_days(MAX_DAYS));
        }
        Ok(request) => panic!("{:?} has no key", request.caller),
        Err(BadRequest::NoKey) => {}
        Err(BadRequest::Parameter(problem)) => assert!(!problem.is_empty()),
    }
}
