//! The lines of the access log.

use std::collections::HashMap;

use access_log::log_format::ApiKind;
use http::StatusCode;

use super::call::Call;
use super::route::Route;
use crate::names::{API_ID, stage_name};

/// The answer to a call.
pub struct Answer {
    pub status: StatusCode,
    /// Time from the request to the answer, in milliseconds.
    pub latency_ms: i64,
    /// Length of the body, in bytes. `None` if the format has no such variable.
    pub response_bytes: Option<usize>,
}

/// Returns the line of a call. `context` returns what the authorizer says of the call.
pub fn line<'v>(call: &Call, context: impl Fn(&str) -> Option<&'v str>, answer: &Answer) -> String {
    let mut values = HashMap::from([
        ("extendedRequestId", call.request_id.clone()),
        ("requestTime", call.request_time()),
        ("status", answer.status.as_u16().to_string()),
        ("responseLatency", answer.latency_ms.to_string()),
        ("httpMethod", call.parts.method.to_string()),
        ("stage", stage_name(call.kind).to_owned()),
        ("apiId", API_ID.to_owned()),
    ]);
    for (variable, name) in [("authorizer.apiKeyId", "apiKeyId"), ("authorizer.customerId", "customerId")] {
        values.extend(context(name).map(|value| (variable, value.to_owned())));
    }
    match call.kind {
        ApiKind::Rest => {
            values.insert("requestTimeEpoch", call.requested_at_ms.to_string());
            let resource = |route: Route| route.resource(call.parts.uri.path()).to_owned();
            values.extend(call.route.map(|route| ("resourcePath", resource(route))));
        }
        ApiKind::Http => {
            // In seconds: the guide does not say so, but the lines of deployed HTTP APIs show it.
            values.insert("requestTimeEpoch", call.requested_at_ms.div_euclid(1_000).to_string());
            // Source: API Gateway Developer Guide, "Customize HTTP API access
            // logs": both request ids are the same.
            values.insert("requestId", call.request_id.clone());
            values.extend(call.route.map(|route| ("routeKey", route.key().to_owned())));
        }
    }
    let Some(response_bytes) = answer.response_bytes else {
        return fill_in(call.kind.access_log_format(), &values);
    };
    values.insert("responseLength", response_bytes.to_string());
    fill_in(&call.kind.access_log_format_with_response_length(), &values)
}

/// Replaces each `$context.NAME` by its value, or by `-` if it has none.
///
/// Values are not escaped. API Gateway documents no escaping, and has written lines that a quote or a
/// backslash made invalid.
fn fill_in(format: &str, values: &HashMap<&str, String>) -> String {
    let mut line = String::with_capacity(512);
    let mut parts = format.split("$context.");
    line.push_str(parts.next().unwrap_or(""));
    for part in parts {
        let end = part.find('"').unwrap_or(part.len());
        line.push_str(values.get(&part[..end]).map_or("-", String::as_str));
        line.push_str(&part[end..]);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apigateway::call::tests::call;
    use serde_json::{Value, json};

    fn answered(status: StatusCode) -> Answer {
        Answer { status, latency_ms: 12, response_bytes: None }
    }

    fn line_of(kind: ApiKind, uri: &str, key: Option<&str>) -> String {
        let context = |name: &str| if name == "apiKeyId" { key } else { key.map(|_| "acme") };
        line(&call(kind, "GET", uri, &[]), context, &answered(StatusCode::OK))
    }

    #[test]
    fn a_line_has_what_the_kind_of_its_api_logs() {
        let json_of = |kind, uri, key| -> Value { serde_json::from_str(&line_of(kind, uri, key)).unwrap() };
        let rest = json!({"id": "JKJaXmPLvHcESHA=", "key": "key-1", "customerId": "acme", "time": "1747602530123",
            "status": "200", "ms": "12", "method": "GET", "route": "/{proxy+}", "stage": "local", "api": "local"});
        assert_eq!(json_of(ApiKind::Rest, "/orders/7", Some("key-1")), rest);
        let http = json!({"id": "JKJaXmPLvHcESHA=", "key": "-", "customerId": "-", "time": "1747602530",
            "status": "200", "ms": "12", "method": "GET", "route": "GET /usage", "stage": "$default", "api": "local"});
        assert_eq!(json_of(ApiKind::Http, "/usage", None), http);
    }

    #[test]
    fn a_format_with_the_response_length_has_it_in_addition() {
        let call = call(ApiKind::Http, "GET", "/usage", &[]);
        let with_length = Answer { response_bytes: Some(1_834), ..answered(StatusCode::OK) };
        let [plain, long] =
            [answered(StatusCode::OK), with_length].map(|answer| line(&call, |_| None, &answer));
        assert_eq!(long, plain.replace('}', r#","bytes":"1834"}"#));
    }

    #[test]
    fn what_there_is_none_of_becomes_a_dash_and_nothing_is_escaped() {
        let mut call = call(ApiKind::Rest, "POST", "/usage", &[]);
        let refused = line(&call, |_| None, &answered(StatusCode::FORBIDDEN));
        assert!(refused.contains(r#""key":"-""#) && refused.contains(r#""route":"-""#), "{refused}");
        call.kind = ApiKind::Http;
        let odd = line(&call, |_| Some(r#"a"b\"#), &answered(StatusCode::OK));
        assert!(odd.contains(r#""key":"a"b\","#), "{odd}");
    }
}
