//! Parses the events of the function: a request to authorize, or a notification of the invalidation topic.
//!
//! Source: API Gateway Developer Guide, "Input to an API Gateway Lambda
//! authorizer" (REST APIs) and "Control access to HTTP APIs with AWS Lambda
//! authorizers" (payload format 2.0); SNS Developer Guide, "Fanout to Lambda
//! functions".
//!
//! Plaintext secrets are never stored. Errors quote no text of an event.

use invalidation_message::InvalidationMessage;
use metering_core::api_key::KeyDigest;
use metering_core::authorization::Denial;
use metering_core::metered_key::MAX_KEY_ID_BYTES;
use serde::Deserialize;

use crate::key_headers::KeyHeaders;

pub use deployment::settings::USAGE_PATH;

/// An event of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A call to authorize.
    Call(Call),
    /// Changes of keys, published on the invalidation topic.
    Invalidations(Vec<InvalidationMessage>),
}

/// A call to authorize.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Digest of the presented secret, or the reason why there is none.
    pub key: Result<KeyDigest, Denial>,
    /// ARN of the stage: the ARN of the called method, cut after the stage.
    pub stage_arn: String,
    /// `true` for an HTTP API with payload format 2.0.
    pub is_http_api: bool,
    /// `true` for a call of the usage endpoint.
    pub asks_for_usage: bool,
}

/// An event that is not for this function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The event is not JSON, or a member has an unexpected type.
    #[error("the event cannot be read: {problem} at line {line}, column {column}")]
    Form { problem: &'static str, line: usize, column: usize },
    /// The event is neither a request nor a notification.
    #[error(
        "the event is neither a request to authorize (type REQUEST) nor a notification of the invalidation topic; set the authorizer's type to REQUEST"
    )]
    Kind,
    /// The ARN is missing or malformed.
    #[error(
        "the event has no methodArn or routeArn of the form arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/..."
    )]
    Arn,
    /// The message of a notification cannot be read.
    #[error("the notification is not one of the invalidation topic: {problem}")]
    Message { problem: &'static str },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEvent {
    #[serde(rename = "type")]
    kind: Option<String>,
    version: Option<String>,
    method_arn: Option<String>,
    route_arn: Option<String>,
    route_key: Option<String>,
    resource: Option<String>,
    http_method: Option<String>,
    #[serde(default)]
    headers: KeyHeaders,
    #[serde(default)]
    multi_value_headers: KeyHeaders,
    #[serde(rename = "Records")]
    records: Option<Vec<RawRecord>>,
}

#[derive(Deserialize)]
struct RawRecord {
    #[serde(rename = "Sns")]
    sns: Option<RawNotification>,
}

#[derive(Deserialize)]
struct RawNotification {
    #[serde(rename = "Message")]
    message: String,
}

impl Event {
    /// Parses an event.
    ///
    /// # Errors
    /// When the event is neither a request to authorize nor a notification.
    pub fn parse(text: &str) -> Result<Self, EventError> {
        let raw: RawEvent = serde_json::from_str(text).map_err(|error| form_error(&error))?;
        if let Some(records) = raw.records {
            return invalidations(records);
        }
        if raw.kind.as_deref() != Some("REQUEST") {
            return Err(EventError::Kind);
        }
        let is_http_api = raw.version.as_deref() == Some("2.0");
        let arn = if is_http_api { raw.route_arn } else { raw.method_arn };
        let asks_for_usage = if is_http_api {
            raw.route_key.as_deref().and_then(|route| route.strip_prefix("GET ")) == Some(USAGE_PATH)
        } else {
            raw.resource.as_deref() == Some(USAGE_PATH) && raw.http_method.as_deref() == Some("GET")
        };
        Ok(Self::Call(Call {
            key: raw.headers.merge(raw.multi_value_headers),
            stage_arn: stage_arn(arn).ok_or(EventError::Arn)?,
            is_http_api,
            asks_for_usage,
        }))
    }
}

/// Describes a problem by its kind and position. The text of the library may
/// quote the event, which may hold a secret.
fn form_error(error: &serde_json::Error) -> EventError {
    let problem = match error.classify() {
        serde_json::error::Category::Data => "a member has an unexpected form",
        serde_json::error::Category::Eof => "it ends too early",
        _ => "it is not JSON",
    };
    EventError::Form { problem, line: error.line(), column: error.column() }
}

fn invalidations(records: Vec<RawRecord>) -> Result<Event, EventError> {
    let message = |record: RawRecord| {
        let notification = record.sns.ok_or(EventError::Kind)?;
        let message = InvalidationMessage::from_json(&notification.message)
            .ok_or(EventError::Message { problem: "it has no api_key_id and sequence" })?;
        if message.api_key_id.len() > MAX_KEY_ID_BYTES {
            return Err(EventError::Message { problem: "its api_key_id is longer than the id of a key" });
        }
        Ok(message)
    };
    records.into_iter().map(message).collect::<Result<_, _>>().map(Event::Invalidations)
}

fn stage_arn(arn: Option<String>) -> Option<String> {
    let mut arn = arn?;
    let api = arn.match_indices(':').nth(4)?.0;
    let before_api = &arn[..api];
    if !arn.starts_with("arn:") || !before_api.contains(":execute-api:") || before_api.contains('/') {
        return None;
    }
    let stage = api + arn[api..].find('/')? + 1;
    let end = arn[stage..].find('/').map_or(arn.len(), |end| stage + end);
    if end == stage {
        return None;
    }
    arn.truncate(end);
    Some(arn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/GET/orders/7";

    fn call(event: &Value) -> Call {
        match Event::parse(&event.to_string()).unwrap() {
            Event::Call(call) => call,
            other @ Event::Invalidations(_) => panic!("{other:?}"),
        }
    }

    fn rest(headers: &Value, all_headers: &Value) -> Call {
        call(&json!({"type": "REQUEST", "methodArn": ARN, "resource": "/orders/{id}", "httpMethod": "GET",
            "headers": headers, "multiValueHeaders": all_headers}))
    }

    fn digest(secret: &str) -> KeyDigest {
        KeyDigest::of_secret(secret).unwrap()
    }

    #[test]
    fn the_header_is_found_in_any_letter_case_and_in_either_form() {
        for name in ["x-api-key", "X-API-Key", "X-API-KEY"] {
            assert_eq!(rest(&json!({"Accept": "*/*", name: "abc"}), &json!({})).key, Ok(digest("abc")));
            assert_eq!(rest(&json!({name: "abc"}), &json!({name: ["abc"]})).key, Ok(digest("abc")));
            assert_eq!(rest(&Value::Null, &json!({name: ["abc"]})).key, Ok(digest("abc")));
        }
        let call = rest(&json!({"x-api-key": "abc"}), &Value::Null);
        assert_eq!(call.stage_arn, "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod");
        assert!(!call.is_http_api && !call.asks_for_usage);
    }

    #[test]
    fn an_http_api_sends_payload_format_2() {
        let event = json!({"version": "2.0", "type": "REQUEST", "routeArn": ARN, "routeKey": "GET /usage",
            "identitySource": ["abc"], "headers": {"x-api-key": "abc"},
            "requestContext": {"http": {"method": "GET"}}});
        let call = call(&event);
        assert_eq!(call.key, Ok(digest("abc")));
        assert!(call.is_http_api && call.asks_for_usage);
    }

    /// WebSocket APIs have no place for keys in the meter's documents. A key is
    /// taken from the header alone all the same, never from a query or an
    /// identity source.
    #[test]
    fn only_the_header_carries_a_key() {
        let connect = |headers: &Value, parameters: &Value| {
            call(&json!({"type": "REQUEST", "methodArn": "arn:aws:execute-api:r:1:ws1/dev/$connect",
                "headers": headers, "multiValueHeaders": {}, "queryStringParameters": parameters,
                "requestContext": {"routeKey": "$connect", "eventType": "CONNECT"}}))
        };
        let admitted = connect(&json!({"Upgrade": "websocket", "X-Api-Key": "abc"}), &json!({}));
        assert_eq!(
            (admitted.key, admitted.stage_arn.as_str()),
            (Ok(digest("abc")), "arn:aws:execute-api:r:1:ws1/dev")
        );
        let in_query = connect(&json!({}), &json!({"x-api-key": "abc"}));
        assert_eq!(in_query.key, Err(Denial::Missing));
        let http = json!({"version": "2.0", "type": "REQUEST", "routeArn": ARN, "identitySource": ["abc"],
            "routeKey": "$default", "headers": {"accept": "*/*"}});
        assert_eq!(call(&http).key, Err(Denial::Missing));
    }

    #[test]
    fn an_event_with_its_arn_alone_is_a_denial() {
        let nothing = Value::Null;
        for event in [
            json!({"type": "REQUEST", "methodArn": ARN}),
            json!({"type": "REQUEST", "methodArn": ARN, "resource": nothing, "httpMethod": nothing,
                "headers": nothing, "multiValueHeaders": nothing, "requestContext": nothing}),
            json!({"version": "2.0", "type": "REQUEST", "routeArn": ARN}),
            json!({"version": "2.0", "type": "REQUEST", "routeArn": ARN, "routeKey": nothing, "headers": nothing}),
        ] {
            let call = call(&event);
            assert_eq!((call.key, call.asks_for_usage), (Err(Denial::Missing), false), "{event}");
        }
    }

    #[test]
    fn payload_format_1_of_an_http_api_is_answered_as_a_rest_api_is() {
        let event = json!({"version": "1.0", "type": "REQUEST", "methodArn": ARN, "identitySource": "abc",
            "authorizationToken": "abc", "resource": "/usage", "httpMethod": "GET", "headers": {"x-api-key": "abc"}});
        let call = call(&event);
        assert_eq!((call.key, call.is_http_api, call.asks_for_usage), (Ok(digest("abc")), false, true));
    }

    /// An HTTP API joins values with commas, and a secret may have one: two
    /// values are some other secret, which no key has.
    #[test]
    fn two_values_of_an_http_api_are_neither_of_them() {
        for joined in ["abc,abc", "abc,def"] {
            let event = json!({"version": "2.0", "type": "REQUEST", "routeArn": ARN, "headers": {"x-api-key": joined}});
            let key = call(&event).key;
            assert_eq!(key, Ok(digest(joined)));
            assert_ne!(key, Ok(digest("abc")));
        }
    }

    #[test]
    fn what_is_for_another_function_is_an_error_that_says_so() {
        let headers = json!({"x-api-key": "abc"});
        for event in [
            json!({"requestContext": {"elb": {}}, "httpMethod": "GET", "path": "/", "headers": headers}),
            json!({"source": "serverless-plugin-warmup"}),
            json!({"resource": "/a", "path": "/a", "httpMethod": "GET", "headers": headers}),
            json!({"type": "TOKEN", "methodArn": ARN, "authorizationToken": "abc"}),
        ] {
            assert_eq!(Event::parse(&event.to_string()), Err(EventError::Kind), "{event}");
        }
    }

    #[test]
    fn what_is_no_key_is_a_denial_and_never_a_key() {
        assert_eq!(rest(&json!({}), &json!({})).key, Err(Denial::Missing));
        assert_eq!(rest(&Value::Null, &Value::Null).key, Err(Denial::Missing));
        for value in [
            json!(""),
            json!(7),
            json!(null),
            json!({"a": "abc"}),
            json!(true),
            json!(1.5),
            json!(-1),
            json!("a b"),
            json!("\u{0}\u{1f}"),
            json!("k".repeat(10_240)),
            json!(["abc", "def"]),
            json!([["abc", 1]]),
        ] {
            assert_eq!(rest(&json!({"x-api-key": value}), &json!({})).key, Err(Denial::Malformed), "{value}");
        }
        assert_eq!(
            rest(&json!({"x-api-key": "b", "X-Api-Key": "a"}), &json!({})).key,
            Err(Denial::Malformed)
        );
        assert_eq!(
            rest(&json!({"x-api-key": "b"}), &json!({"x-api-key": ["a", "b"]})).key,
            Err(Denial::Malformed)
        );
        assert_eq!(rest(&json!({"x-api-key": "b"}), &json!({"x-api-key": ["b", "b"]})).key, Ok(digest("b")));
    }

    #[test]
    fn a_notification_tells_of_changes() {
        let message = r#"{"api_key_id":"key-1","sequence":7,"change":"deleted","changed_at_ms":5}"#;
        let event =
            json!({"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "m", "Message": message}}]});
        let Event::Invalidations(messages) = Event::parse(&event.to_string()).unwrap() else { panic!() };
        assert_eq!((messages[0].api_key_id.as_str(), messages[0].sequence), ("key-1", 7));
        for message in ["", "{}", "[]", r#"{"api_key_id":"key-1"}"#, r#"{"api_key_id":7,"sequence":7}"#] {
            let event = json!({"Records": [{"Sns": {"Message": message}}]});
            assert!(matches!(Event::parse(&event.to_string()), Err(EventError::Message { .. })), "{message}");
        }
    }

    #[test]
    fn a_notification_of_an_id_that_no_key_has_is_refused() {
        let event = |bytes: usize| {
            let message = json!({"api_key_id": "k".repeat(bytes), "sequence": 7}).to_string();
            Event::parse(&json!({"Records": [{"Sns": {"Message": message}}]}).to_string())
        };
        assert!(event(MAX_KEY_ID_BYTES).is_ok());
        assert!(matches!(event(MAX_KEY_ID_BYTES + 1), Err(EventError::Message { .. })));
    }

    #[test]
    fn many_values_of_the_header_are_ambiguous_and_take_no_memory() {
        let keys: Vec<String> = (0..1_000).map(|number| format!("key-{number}")).collect();
        let headers: KeyHeaders = serde_json::from_value(json!({"x-api-key": keys})).unwrap();
        assert_eq!(headers.remembered(), 2);
        assert_eq!(rest(&json!({}), &json!({"x-api-key": keys})).key, Err(Denial::Malformed));
        assert_eq!(rest(&json!({}), &json!({"x-api-key": vec!["a"; 1_000]})).key, Ok(digest("a")));
    }

    #[test]
    fn an_error_says_what_is_wrong_and_quotes_nothing() {
        let secret = "um_very-secret";
        for event in [
            secret.to_owned(),
            format!(r#"{{"type":"REQUEST","headers":"{secret}"}}"#),
            format!(r#"{{"type":"REQUEST","headers":{{"x-api-key":"{secret}"}},"methodArn":7}}"#),
            format!(
                r#"{{"type":"REQUEST","methodArn":"arn:{secret}","headers":{{"x-api-key":"{secret}"}}}}"#
            ),
            format!(r#"{{"type":"TOKEN","methodArn":"{ARN}","authorizationToken":"{secret}"}}"#),
            format!(r#"{{"type":"REQUEST","headers":{{"x-api-key":"{secret}""#),
            r#"{"Records":[{"kinesis":{}}]}"#.to_owned(),
            "[]".to_owned(),
            "null".to_owned(),
            "7".to_owned(),
            String::new(),
            "{}".to_owned(),
        ] {
            let error = Event::parse(&event).unwrap_err();
            assert!(!format!("{error} {error:?}").contains(secret), "{error}");
        }
    }

    #[test]
    fn an_event_of_another_form_is_told_from_a_cut_one_and_from_another_text() {
        for (event, problem) in [
            (r#"{"type":7}"#, "a member has an unexpected form"),
            (r#"{"type":"REQUEST","headers":"none"}"#, "a member has an unexpected form"),
            (r#"{"type":"REQUEST""#, "it ends too early"),
            ("", "it ends too early"),
            ("type", "it is not JSON"),
        ] {
            let error = Event::parse(event).unwrap_err();
            assert!(error.to_string().contains(problem), "{event}: {error}");
        }
    }

    #[test]
    fn an_arn_of_another_form_is_refused() {
        for arn in [
            "",
            "arn:aws:execute-api:r:a",
            "arn:aws:execute-api:r:a:api",
            "arn:aws:execute-api:r:a:api/",
            "arn:aws:execute-api:r:a:api//GET",
            "arn:aws:lambda:r:a:api/prod/GET",
            "arn:aws:execute-api:r:a/b:api/prod/GET",
            "x",
        ] {
            let event = json!({"type": "REQUEST", "methodArn": arn}).to_string();
            assert_eq!(Event::parse(&event), Err(EventError::Arn), "{arn}");
        }
        for (arn, stage) in [
            (
                "arn:aws-cn:execute-api:cn-north-1:1:api/prod/GET/a:b/c",
                "arn:aws-cn:execute-api:cn-north-1:1:api/prod",
            ),
            ("arn:aws-us-gov:execute-api:r:1:api/prod/GET/", "arn:aws-us-gov:execute-api:r:1:api/prod"),
            ("arn:aws:execute-api:r:1:api/null/GET/", "arn:aws:execute-api:r:1:api/null"),
            (
                "arn:aws:execute-api:r:1:api/ESTestInvoke-stage/GET/",
                "arn:aws:execute-api:r:1:api/ESTestInvoke-stage",
            ),
            ("arn:aws:execute-api:r:1:api/$default/$default", "arn:aws:execute-api:r:1:api/$default"),
            ("arn:aws:execute-api:r:1:api/v1/GET/\u{fc}/a:b?c=*/%C2%A3", "arn:aws:execute-api:r:1:api/v1"),
        ] {
            let rest = json!({"type": "REQUEST", "methodArn": arn});
            let http = json!({"version": "2.0", "type": "REQUEST", "routeArn": arn});
            assert_eq!((call(&rest).stage_arn.as_str(), call(&http).stage_arn.as_str()), (stage, stage));
        }
    }
}
