//! Who and where the local stack is: one account in one region, for all services.

pub use metering_aws::connection::LOCAL_REGION as REGION;

/// The account: the one that the examples of AWS's documentation have.
pub const ACCOUNT_ID: &str = "123456789012";

/// The ARN of a resource of a service.
pub fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{resource}")
}

/// The resource that an ARN names, if it is one of this account and region.
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
