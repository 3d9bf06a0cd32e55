//! The access-log formats of a stage, and the CloudWatch Logs filters for their lines.

use std::fmt;
use std::str::FromStr;

use metering_core::status_ranges::StatusRanges;

/// The kind of an API in API Gateway. It decides which variables an access log has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApiKind {
    /// A REST API.
    #[default]
    Rest,
    /// An HTTP API.
    Http,
}

impl ApiKind {
    /// Returns the access-log format for APIs of this kind. It is one line, as API Gateway requires.
    ///
    /// The names are short because AWS bills each byte of a line. All values are quoted, because
    /// API Gateway writes `-` for a missing value. No field has text that a client can choose, so a
    /// line is always valid JSON.
    pub const fn access_log_format(self) -> &'static str {
        match self {
            Self::Rest => REST_FORMAT,
            Self::Http => HTTP_FORMAT,
        }
    }

    /// Returns [`Self::access_log_format`] with the length of the response, so that the bytes of
    /// responses are counted. Both kinds of API have `$context.responseLength`.
    pub fn access_log_format_with_response_length(self) -> String {
        format!("{},{RESPONSE_LENGTH}}}", self.access_log_format().trim_end_matches('}'))
    }
}

/// The member of a line with the length of the response.
const RESPONSE_LENGTH: &str = r#""bytes":"$context.responseLength""#;

/// A text that is not a kind of API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the kind of an API is rest or http, not {0:?}")]
pub struct ApiKindError(String);

impl FromStr for ApiKind {
    type Err = ApiKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "rest" => Ok(Self::Rest),
            "http" => Ok(Self::Http),
            _ => Err(ApiKindError(text.to_owned())),
        }
    }
}

impl fmt::Display for ApiKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rest => "rest",
            Self::Http => "http",
        })
    }
}

/// The format for REST APIs. A call is identified by `$context.extendedRequestId`, because a client
/// of a REST API can set `$context.requestId`.
///
/// Source: API Gateway Developer Guide, "Variables for access logging".
const REST_FORMAT: &str = concat!(
    r#"{"id":"$context.extendedRequestId","#,
    r#""key":"$context.authorizer.apiKeyId","#,
    r#""customerId":"$context.authorizer.customerId","#,
    r#""time":"$context.requestTimeEpoch","#,
    r#""status":"$context.status","#,
    r#""ms":"$context.responseLatency","#,
    r#""method":"$context.httpMethod","#,
    r#""route":"$context.resourcePath","#,
    r#""stage":"$context.stage","#,
    r#""api":"$context.apiId"}"#
);

/// The format for HTTP APIs. These have no `$context.resourcePath`, and their request time is in
/// seconds.
///
/// Source: API Gateway Developer Guide, "Customize HTTP API access logs".
const HTTP_FORMAT: &str = concat!(
    r#"{"id":"$context.requestId","#,
    r#""key":"$context.authorizer.apiKeyId","#,
    r#""customerId":"$context.authorizer.customerId","#,
    r#""time":"$context.requestTimeEpoch","#,
    r#""status":"$context.status","#,
    r#""ms":"$context.responseLatency","#,
    r#""method":"$context.httpMethod","#,
    r#""route":"$context.routeKey","#,
    r#""stage":"$context.stage","#,
    r#""api":"$context.apiId"}"#
);

/// Returns the pattern of the subscription filter, which keeps most calls that are not billed off the
/// stream: it matches lines in which a member `status` has the first digit of a billed status.
///
/// It is a regular expression on the text of the line. A filter on JSON would drop every line that
/// is not valid JSON, and such a line may be a call that has to be billed. The filter only saves
/// costs, because the consumer checks the status again. `\x22` is a double quote, which a filter
/// pattern cannot contain.
///
/// Source: CloudWatch Logs User Guide, "Supported regular expressions (regex) syntax".
pub fn subscription_filter_pattern(billed_statuses: &StatusRanges) -> String {
    let digits = billed_statuses.first_digits();
    let first = if digits.len() == 1 { digits } else { format!("[{digits}]") };
    format!(r"%\x22status\x22\s*:\s*\x22?{first}\d\d%")
}

/// The pattern of the metric filter that counts all lines of an access log.
///
/// Source: CloudWatch Logs User Guide, "Using filter patterns to match terms in
/// unstructured log events": an empty pattern matches every log event.
pub const ALL_LINES_PATTERN: &str = "";

/// The pattern of the metric filter that counts the lines that the meter can read: JSON with a
/// status.
pub const READABLE_LINES_PATTERN: &str = "{ $.status = * }";

/// The members of a line that the meter reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    /// The status, whose short name is the same as the long one.
    Status,
    /// `customerId`, which has this name in both sets.
    CustomerId,
    /// `stage`, which has this name in both sets.
    Stage,
    /// A field with its short name, that in [`ApiKind::access_log_format`].
    Short(Field),
    /// A field with its long name, that of the variable.
    Long(Field),
    /// `requestId`, which a client of a REST API can choose.
    RequestId,
    /// `requestTime`, a formatted time.
    RequestTime,
    /// `routeKey`, the route of an HTTP API. A REST API writes `-` for it.
    RouteKey,
}

/// A field that has a short and a long name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Key,
    Time,
    Latency,
    ResponseLength,
    Method,
    Route,
    Api,
}

impl Member {
    /// Returns the member with this name; `None` for one that the meter does not read.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "status" => Self::Status,
            "customerId" => Self::CustomerId,
            "stage" => Self::Stage,
            "id" => Self::Short(Field::Id),
            "key" => Self::Short(Field::Key),
            "time" => Self::Short(Field::Time),
            "ms" => Self::Short(Field::Latency),
            "bytes" => Self::Short(Field::ResponseLength),
            "method" => Self::Short(Field::Method),
            "route" => Self::Short(Field::Route),
            "api" => Self::Short(Field::Api),
            "extendedRequestId" => Self::Long(Field::Id),
            "apiKeyId" => Self::Long(Field::Key),
            "requestTimeEpoch" => Self::Long(Field::Time),
            "responseLatency" => Self::Long(Field::Latency),
            "responseLength" => Self::Long(Field::ResponseLength),
            "httpMethod" => Self::Long(Field::Method),
            "resourcePath" => Self::Long(Field::Route),
            "apiId" => Self::Long(Field::Api),
            "routeKey" => Self::RouteKey,
            "requestId" => Self::RequestId,
            "requestTime" => Self::RequestTime,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_matches_the_first_digits_of_billed_statuses() {
        let pattern = |statuses: &str| subscription_filter_pattern(&statuses.parse().unwrap());
        assert_eq!(pattern("200-299"), r"%\x22status\x22\s*:\s*\x22?2\d\d%");
        assert_eq!(pattern("200-299,304"), r"%\x22status\x22\s*:\s*\x22?[23]\d\d%");
    }

    #[test]
    fn the_api_is_read_by_either_name_and_other_members_are_not() {
        assert_eq!(Member::from_name("api"), Some(Member::Short(Field::Api)));
        assert_eq!(Member::from_name("apiId"), Some(Member::Long(Field::Api)));
        assert_eq!(Member::from_name("ip"), None);
    }

    #[test]
    fn each_format_is_one_line_of_json_whose_fields_are_read() {
        let kinds = [ApiKind::Rest, ApiKind::Http];
        let formats = kinds.map(|kind| (kind, kind.access_log_format().to_owned()));
        let with_length = kinds.map(|kind| (kind, kind.access_log_format_with_response_length()));
        for (kind, format) in formats.into_iter().chain(with_length) {
            assert!(!format.contains('\n'));
            let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&format).unwrap();
            let read: Vec<Member> = members.keys().filter_map(|name| Member::from_name(name)).collect();
            assert_eq!(read.len(), members.len(), "{read:?}");
            assert!(members.values().all(|value| value.as_str().unwrap().starts_with("$context.")));
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let documented = include_str!("../../../docs/OPERATION.md");
        assert!(
            [ApiKind::Rest, ApiKind::Http].iter().all(|kind| documented.contains(kind.access_log_format()))
        );
        assert!("soap".parse::<ApiKind>().unwrap_err().to_string().contains("rest or http"));
    }
}
