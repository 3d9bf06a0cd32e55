//! The port through which owners are notified about their limits.

use std::future::Future;

use super::PortError;
use crate::quota::{Quota, Threshold};
use crate::window::UtcMonth;

/// The notification that a key's usage has reached a threshold of its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageAlert {
    /// The id of the key.
    pub key_id: String,
    /// The owner of the key, as it is stored with the key.
    pub owner: String,
    /// The month of the usage.
    pub month: UtcMonth,
    /// The threshold that was reached.
    pub threshold: Threshold,
    /// The limit and its usage.
    pub quota: Quota,
}

/// The notifications of owners about their limits.
pub trait UsageAlerts: Sync {
    /// Sends an alert, unless any instance has sent it before. Returns `false` while another
    /// instance is sending it. That instance may fail, so try again later.
    ///
    /// # Errors
    /// When it is unknown if the alert was sent.
    fn notify(&self, alert: &UsageAlert, now_ms: i64)
    -> impl Future<Output = Result<bool, PortError>> + Send;
}
