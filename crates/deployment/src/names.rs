//! The names of the resources of an environment.

/// The name of the environment of a local stack.
pub const LOCAL: &str = "local";

/// The regular expression for names of environments. They are part of resource
/// names that allow no other characters.
pub const ENVIRONMENT_PATTERN: &str = "^[a-z][a-z0-9-]{0,19}$";

/// The namespace of the metrics that the functions emit, in every environment.
pub const METRIC_NAMESPACE: &str = "UsageMeter";

/// The header with the API key, in lower case. It is the identity source of the authorizer.
pub const KEY_HEADER: &str = "x-api-key";

/// The template of the dashboard's name. It contains the region, because
/// dashboard names are unique in an account across all regions.
///
/// Source: CloudFormation Template Reference, `AWS::CloudWatch::Dashboard`.
pub const DASHBOARD_TEMPLATE: &str = "usage-meter-{environment}-{region}";

/// The template of the name of the bucket of given-up records. It contains
/// account and region, because bucket names are globally unique.
///
/// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
pub const GIVEN_UP_BUCKET_TEMPLATE: &str = "usage-given-up-{environment}-{account}-{region}";

/// The template of a function's name. The service is the name of its binary.
pub const FUNCTION_TEMPLATE: &str = "{service}-{environment}";

macro_rules! names {
    ($($(#[doc = $doc:literal])+ $field:ident, $constant:ident, $json:literal: $before:literal _ $($after:literal)?;)+) => {
        /// The names of the resources of one environment.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Names {
            /// The name of the environment. That of a local stack is [`LOCAL`].
            pub environment: String,
            $($(#[doc = $doc])+ pub $field: String,)+
        }

        impl Names {
            /// Returns the names of the resources of `environment`.
            ///
            /// ```
            /// let names = deployment::Names::new("prod");
            /// assert_eq!(names.claims_table, "usage-claims-prod");
            /// ```
            pub fn new(environment: &str) -> Self {
                Self {
                    environment: environment.to_owned(),
                    $($field: [$before, environment, $($after)?].concat(),)+
                }
            }

            /// Returns the template of each name, by the property name in the stack.
            pub fn templates() -> Vec<(&'static str, &'static str)> {
                vec![$(($json, concat!($before, "{environment}", $($after)?)),)+]
            }
        }

        /// The names of the resources of a local stack.
        pub mod local {
            $($(#[doc = $doc])+ pub const $constant: &str = concat!($before, "local", $($after)?);)+
        }
    };
}

names! {
    /// The table of the usage ledger.
    usage_table, USAGE_TABLE, "usageTable": "usage-" _;
    /// The table of the claims and shard heads.
    claims_table, CLAIMS_TABLE, "claimsTable": "usage-claims-" _;
    /// The table of the API keys.
    keys_table, KEYS_TABLE, "keysTable": "usage-keys-" _;
    /// The table of the invalidation log.
    invalidations_table, INVALIDATIONS_TABLE, "invalidationsTable": "usage-invalidations-" _;
    /// The table of the alerts that were sent.
    alerts_table, ALERTS_TABLE, "alertsTable": "usage-alerts-" _;
    /// The stream of access-log records.
    stream, STREAM, "stream": "usage-" _;
    /// The queue of records that could not be counted.
    quarantine_queue, QUARANTINE_QUEUE, "quarantineQueue": "usage-quarantine-" _;
    /// The topic of the invalidation messages.
    invalidations_topic, INVALIDATIONS_TOPIC, "invalidationsTopic": "usage-invalidations-" _;
    /// The topic of the alerts about monthly limits.
    alerts_topic, ALERTS_TOPIC, "alertsTopic": "usage-alerts-" _;
    /// The topic of the CloudWatch alarms.
    alarms_topic, ALARMS_TOPIC, "alarmsTopic": "usage-alarms-" _;
    /// The dead-letter queue of invalidation messages that could not be delivered.
    invalidations_failed_queue, INVALIDATIONS_FAILED_QUEUE, "invalidationsFailedQueue": "usage-invalidations-failed-" _;
    /// The dead-letter queue of failed invocations of the reconciler.
    reconciliations_failed_queue, RECONCILIATIONS_FAILED_QUEUE, "reconciliationsFailedQueue": "usage-reconciliations-failed-" _;
    /// The log group of the example API's access log.
    access_log_group, ACCESS_LOG_GROUP, "accessLogGroup": "/aws/api-gateway/usage-" _;
    /// The name of the example API.
    example_api, EXAMPLE_API, "exampleApi": "usage-example-" _;
    /// The SSM parameter with the secret of the canary's key.
    canary_secret_parameter, CANARY_SECRET_PARAMETER, "canarySecretParameter": "/usage-meter/" _ "/canary-secret";
}

impl Names {
    /// Returns the name of the bucket of given-up records in an account and a region.
    pub fn given_up_bucket(&self, account: &str, region: &str) -> String {
        let named = GIVEN_UP_BUCKET_TEMPLATE.replace("{environment}", &self.environment);
        named.replace("{account}", account).replace("{region}", region)
    }

    /// Returns the name of the function of a service.
    pub fn function(&self, service: &str) -> String {
        FUNCTION_TEMPLATE.replace("{service}", service).replace("{environment}", &self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_local_environment_are_those_of_its_constants() {
        let names = Names::new(LOCAL);
        assert_eq!((names.usage_table.as_str(), names.stream.as_str()), (local::USAGE_TABLE, local::STREAM));
        assert_eq!(names.canary_secret_parameter, local::CANARY_SECRET_PARAMETER);
        assert_eq!(local::CANARY_SECRET_PARAMETER, "/usage-meter/local/canary-secret");
    }

    #[test]
    fn a_template_names_an_environment() {
        let (_, template) =
            Names::templates().into_iter().find(|(name, _)| *name == "canarySecretParameter").unwrap();
        assert_eq!(template.replace("{environment}", "prod"), Names::new("prod").canary_secret_parameter);
    }

    #[test]
    fn a_bucket_is_named_by_account_and_region() {
        let names = Names::new("prod");
        assert_eq!(
            names.given_up_bucket("123456789012", "eu-west-1"),
            "usage-given-up-prod-123456789012-eu-west-1"
        );
        assert_eq!(names.function("usage-consumer"), "usage-consumer-prod");
    }
}
