//! A log event as the input of a query.

use crate::cloudwatch_logs::log_group::event_id;

/// A log event as the input of a query.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Number of the event in its log group.
    pub id: i64,
    /// Timestamp of the event, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Time at which the event was ingested, in milliseconds since 1970.
    pub ingested_ms: i64,
    pub message: &'a str,
    pub log_stream: &'a str,
    /// Log group, as `account:name`.
    pub log: &'a str,
}

impl Event<'_> {
    pub(super) fn event_id(&self) -> String {
        event_id(self.timestamp_ms, self.id)
    }
}
