//! The variables of access-log formats, by kind of API.
//!
//! Source: API Gateway Developer Guide, "Variables for access logging for API
//! Gateway" (REST APIs) and "Customize HTTP API access logs".

use access_log::log_format::ApiKind;

/// Variables that only REST APIs have. A name with a dot at the end is a prefix.
const REST_ONLY: [&str; 21] = [
    "resourcePath",
    "resourceId",
    "identity.apiKey",
    "identity.apiKeyId",
    "identity.vpcId",
    "identity.vpceId",
    "authorize.",
    "authenticate.",
    "waf.",
    "wafResponseCode",
    "webaclArn",
    "xrayTraceId",
    "deploymentId",
    "endpointType",
    "isCanaryRequest",
    "error.validationErrorString",
    "requestOverride.",
    "responseOverride.",
    "authorizer.integrationLatency",
    "tlsVersion",
    "cipherSuite",
];
/// Variables that only HTTP APIs have.
const HTTP_ONLY: [&str; 3] = ["routeKey", "dataProcessed", "awsEndpointRequestId2"];
/// Variables whose text the client chooses, in full or in part. A name with a dot at the end is a prefix.
const CLIENT_TEXT: [&str; 11] = [
    "path",
    "domainName",
    "domainPrefix",
    "identity.userAgent",
    "identity.clientCert.",
    "authorizer.claims.",
    "authorizer.principalId",
    "error.message",
    "error.messageString",
    "error.validationErrorString",
    "requestOverride.",
];

/// Returns the only kind of API that has a variable; `None` if both kinds have it.
pub fn only_kind(name: &str) -> Option<ApiKind> {
    if REST_ONLY.iter().any(|listed| is_listed(name, listed)) {
        return Some(ApiKind::Rest);
    }
    HTTP_ONLY.contains(&name).then_some(ApiKind::Http)
}

/// Returns `true` if the client chooses the text of a variable.
pub fn is_client_text(name: &str) -> bool {
    CLIENT_TEXT.iter().any(|listed| is_listed(name, listed))
}

fn is_listed(name: &str, listed: &str) -> bool {
    if listed.ends_with('.') { name.starts_with(listed) } else { name == listed }
}

/// Detects the kind of API from the variables of a format; `None` if both kinds have all of them.
pub fn detect_kind<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<ApiKind> {
    names.find_map(only_kind)
}
