//! The names that all emulated services share: one account, one region, one API.

use access_log::log_format::ApiKind;

pub use metering_aws::connection::LOCAL_REGION as REGION;

/// The AWS account: the one that AWS's documentation uses in its examples.
pub const ACCOUNT_ID: &str = "123456789012";
/// The id of the API that API Gateway serves.
pub const API_ID: &str = "local";
/// The name of the API.
pub const API_NAME: &str = deployment::names::local::EXAMPLE_API;
/// The environment of a local stack, which is also the stage of its REST API.
pub const STAGE: &str = deployment::names::LOCAL;

/// Returns the name of the API's stage.
///
/// An HTTP API is served by the stage `$default`, whose name is not part of its
/// paths. Source: API Gateway Developer Guide, "Stages for HTTP APIs".
pub fn stage_name(kind: ApiKind) -> &'static str {
    match kind {
        ApiKind::Rest => STAGE,
        ApiKind::Http => "$default",
    }
}

/// Returns the ARN of a resource of a service.
pub fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{resource}")
}

/// Returns the ARN of a Kinesis stream.
pub fn stream_arn(stream: &str) -> String {
    arn("kinesis", &format!("stream/{stream}"))
}

/// Returns the resource that an ARN names, if the ARN is of this account and region.
pub fn resource_of<'a>(service: &str, arn: &'a str) -> Option<&'a str> {
    arn.strip_prefix(&format!("arn:aws:{service}:{REGION}:{ACCOUNT_ID}:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_its_resource_in_this_account_only() {
        let queue = arn("sqs", "jobs");
        assert_eq!(queue, "arn:aws:sqs:us-east-1:123456789012:jobs");
        assert_eq!(resource_of("sqs", &queue), Some("jobs"));
        assert_eq!(resource_of("sqs", "arn:aws:sqs:us-east-1:000000000000:jobs"), None);
        assert_eq!(resource_of("sns", &queue), None);
    }
}
