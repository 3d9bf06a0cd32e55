//! The access-log format that a stage has to be set to.

/// The access-log format of an API Gateway stage: one line, as API Gateway
/// wants it, with the fields that the meter reads and some that help a person.
///
/// The status is quoted, because the subscription filter compares it as text.
/// A call is identified by `$context.extendedRequestId`, since a client of a
/// REST API can set `$context.requestId` itself. No field holds text that the
/// client chooses, so a line is always valid JSON.
///
/// Source: API Gateway Developer Guide, "Variables for access logging".
pub const ACCESS_LOG_FORMAT: &str = concat!(
    r#"{"extendedRequestId":"$context.extendedRequestId","#,
    r#""apiKeyId":"$context.authorizer.apiKeyId","#,
    r#""requestTimeEpoch":"$context.requestTimeEpoch","#,
    r#""requestTime":"$context.requestTime","#,
    r#""status":"$context.status","#,
    r#""responseLatency":"$context.responseLatency","#,
    r#""httpMethod":"$context.httpMethod","#,
    r#""resourcePath":"$context.resourcePath","#,
    r#""stage":"$context.stage","#,
    r#""apiId":"$context.apiId"}"#
);

/// The subscription filter that keeps unsuccessful calls off the stream.
///
/// It is only a saving: `2*` also matches values that merely begin with 2, so
/// the status is checked again where the calls are counted.
pub const SUBSCRIPTION_FILTER_PATTERN: &str = "{ $.status = 2* }";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_one_line_of_json_whose_fields_the_parser_knows() {
        assert!(!ACCESS_LOG_FORMAT.contains('\n'));
        let format: serde_json::Value = serde_json::from_str(ACCESS_LOG_FORMAT).unwrap();
        for field in
            ["extendedRequestId", "apiKeyId", "requestTimeEpoch", "requestTime", "status", "responseLatency"]
        {
            assert!(format[field].is_string(), "{field}");
        }
    }
}
