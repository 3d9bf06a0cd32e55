//! How API Gateway asks an authorizer, and what it makes of the answer.
//!
//! Source: API Gateway Developer Guide, "Use API Gateway Lambda authorizers".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use lambda_support::clock::now_ms;
use metering_core::api_key::KeyDigest;
use serde_json::{Map, Value, json};

use crate::gateway::{API_ID, STAGE};
use crate::lambda::Function;
use crate::queues::ACCOUNT_ID;

/// The authorizer of a stage.
pub struct Authorization {
    function: Arc<Function>,
    answers: Arc<AnswerCache>,
}

/// What the authorizer said of a call, and its context.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is admitted.
    Admitted(Value),
    /// It is not.
    Denied(Value),
    /// There was no usable answer.
    Failed,
}

impl Verdict {
    /// A member of the context.
    pub fn context(&self, name: &str) -> &Value {
        match self {
            Self::Admitted(context) | Self::Denied(context) => &context[name],
            Self::Failed => &Value::Null,
        }
    }
}

/// The cache of a stage for its authorizer's answers, by the identity source.
#[derive(Debug)]
pub struct AnswerCache {
    ttl_ms: u64,
    answers: Mutex<HashMap<KeyDigest, (i64, Arc<Value>)>>,
}

impl AnswerCache {
    /// A cache that keeps answers for `ttl_ms` milliseconds; 0 for not at all.
    pub fn new(ttl_ms: u64) -> Self {
        Self { ttl_ms, answers: Mutex::default() }
    }

    fn get(&self, key: KeyDigest) -> Option<Arc<Value>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&key).filter(|(expires_ms, _)| now_ms() < *expires_ms).map(|(_, answer)| answer.clone())
    }

    fn put(&self, key: KeyDigest, answer: Arc<Value>) {
        if self.ttl_ms > 0 {
            let expires_ms = now_ms().saturating_add_unsigned(self.ttl_ms);
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (expires_ms, answer));
        }
    }

    /// Empties the cache.
    pub fn flush(&self) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Authorization {
    /// Asks `function`, and remembers its answers.
    pub fn new(function: Arc<Function>, answers: Arc<AnswerCache>) -> Self {
        Self { function, answers }
    }

    /// Whether a call is admitted.
    pub async fn verdict(&self, call: &Parts) -> Verdict {
        let identity = call.headers.get("x-api-key").map(|key| KeyDigest::of_bytes(key.as_bytes()));
        let arn = method_arn(call);
        let remembered = identity.and_then(|identity| self.answers.get(identity));
        let answer = if let Some(answer) = remembered {
            answer
        } else {
            let Some(answer) = self.ask(call, &arn).await else { return Verdict::Failed };
            if let Some(identity) = identity {
                self.answers.put(identity, answer.clone());
            }
            answer
        };
        let context = answer["context"].clone();
        match allows(&answer["policyDocument"], &arn) {
            Some(true) => Verdict::Admitted(context),
            Some(false) => Verdict::Denied(context),
            None => Verdict::Failed,
        }
    }

    async fn ask(&self, call: &Parts, arn: &str) -> Option<Arc<Value>> {
        let event = Bytes::from(event(call, arn).to_string());
        match self.function.invoke(event).await {
            Ok(answer) => serde_json::from_slice(&answer).ok().map(Arc::new),
            Err(error) => {
                tracing::warn!(%error, "the authorizer gives no answer");
                None
            }
        }
    }
}

fn method_arn(call: &Parts) -> String {
    let path = call.uri.path().trim_start_matches('/');
    format!("arn:aws:execute-api:us-east-1:{ACCOUNT_ID}:{API_ID}/{STAGE}/{}/{path}", call.method)
}

/// The event of a REQUEST authorizer of a REST API.
fn event(call: &Parts, arn: &str) -> Value {
    let (headers, all_headers) = headers(&call.headers);
    let resource = resource(call.uri.path());
    json!({
        "type": "REQUEST", "methodArn": arn, "resource": resource, "path": call.uri.path(),
        "httpMethod": call.method.as_str(), "headers": headers, "multiValueHeaders": all_headers,
        "queryStringParameters": query_parameters(call), "pathParameters": {}, "stageVariables": {},
        "requestContext": {"resourcePath": resource, "httpMethod": call.method.as_str(), "path": call.uri.path(),
            "accountId": ACCOUNT_ID, "apiId": API_ID, "stage": STAGE, "identity": {"sourceIp": "127.0.0.1"}},
    })
}

/// The parameters of a call's query, with their last value.
pub fn query_parameters(call: &Parts) -> Map<String, Value> {
    let query = form_urlencoded::parse(call.uri.query().unwrap_or("").as_bytes());
    query.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect()
}

/// The resource of a path: this API has two.
pub fn resource(path: &str) -> &'static str {
    if path == "/usage" { "/usage" } else { "/{proxy+}" }
}

/// The headers with their last value, and with all of them.
fn headers(headers: &HeaderMap) -> (Map<String, Value>, Map<String, Value>) {
    let (mut last, mut all) = (Map::new(), Map::new());
    for name in headers.keys() {
        let values = headers.get_all(name).iter();
        let values: Vec<Value> =
            values.map(|value| Value::from(String::from_utf8_lossy(value.as_bytes()))).collect();
        last.insert(name.to_string(), values.last().cloned().unwrap_or_default());
        all.insert(name.to_string(), Value::Array(values));
    }
    (last, all)
}

/// Whether a policy allows the call: an explicit denial wins, and what is not
/// allowed is denied. `None` where it is no policy.
fn allows(policy: &Value, arn: &str) -> Option<bool> {
    let mut allowed = false;
    for statement in policy["Statement"].as_array()? {
        if matches(statement["Resource"].as_str()?, arn) {
            match statement["Effect"].as_str()? {
                "Allow" => allowed = true,
                _ => return Some(false),
            }
        }
    }
    Some(allowed)
}

/// Whether a pattern with `*` for any text matches.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter(|end| text.is_char_boundary(*end)).any(|end| matches(rest, &text[end..]))
}

/// The gateway's answer to a call that is not admitted, as the gateway
/// responses `ACCESS_DENIED` and `AUTHORIZER_FAILURE` are set up.
pub fn refusal(verdict: &Verdict) -> Response {
    let (status, body) = if let Verdict::Denied(context) = verdict {
        let message = context["message"].as_str().unwrap_or("This call is not allowed.");
        (StatusCode::FORBIDDEN, json!({"message": message, "reason": context["reason"]}))
    } else {
        let message = "The API key cannot be checked now. Please try again.";
        (StatusCode::INTERNAL_SERVER_ERROR, json!({"message": message, "reason": "unavailable"}))
    };
    (status, [(http::header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Puts the limit of the key into the headers of a response.
pub fn add_rate_limit_headers(verdict: &Verdict, headers: &mut HeaderMap) {
    for (header, member) in [
        ("x-ratelimit-limit", "usageLimit"),
        ("x-ratelimit-remaining", "remainingCalls"),
        ("x-ratelimit-reset", "usageResetSeconds"),
    ] {
        let value = verdict.context(member).as_i64().map(HeaderValue::from);
        if let Some(value) = value {
            headers.insert(header, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:local/local/GET/orders/7";

    #[test]
    fn a_policy_is_read_as_iam_reads_it() {
        let policy = |statements: &[(&str, &str)]| {
            let statements: Vec<Value> = statements
                .iter()
                .map(|(effect, resource)| json!({"Effect": effect, "Resource": resource}))
                .collect();
            allows(&json!({"Statement": statements}), ARN)
        };
        let stage = "arn:aws:execute-api:us-east-1:123456789012:local/local/*";
        assert_eq!(policy(&[("Allow", stage)]), Some(true));
        assert_eq!(policy(&[("Allow", ARN)]), Some(true));
        assert_eq!(policy(&[("Allow", "arn:aws:execute-api:*:*:local/*/GET/*/7")]), Some(true));
        assert_eq!(policy(&[("Allow", stage), ("Deny", "*")]), Some(false));
        assert_eq!(
            policy(&[("Allow", "arn:aws:execute-api:us-east-1:123456789012:local/local/GET/usage")]),
            Some(false)
        );
        assert_eq!(policy(&[]), Some(false));
        assert_eq!(allows(&json!({}), ARN), None);
        assert_eq!(allows(&json!({"Statement": [{"Effect": "Allow"}]}), ARN), None);
    }
}
