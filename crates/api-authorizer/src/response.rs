//! Writes the answers in the format of API Gateway.
//!
//! Source: API Gateway Developer Guide, "Output from an API Gateway Lambda
//! authorizer" and "Control access to HTTP APIs with AWS Lambda authorizers".

use jiff::Timestamp;
use metering_core::authorization::Decision;
use metering_core::quota::Quota;
use serde::Serialize;

use crate::event::{Call, USAGE_PATH};

/// An answer to API Gateway.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer<'decision> {
    /// An IAM policy, for a REST API or an HTTP API without simple responses.
    Policy(PolicyAnswer<'decision>),
    /// A boolean, for an HTTP API with simple responses.
    Simple(SimpleAnswer<'decision>),
}

/// An answer with an IAM policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAnswer<'decision> {
    principal_id: &'decision str,
    policy_document: Policy,
    context: Context<'decision>,
}

/// An answer of an HTTP API's authorizer with simple responses.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SimpleAnswer<'decision> {
    is_authorized: bool,
    context: Context<'decision>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: &'static str,
    resource: String,
}

/// The authorizer context, which API Gateway offers to access logs, integrations and
/// error bodies as `$context.authorizer.*`. REST APIs accept strings, numbers and booleans.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Context<'decision> {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_id: Option<&'decision str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'decision str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'decision str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'decision str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_calls: Option<u64>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_reset_date: Option<String>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_reset_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// Builds the answer to a call.
pub fn answer<'decision>(
    call: &Call,
    decision: &'decision Decision,
    simple_responses: bool,
) -> Answer<'decision> {
    let context = context(decision);
    let admits_usage_only = call.asks_for_usage && matches!(decision, Decision::Deny { quota: Some(_), .. });
    if call.is_http_api && simple_responses {
        let is_authorized = decision.is_allowed() || admits_usage_only;
        return Answer::Simple(SimpleAnswer { is_authorized, context });
    }
    // API Gateway may cache the policy for other calls of the key, so it covers all of
    // them: the whole stage, or the usage endpoint alone for a key over its quota.
    let (effect, resource) = match decision {
        Decision::Allow { .. } => ("Allow", format!("{}/*", call.stage_arn)),
        Decision::Deny { quota: Some(_), .. } => ("Allow", format!("{}/GET{USAGE_PATH}", call.stage_arn)),
        Decision::Deny { .. } => ("Deny", format!("{}/*", call.stage_arn)),
    };
    let statement = [Statement { action: "execute-api:Invoke", effect, resource }];
    Answer::Policy(PolicyAnswer {
        principal_id: context.api_key_id.unwrap_or("none"),
        policy_document: Policy { version: "2012-10-17", statement },
        context,
    })
}

fn context(decision: &Decision) -> Context<'_> {
    let (key, quota, denial) = match decision {
        Decision::Allow { key, quota } => (Some(key), quota, None),
        Decision::Deny { denial, key, quota } => (key.as_ref(), quota, Some(*denial)),
    };
    Context {
        api_key_id: key.map(|key| key.key_id.as_str()),
        customer_id: key.and_then(|key| key.customer_id.as_deref()),
        owner: key.map(|key| key.owner.as_str()),
        plan: key.map(|key| key.plan.as_str()),
        usage_limit: quota.as_ref().map(|quota| quota.limit),
        current_usage: quota.as_ref().map(|quota| quota.used),
        remaining_calls: quota.as_ref().map(Quota::remaining),
        usage_reset_date: quota.as_ref().and_then(|quota| {
            Timestamp::from_millisecond(quota.resets_at_ms).ok().map(|time| time.to_string())
        }),
        usage_reset_seconds: quota.as_ref().map(|quota| quota.resets_at_ms / 1000),
        reason: denial.map(metering_core::authorization::Denial::reason),
        message: denial.map(metering_core::authorization::Denial::message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metering_core::api_key::KeyRecord;
    use metering_core::authorization::Denial;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn call(is_http_api: bool, asks_for_usage: bool) -> Call {
        let stage_arn = "arn:aws:execute-api:r:a:api/prod".to_owned();
        Call { key: Err(Denial::Missing), stage_arn, is_http_api, asks_for_usage }
    }

    fn key() -> Arc<KeyRecord> {
        let text = str::to_owned;
        Arc::new(KeyRecord {
            key_id: text("key-1"),
            customer_id: Some(text("c-1")),
            owner: text("acme"),
            plan: text("gold"),
            ..KeyRecord::default()
        })
    }

    fn json_of(call: &Call, decision: &Decision) -> Value {
        serde_json::to_value(answer(call, decision, true)).unwrap()
    }

    const QUOTA: Quota = Quota { limit: 100, used: 40, resets_at_ms: 1_796_083_200_000 };

    #[test]
    fn a_rest_api_gets_a_policy_for_the_whole_stage_and_a_flat_context() {
        let answer = json_of(&call(false, false), &Decision::Allow { key: key(), quota: Some(QUOTA) });
        let expected = json!({
            "principalId": "key-1",
            "policyDocument": {"Version": "2012-10-17", "Statement": [
                {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "arn:aws:execute-api:r:a:api/prod/*"}]},
            "context": {"apiKeyId": "key-1", "customerId": "c-1", "owner": "acme", "plan": "gold", "usageLimit": 100, "currentUsage": 40,
                "remainingCalls": 60, "usageResetDate": "2026-12-01T00:00:00Z", "usageResetSeconds": 1_796_083_200},
        });
        assert_eq!(answer, expected);
    }

    #[test]
    fn every_denial_is_an_explicit_one_with_its_reason() {
        for denial in Denial::ALL {
            let answer = json_of(&call(false, false), &Decision::deny(denial));
            assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny");
            assert_eq!(answer["context"]["reason"], denial.reason());
            assert_eq!(answer["principalId"], "none");
            let simple = json_of(&call(true, true), &Decision::deny(denial));
            assert_eq!(
                (&simple["isAuthorized"], &simple["context"]["reason"]),
                (&json!(false), &json!(denial.reason()))
            );
        }
    }

    #[test]
    fn over_quota_only_the_usage_can_be_asked_for() {
        let decision = Decision::Deny {
            denial: Denial::OverQuota,
            key: Some(key()),
            quota: Some(Quota { used: 100, ..QUOTA }),
        };
        let answer = json_of(&call(false, false), &decision);
        let statement = &answer["policyDocument"]["Statement"];
        assert_eq!(statement.as_array().unwrap().len(), 1);
        assert_eq!(statement[0]["Resource"], "arn:aws:execute-api:r:a:api/prod/GET/usage");
        assert_eq!(
            (&answer["context"]["reason"], &answer["context"]["remainingCalls"]),
            (&json!("over_quota"), &json!(0))
        );
        assert_eq!(json_of(&call(true, false), &decision)["isAuthorized"], false);
        assert_eq!(json_of(&call(true, true), &decision)["isAuthorized"], true);
    }
}
