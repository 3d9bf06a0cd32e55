//! Events of the authorizer: requests to authorize, and notifications of changed keys.
//!
//! - The key is that of the header `x-api-key` alone, as `serde_json` reads the headers.
//! - The stage is a prefix of the ARN in the event.
//! - An error quotes nothing of the event, because it may hold a secret.
//! - A message that is read is written and read alike.

use std::collections::BTreeSet;

use api_authorizer::event::{Event, EventError};
use invalidation_message::InvalidationMessage;
use metering_core::api_key::KeyDigest;
use metering_core::authorization::Denial;
use metering_core::metered_key::MAX_KEY_ID_BYTES;
use serde_json::Value;

/// Checks an event of either kind.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let parsed = Event::parse(text);
    let value: Result<Value, _> = serde_json::from_str(text);
    match &parsed {
        Err(error) => check_error(error),
        Ok(_) if has_repeated_members(text) => {}
        Ok(Event::Call(call)) => {
            let event = value.unwrap_or_default();
            assert_eq!(event["type"], "REQUEST");
            let arn = if call.is_http_api { &event["routeArn"] } else { &event["methodArn"] };
            assert!(arn.as_str().is_some_and(|arn| arn.starts_with(&call.stage_arn)));
            assert_eq!(call.stage_arn.matches('/').count(), 1, "the stage ends the ARN");
            assert_eq!(call.key, expected_key(&event), "{text}");
        }
        Ok(Event::Invalidations(messages)) => {
            let event = value.unwrap_or_default();
            assert_eq!(event["Records"].as_array().map(Vec::len), Some(messages.len()), "no message is lost");
            messages.iter().for_each(check_round_trip);
        }
    }
}

/// Checks a message of the invalidation topic.
pub fn check_message(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some(message) = InvalidationMessage::from_json(text) else { return };
    check_round_trip(&message);
    let event = serde_json::json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": text}}]});
    let parsed = Event::parse(&event.to_string());
    if message.api_key_id.len() > MAX_KEY_ID_BYTES {
        assert!(matches!(parsed, Err(EventError::Message { .. })), "no key has an id of this length");
    } else {
        assert_eq!(parsed, Ok(Event::Invalidations(vec![message])));
    }
}

fn check_round_trip(message: &InvalidationMessage) {
    assert!(!message.api_key_id.is_empty());
    assert_eq!(InvalidationMessage::from_json(&message.to_json()).as_ref(), Some(message));
}

fn check_error(error: &EventError) {
    let shown = match error {
        EventError::Form { problem, line, column } => {
            format!("the event cannot be read: {problem} at line {line}, column {column}")
        }
        EventError::Kind => EventError::Kind.to_string(),
        EventError::Arn => EventError::Arn.to_string(),
        EventError::Message { problem } => {
            format!("the notification is not one of the invalidation topic: {problem}")
        }
    };
    assert_eq!(error.to_string(), shown, "nothing but the position is taken from the event");
}

/// Returns the key that the headers present, by the documentation.
fn expected_key(event: &Value) -> Result<KeyDigest, Denial> {
    let mut values = Vec::new();
    for headers in [&event["headers"], &event["multiValueHeaders"]] {
        for (name, value) in headers.as_object().into_iter().flatten() {
            if name.eq_ignore_ascii_case("x-api-key") {
                collect(value, &mut values);
            }
        }
    }
    let digests: Option<BTreeSet<String>> = values
        .iter()
        .map(|value| KeyDigest::of_secret(value.as_str()?).ok().map(|digest| digest.to_string()))
        .collect();
    let digests: Vec<String> = digests.ok_or(Denial::Malformed)?.into_iter().collect();
    match &digests[..] {
        [] => Err(Denial::Missing),
        [digest] => digest.parse().map_err(|_| Denial::Malformed),
        _ => Err(Denial::Malformed),
    }
}

/// Collects the values of a header, also from lists.
fn collect<'v>(value: &'v Value, values: &mut Vec<&'v Value>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect(value, values)),
        value => values.push(value),
    }
}

/// Returns `true` if an object of the event may have a member twice. `Value` keeps the last of them,
/// and the authorizer has its own rules.
fn has_repeated_members(text: &str) -> bool {
    let kept = serde_json::from_str::<Value>(text).unwrap_or_default();
    members(&kept) != text.matches(':').count()
}

fn members(value: &Value) -> usize {
    match value {
        Value::Object(object) => {
            let colons = |(name, value): (&String, &Value)| name.matches(':').count() + 1 + members(value);
            object.iter().map(colons).sum()
        }
        Value::Array(list) => list.iter().map(members).sum(),
        Value::String(text) => text.matches(':').count(),
        _ => 0,
    }
}
