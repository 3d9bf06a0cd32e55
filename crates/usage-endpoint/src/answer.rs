//! The answer to `GET /usage`.

use serde::Serialize;

/// The usage of a key or of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UsageAnswer<'r> {
    /// Whose usage this is: `key` or `customer`.
    pub of: &'r str,
    /// Id of the key of the request; null for a portal token of a customer.
    pub api_key_id: Option<&'r str>,
    /// Id of the customer; null for a key that belongs to none.
    pub customer_id: Option<&'r str>,
    /// The first day, in `time_zone`.
    pub from: String,
    /// The last day, in `time_zone`.
    pub to: String,
    /// Time zone of the days.
    pub time_zone: &'r str,
    /// Time before which counting is complete: every call that reached the stream before it is counted, in quarantine
    /// or given up; null if it is not known.
    pub as_of: Option<String>,
    /// Time of the latest call in the ledger rows that have calls on the days; null without calls. Earlier calls may
    /// not be counted yet.
    pub last_call: Option<String>,
    /// Time at which the request was answered.
    pub read_at: Option<String>,
    /// Calls of all entries.
    pub calls: u64,
    /// Credits of all entries, a decimal number as in `12.5`; null if there are no weights.
    pub credits: Option<String>,
    /// Length of the responses of all entries, in bytes; 0 if the access log does not have it.
    pub response_bytes: u64,
    /// An entry for each group and period that has calls.
    pub usage: Vec<UsageEntry>,
    /// Limit and use of the key of the request in the present month; null if it has no limit, and for a portal token.
    pub limit: Option<LimitUse>,
}

/// The usage of a group in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UsageEntry {
    /// Id of the key, if usage is grouped by key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub api_key_id: Option<String>,
    /// Route class, if usage is grouped by class; null for calls without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_class: Option<Option<String>>,
    /// The period: `2026-11`, `2026-11-24`, `2026-11-24T10Z` or, with a difference from UTC, `2026-11-24T10+01`; the
    /// first and the last day for `by=total`, as in `2026-11-01/2026-11-24`.
    pub period: String,
    /// Number of calls in the period.
    pub calls: u64,
    /// Credits of the calls, a decimal number; null if there are no weights.
    pub credits: Option<String>,
    /// Length of the responses, in bytes; 0 if the access log does not have it.
    pub response_bytes: u64,
}

/// The monthly limit of a key, and its use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LimitUse {
    /// Calls that are allowed in a UTC month.
    pub monthly_limit: u64,
    /// Calls that are counted in the present month.
    pub used: u64,
    /// Calls that are left in the month.
    pub remaining: u64,
    /// Begin of the next month.
    pub resets_at: Option<String>,
}
