//! The Lambda authorizer of a stage: its invocation, its cached answers, and the verdict on a call.
//!
//! Source: API Gateway Developer Guide, "Use API Gateway Lambda authorizers"
//! and "Control access to HTTP APIs with AWS Lambda authorizers".

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use access_log::log_format::ApiKind;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use metering_core::api_key::KeyDigest;
use serde_json::{Value, json};
use system_clock::now_ms;

use super::call::Call;
use crate::lambda::Function;
use crate::sync::locked;

/// The Lambda authorizer of a stage.
pub struct Authorization {
    function: Arc<Function>,
    answers: Arc<AnswerCache>,
    simple_responses: bool,
}

/// The decision on a call before its integration.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The authorizer allows the call.
    Admitted {
        /// `principalId` of a policy; null in a simple response.
        principal_id: Value,
        /// The context that the authorizer returned.
        context: Value,
    },
    /// The authorizer denies the call. Its context has the reason.
    Denied(Value),
    /// The identity source is missing, so the authorizer was not invoked.
    Unidentified,
    /// The authorizer failed, or its answer is not valid.
    Failed,
    /// The API has no such method.
    NoRoute,
}

impl Verdict {
    /// The verdict on calls of a route without an authorizer.
    pub const OPEN: Self = Self::Admitted { principal_id: Value::Null, context: Value::Null };

    /// Returns a member of the context, or null.
    pub fn context(&self, name: &str) -> &Value {
        match self {
            Self::Admitted { context, .. } | Self::Denied(context) => &context[name],
            Self::Unidentified | Self::Failed | Self::NoRoute => &Value::Null,
        }
    }
}

/// The answers of a stage's authorizer that API Gateway caches, by the digest of the identity source.
#[derive(Debug)]
pub struct AnswerCache {
    ttl_ms: u64,
    answers: Mutex<HashMap<KeyDigest, (i64, Arc<Value>)>>,
}

impl AnswerCache {
    /// Returns a cache that keeps answers for `ttl_ms` milliseconds. `0` caches nothing.
    pub fn new(ttl_ms: u64) -> Self {
        Self { ttl_ms, answers: Mutex::default() }
    }

    fn get(&self, key: KeyDigest) -> Option<Arc<Value>> {
        let answers = locked(&self.answers);
        answers.get(&key).filter(|(expires_ms, _)| now_ms() < *expires_ms).map(|(_, answer)| answer.clone())
    }

    fn put(&self, key: KeyDigest, answer: Arc<Value>) {
        if self.ttl_ms > 0 {
            let expires_ms = now_ms().saturating_add_unsigned(self.ttl_ms);
            locked(&self.answers).insert(key, (expires_ms, answer));
        }
    }

    /// Empties the cache.
    pub fn flush(&self) {
        locked(&self.answers).clear();
    }
}

impl Authorization {
    /// Returns an authorizer that invokes `function`. `simple_responses` is `EnableSimpleResponses` of an
    /// HTTP API's authorizer; the authorizer of a REST API always returns a policy.
    pub fn new(function: Arc<Function>, answers: Arc<AnswerCache>, simple_responses: bool) -> Self {
        Self { function, answers, simple_responses }
    }

    /// Decides on a call, by a cached answer or by invoking the function.
    pub async fn verdict(&self, call: &Call) -> Verdict {
        let identity = call.identity();
        if identity.is_none() && self.needs_identity(call.kind) {
            return Verdict::Unidentified;
        }
        let identity = identity.map(|identity| KeyDigest::of_bytes(identity.as_bytes()));
        let cached = identity.and_then(|identity| self.answers.get(identity));
        let answer = if let Some(answer) = cached {
            answer
        } else {
            let Some(answer) = self.invoke(call).await else { return Verdict::Failed };
            if let Some(identity) = identity {
                self.answers.put(identity, answer.clone());
            }
            answer
        };
        let context = answer["context"].clone();
        let is_simple = call.kind == ApiKind::Http && self.simple_responses;
        let allows = if is_simple {
            answer["isAuthorized"].as_bool()
        } else {
            allows(&answer["policyDocument"], &call.arn())
        };
        match allows {
            Some(true) => Verdict::Admitted { principal_id: answer["principalId"].clone(), context },
            Some(false) => Verdict::Denied(context),
            None => Verdict::Failed,
        }
    }

    /// Returns `true` if a call without the identity source is refused before the authorizer is invoked.
    /// As deployed, that is always so for an HTTP API, and for a REST API if answers are cached, because
    /// the identity source is the cache key.
    fn needs_identity(&self, kind: ApiKind) -> bool {
        kind == ApiKind::Http || self.answers.ttl_ms > 0
    }

    async fn invoke(&self, call: &Call) -> Option<Arc<Value>> {
        match self.function.invoke(Bytes::from(call.authorizer_event().to_string())).await {
            Ok(answer) => serde_json::from_slice(&answer).ok().map(Arc::new),
            Err(error) => {
                tracing::warn!(%error, "the authorizer failed");
                None
            }
        }
    }
}

/// Evaluates a policy for a call. An explicit `Deny` wins, and a call that no statement allows is denied.
/// Returns `None` if the value is not a policy.
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

/// Returns `true` if a pattern matches a text. `*` matches any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter(|end| text.is_char_boundary(*end)).any(|end| matches(rest, &text[end..]))
}

/// Returns the response to a call that is not admitted.
///
/// The response of a REST API has the reason, as the deployed gateway responses `ACCESS_DENIED` and
/// `AUTHORIZER_FAILURE` have it. An HTTP API has no gateway responses.
///
/// Source: API Gateway Developer Guide, "Choose between REST APIs and HTTP APIs"
/// and "Troubleshooting HTTP API Lambda authorizers".
pub fn refusal(kind: ApiKind, verdict: &Verdict) -> Response {
    let body = |message: &str| json!({"message": message});
    let (status, body) = match (kind, verdict) {
        (_, Verdict::Unidentified) => (StatusCode::UNAUTHORIZED, body("Unauthorized")),
        (_, Verdict::NoRoute) => (StatusCode::FORBIDDEN, body("Missing Authentication Token")),
        (ApiKind::Rest, Verdict::Denied(context)) => {
            let message = context["message"].as_str().unwrap_or("This call is not allowed.");
            (StatusCode::FORBIDDEN, json!({"message": message, "reason": context["reason"]}))
        }
        (ApiKind::Http, Verdict::Denied(_)) => (StatusCode::FORBIDDEN, body("Forbidden")),
        (ApiKind::Rest, _) => {
            let message = "The API key cannot be checked now. Please try again.";
            (StatusCode::INTERNAL_SERVER_ERROR, json!({"message": message, "reason": "unavailable"}))
        }
        (ApiKind::Http, _) => (StatusCode::INTERNAL_SERVER_ERROR, body("Internal Server Error")),
    };
    (status, [(http::header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Adds the limit and the remaining calls of the key to the headers of a response.
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
