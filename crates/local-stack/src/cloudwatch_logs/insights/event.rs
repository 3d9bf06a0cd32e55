//! A log event, as a query sees it.

use crate::cloudwatch_logs::log_group::event_id;

/// A log event, as a query sees it.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Its place in the log group.
    pub id: i64,
    /// When it was logged, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// When CloudWatch Logs took it, in milliseconds since 1970.
    pub ingested_ms: i64,
    /// Its line.
    pub message: &'a str,
    /// Its log stream.
    pub log_stream: &'a str,
    /// Its log group, as `account:name`.
    pub log: &'a str,
}

impl Event<'_> {
    pub(super) fn event_id(&self) -> String {
        event_id(self.timestamp_ms, self.id)
    }
}
