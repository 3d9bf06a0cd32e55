//! Arguments with the billing rules of a deployment.

use deployment::settings::{BILLED_STATUSES, UNBILLED_ROUTES};
use metering_core::billing_rules::BillingRules;
use metering_core::status_ranges::StatusRanges;
use metering_core::unbilled::UnbilledRoutes;

/// Arguments with the rules of the deployed consumer.
#[derive(clap::Args)]
pub struct RuleArguments {
    /// The BILLED_STATUSES of the deployed consumer
    #[arg(long, value_name = "STATUSES", default_value = BILLED_STATUSES)]
    billed_statuses: StatusRanges,
    /// The UNBILLED_ROUTES of the deployed consumer
    #[arg(long, value_name = "ROUTES", default_value = UNBILLED_ROUTES)]
    unbilled: UnbilledRoutes,
}

impl From<RuleArguments> for BillingRules {
    fn from(RuleArguments { billed_statuses, unbilled }: RuleArguments) -> Self {
        Self { billed_statuses, unbilled }
    }
}
