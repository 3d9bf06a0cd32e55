//! The cached usage of keys with a monthly limit.

use super::{CacheSettings, DecisionCache, Request, put_bounded};
use crate::clock_reading::ClockReading;
use crate::quota::{MonthUsage, Quota, Threshold};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CachedUsage {
    pub(super) usage: MonthUsage,
    read: ClockReading,
    /// The highest threshold of the limit that the owner has been notified of.
    notified: Option<Threshold>,
}

impl CachedUsage {
    /// `true` if a request may still be decided by this usage.
    pub(super) fn is_current(
        &self,
        settings: &CacheSettings,
        limit: u64,
        request: &Request,
        now: ClockReading,
    ) -> bool {
        let lifetime_ms = if request.usage_failed {
            settings.usage_stale_limit_ms
        } else if Quota::new(limit, &self.usage).threshold_reached().is_some() {
            settings.usage_lifetime_near_limit_ms
        } else {
            settings.usage_lifetime_ms
        };
        now.age_ms(self.read) < lifetime_ms
    }
}

impl DecisionCache {
    /// Records the usage of a key's month, from a read that began at `began`.
    pub fn usage_read(
        &mut self,
        request: &mut Request,
        key_id: &str,
        usage: MonthUsage,
        began: ClockReading,
    ) {
        request.usage = Some(usage);
        let same_month = self.usage.peek(key_id).filter(|known| known.usage.month == usage.month);
        let cached = match same_month {
            // A read that began earlier may end later.
            Some(known) if usage.total() < known.usage.total() => *known,
            known => CachedUsage { usage, read: began, notified: known.and_then(|known| known.notified) },
        };
        put_bounded(&mut self.usage, key_id.to_owned(), cached, self.settings.max_keys);
    }

    /// Records that the usage could not be read. The request may then be decided by older usage,
    /// up to [`CacheSettings::usage_stale_limit_ms`].
    pub fn usage_failed(&mut self, request: &mut Request) {
        request.usage_failed = true;
    }

    /// Returns the threshold that the key's owner has to be notified of, unless another instance
    /// has done so.
    pub fn threshold_to_notify(&self, key_id: &str, quota: &Quota) -> Option<Threshold> {
        let notified = self.usage.peek(key_id)?.notified;
        quota.threshold_reached().filter(|reached| notified.is_none_or(|notified| notified < *reached))
    }

    /// Records that the owner was notified of a threshold.
    pub fn threshold_notified(&mut self, key_id: &str, threshold: Threshold) {
        if let Some(cached) = self.usage.peek_mut(key_id) {
            cached.notified = Some(threshold);
        }
    }
}
