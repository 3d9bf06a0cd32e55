//! A call of the API, and the events that its functions get.

use access_log::log_format::ApiKind;
use deployment::names::KEY_HEADER;
use http::HeaderMap;
use http::request::Parts;
use serde_json::{Map, Value, json};

use super::route::Route;
use crate::lambda::payload::{HttpRequest, joined, query, request_time};
use crate::names::{ACCOUNT_ID, API_ID, arn, stage_name};

/// A call of the gateway's API.
pub struct Call {
    pub kind: ApiKind,
    /// The request without its body.
    pub parts: Parts,
    /// `None` if the REST API has no method for the call.
    pub route: Option<Route>,
    /// `$context.extendedRequestId` of a REST API, `$context.requestId` of an HTTP API.
    pub request_id: String,
    /// Time at which the request arrived, in milliseconds since 1970.
    pub requested_at_ms: i64,
}

impl Call {
    /// Returns the identity source of the authorizer: all values of the header, joined by commas.
    ///
    /// An empty value counts as missing. Source: API Gateway API Reference,
    /// `CreateAuthorizer`, `identitySource`: "present, not null, and non-empty".
    pub fn identity(&self) -> Option<String> {
        joined(&self.parts.headers, KEY_HEADER).filter(|value| !value.is_empty())
    }

    /// Returns the value of `$context.requestTime`.
    pub fn request_time(&self) -> String {
        request_time(self.requested_at_ms)
    }

    /// Returns the `methodArn` of a REST API, the `routeArn` of an HTTP API.
    ///
    /// The ARN of the route `$default` ends with its name, as it does in the permission to invoke a
    /// function from that route.
    pub fn arn(&self) -> String {
        let stage = stage_name(self.kind);
        let called = match (self.kind, self.route) {
            (ApiKind::Http, Some(Route::Backend)) => Route::Backend.key().to_owned(),
            _ => format!("{}/{}", self.parts.method, self.path().trim_start_matches('/')),
        };
        arn("execute-api", &format!("{API_ID}/{stage}/{called}"))
    }

    fn path(&self) -> &str {
        self.parts.uri.path()
    }

    fn resource(&self) -> &'static str {
        self.route.map_or("", |route| route.resource(self.path()))
    }

    fn route_key(&self) -> &'static str {
        self.route.map_or("", Route::key)
    }

    /// Returns the event for a REQUEST authorizer.
    pub fn authorizer_event(&self) -> Value {
        match self.kind {
            ApiKind::Rest => self.rest_authorizer_event(),
            ApiKind::Http => {
                let mut event = self.http_event(&json!({}));
                event["type"] = json!("REQUEST");
                event["routeArn"] = json!(self.arn());
                event["identitySource"] = json!([self.identity()]);
                event
            }
        }
    }

    /// Source: API Gateway Developer Guide, "Input to an API Gateway Lambda authorizer".
    fn rest_authorizer_event(&self) -> Value {
        let (headers, all_headers) = headers(&self.parts.headers);
        let (method, resource) = (self.parts.method.as_str(), self.resource());
        json!({
            "type": "REQUEST", "methodArn": self.arn(), "resource": resource, "path": self.path(),
            "httpMethod": method, "headers": headers, "multiValueHeaders": all_headers,
            "queryStringParameters": query(&self.parts, last), "pathParameters": {}, "stageVariables": {},
            "requestContext": {"resourcePath": resource, "httpMethod": method, "path": self.path(),
                "accountId": ACCOUNT_ID, "apiId": API_ID, "stage": stage_name(self.kind),
                "extendedRequestId": self.request_id, "identity": {"sourceIp": "127.0.0.1"}},
        })
    }

    /// Returns the event for a Lambda proxy integration, with the principal and the context that the
    /// authorizer returned.
    pub fn integration_event(&self, principal_id: &Value, context: &Value) -> Value {
        match self.kind {
            ApiKind::Rest => self.rest_integration_event(principal_id, context),
            ApiKind::Http => {
                let mut event = self.http_event(&json!({"authorizer": {"lambda": context}}));
                event["isBase64Encoded"] = json!(false);
                event
            }
        }
    }

    /// Returns the event of a REST API, which converts the values of the context to strings.
    ///
    /// Source: API Gateway Developer Guide, "Output from an API Gateway Lambda
    /// authorizer": "converts the JSON values to strings".
    fn rest_integration_event(&self, principal_id: &Value, context: &Value) -> Value {
        let mut authorizer: Map<String, Value> = Map::new();
        for (name, value) in context.as_object().into_iter().flatten() {
            authorizer
                .insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned).into());
        }
        authorizer.insert("principalId".to_owned(), principal_id.clone());
        let parameters = Some(query(&self.parts, last)).filter(|parameters| !parameters.is_empty());
        json!({
            "resource": self.resource(), "path": self.path(), "httpMethod": self.parts.method.as_str(),
            "queryStringParameters": parameters, "isBase64Encoded": false,
            "requestContext": {"apiId": API_ID, "stage": stage_name(self.kind), "authorizer": authorizer},
        })
    }

    /// Returns the common part of the events of payload format 2.0.
    fn http_event(&self, further_context: &Value) -> Value {
        let request = HttpRequest {
            parts: &self.parts,
            api_id: API_ID,
            route_key: self.route_key(),
            stage: stage_name(self.kind),
            request_id: &self.request_id,
            requested_at_ms: self.requested_at_ms,
        };
        request.payload_2(further_context)
    }
}

fn last(_: &str, value: &str) -> String {
    value.to_owned()
}

/// Returns the last value of each header, and all values of each header.
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

#[cfg(test)]
pub mod tests {
    use super::*;
    use http::Request;

    /// Returns a call with headers.
    pub fn call(kind: ApiKind, method: &str, uri: &str, headers: &[(&str, &str)]) -> Call {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let route = Route::find(kind, &parts.method, parts.uri.path());
        Call {
            kind,
            parts,
            route,
            request_id: "JKJaXmPLvHcESHA=".to_owned(),
            requested_at_ms: 1_747_602_530_123,
        }
    }

    #[test]
    fn an_http_api_sends_payload_format_2() {
        let headers =
            [("X-API-Key", "one"), ("x-api-key", "two"), ("Cookie", "a=1; b=2"), ("User-Agent", "curl/8")];
        let call = call(ApiKind::Http, "GET", "/orders/7?a=1&a=2&b=3", &headers);
        let expected = json!({
            "version": "2.0", "type": "REQUEST",
            "routeArn": "arn:aws:execute-api:us-east-1:123456789012:local/$default/$default",
            "identitySource": ["one,two"], "routeKey": "$default", "rawPath": "/orders/7",
            "rawQueryString": "a=1&a=2&b=3", "cookies": ["a=1", "b=2"],
            "headers": {"x-api-key": "one,two", "user-agent": "curl/8"},
            "queryStringParameters": {"a": "1,2", "b": "3"},
            "requestContext": {"accountId": "123456789012", "apiId": "local", "domainName": "localhost",
                "domainPrefix": "localhost",
                "http": {"method": "GET", "path": "/orders/7", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                    "userAgent": "curl/8"},
                "requestId": "JKJaXmPLvHcESHA=", "routeKey": "$default", "stage": "$default",
                "time": "18/May/2025:21:08:50 +0000", "timeEpoch": 1_747_602_530_123_i64},
        });
        assert_eq!(call.authorizer_event(), expected);
    }

    #[test]
    fn an_integration_is_told_the_context_of_the_authorizer() {
        let context = json!({"apiKeyId": "key-1", "usageLimit": 7});
        let event = |kind| {
            let call = call(kind, "GET", "/usage", &[("x-api-key", "one")]);
            call.integration_event(&json!("key-1"), &context)
        };
        let http = event(ApiKind::Http);
        assert_eq!((&http["version"], &http["routeKey"]), (&json!("2.0"), &json!("GET /usage")));
        assert_eq!(http["requestContext"]["authorizer"], json!({"lambda": context}));
        assert_eq!(http.get("queryStringParameters"), None);
        let rest = event(ApiKind::Rest);
        assert_eq!(
            rest["requestContext"]["authorizer"],
            json!({"apiKeyId": "key-1", "usageLimit": "7", "principalId": "key-1"})
        );
        assert_eq!((&rest["resource"], rest.get("version")), (&json!("/usage"), None));
    }

    #[test]
    fn a_header_without_a_value_identifies_nobody() {
        for kind in [ApiKind::Rest, ApiKind::Http] {
            assert_eq!(call(kind, "GET", "/", &[("x-api-key", "")]).identity(), None);
            assert_eq!(call(kind, "GET", "/", &[]).identity(), None);
            assert_eq!(call(kind, "GET", "/", &[("x-api-key", "a")]).identity(), Some("a".to_owned()));
        }
    }
}
