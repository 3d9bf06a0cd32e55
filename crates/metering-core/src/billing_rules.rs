//! The rules of a deployment by which calls are billed.

use crate::status_ranges::StatusRanges;
use crate::unbilled::UnbilledRoutes;

/// The statuses and routes whose calls are billed. A change applies to the batches that begin after it.
///
/// The default bills the calls of every route with a status of 200 to 299.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BillingRules {
    /// The statuses with which a call is billed.
    pub billed_statuses: StatusRanges,
    /// The routes and methods whose calls are not billed, whatever their status.
    pub unbilled: UnbilledRoutes,
}

impl BillingRules {
    /// Returns the rules that bill calls with a status of 200 to 299, except those of these routes.
    pub fn except(unbilled: UnbilledRoutes) -> Self {
        Self { unbilled, ..Self::default() }
    }
}
