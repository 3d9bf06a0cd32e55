//! The environment variables of the functions and tools.
//!
//! Each variable is declared once, in [`variables`], with its name, its
//! documentation, its default and its range. The functions read typed values by
//! these declarations (`lambda_support::config`). The settings tables of
//! `docs/OPERATION.md` and `stack/lib/generated/environment.json` are generated
//! from them.

mod kinds;
pub mod variables;

pub use kinds::{Bool, Kind, Number, RequiredText, Text, Variable};

use crate::functions::{AUTHORIZER, CANARY, CONSUMER, FANOUT, PORTAL, RECONCILER, USAGE_ENDPOINT};

/// The variables that each function reads, by service.
pub const FUNCTION_VARIABLES: [(&str, &[Variable]); 7] = [
    (
        CONSUMER,
        &[
            variables::USAGE_TABLE.variable(),
            variables::CLAIMS_TABLE.variable(),
            variables::QUARANTINE_QUEUE_URL.variable(),
            variables::ENVIRONMENT_NAME.variable(),
            variables::USAGE_RETENTION_DAYS.variable(),
            variables::CLAIM_RETENTION_DAYS.variable(),
            variables::CLAIM_LAYOUT.variable(),
            variables::BILLED_STATUSES.variable(),
            variables::UNBILLED_ROUTES.variable(),
            variables::RAISE_RETENTION_BEHIND_HOURS.variable(),
            variables::WRITE_CONCURRENCY.variable(),
            variables::MAX_INFLATED_BYTES.variable(),
            variables::MAX_EVENTS.variable(),
        ],
    ),
    (
        AUTHORIZER,
        &[
            variables::KEYS_TABLE.variable(),
            variables::INVALIDATIONS_TABLE.variable(),
            variables::USAGE_TABLE.variable(),
            variables::ALERTS_TABLE.variable(),
            variables::ALERTS_TOPIC_ARN.variable(),
            variables::ENVIRONMENT_NAME.variable(),
            variables::SYNC_INTERVAL_MS.variable(),
            variables::CACHE_TTL_MS.variable(),
            variables::UNKNOWN_TTL_MS.variable(),
            variables::USAGE_TTL_MS.variable(),
            variables::USAGE_TTL_NEAR_LIMIT_MS.variable(),
            variables::USAGE_STALE_LIMIT_MS.variable(),
            variables::INDEX_LAG_BOUND_MS.variable(),
            variables::MAX_CACHED_KEYS.variable(),
            variables::MAX_CACHED_UNKNOWN.variable(),
            variables::MAX_TOMBSTONES.variable(),
            variables::DECISION_LIMIT_MS.variable(),
            variables::HTTP_API_SIMPLE_RESPONSES.variable(),
        ],
    ),
    (FANOUT, &[variables::STAGES.variable(), variables::ENVIRONMENT_NAME.variable()]),
    (
        USAGE_ENDPOINT,
        &[
            variables::USAGE_TABLE.variable(),
            variables::CLAIMS_TABLE.variable(),
            variables::STREAM_ARN.variable(),
        ],
    ),
    (
        PORTAL,
        &[
            variables::USAGE_TABLE.variable(),
            variables::CLAIMS_TABLE.variable(),
            variables::STREAM_ARN.variable(),
            variables::ENVIRONMENT_NAME.variable(),
            variables::PORTAL_PUBLIC_KEYS.variable(),
            variables::PORTAL_FRAME_ANCESTORS.variable(),
        ],
    ),
    (
        RECONCILER,
        &[
            variables::USAGE_TABLE.variable(),
            variables::CLAIMS_TABLE.variable(),
            variables::ACCESS_LOG_GROUPS.variable(),
            variables::BILLED_STATUSES.variable(),
            variables::UNBILLED_ROUTES.variable(),
            variables::ENVIRONMENT_NAME.variable(),
            variables::RECONCILE_HOURS.variable(),
            variables::SETTLE_MINUTES.variable(),
        ],
    ),
    (
        CANARY,
        &[
            variables::CANARY_URL.variable(),
            variables::CANARY_SECRET_PARAMETER.variable(),
            variables::USAGE_TABLE.variable(),
            variables::CANARY_API_KEY_ID.variable(),
            variables::ENVIRONMENT_NAME.variable(),
            variables::TIMEOUT_MS.variable(),
            variables::PARAMETERS_SECRETS_EXTENSION_HTTP_PORT.variable(),
        ],
    ),
];

/// The variables of the tools and tests of this repository.
pub const TOOL_VARIABLES: &[Variable] = &[
    variables::METER_BINARIES.variable(),
    variables::METER_TEST_KEYS.variable(),
    variables::KINESIS_ENDPOINT.variable(),
    variables::PROBE_PIPE.variable(),
    variables::PROBE_SETTING.variable(),
];

/// The variables that the function of a service reads.
///
/// # Panics
/// Panics if no function has this service.
pub fn function_variables(service: &str) -> &'static [Variable] {
    let found = FUNCTION_VARIABLES.iter().find(|(name, _)| *name == service);
    found.unwrap_or_else(|| panic!("there is no function {service}")).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FUNCTIONS;

    #[test]
    fn every_function_has_its_variables_once() {
        for (service, _) in FUNCTIONS {
            let mut names: Vec<_> =
                function_variables(service).iter().map(|variable| variable.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{service}");
        }
    }

    #[test]
    fn a_variable_has_its_setting_name_and_a_documentation_in_one_line() {
        let variable = variables::SYNC_INTERVAL_MS.variable();
        assert_eq!((variable.name, variable.setting().as_str()), ("SYNC_INTERVAL_MS", "syncIntervalMs"));
        assert_eq!(variables::USAGE_TABLE.variable().doc(), "the DynamoDB table of the usage ledger");
        for variable in FUNCTION_VARIABLES.iter().flat_map(|(_, variables)| *variables).chain(TOOL_VARIABLES)
        {
            let doc = variable.doc();
            assert!(
                !doc.is_empty() && !doc.ends_with('.') && !doc.contains(['\n', '|']),
                "{}",
                variable.name
            );
        }
    }

    #[test]
    fn the_default_of_a_number_is_in_its_range() {
        for variable in FUNCTION_VARIABLES.iter().flat_map(|(_, variables)| *variables) {
            if let Kind::Number { default, min, max } = variable.kind {
                assert!((min..=max).contains(&default), "{}", variable.name);
            }
        }
    }
}
