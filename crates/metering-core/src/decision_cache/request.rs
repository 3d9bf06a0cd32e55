//! A request, and what it needs next.

use std::sync::Arc;

use crate::api_key::{KeyDigest, KeyRecord};
use crate::authorization::Decision;
use crate::clock_reading::ClockReading;
use crate::metered_key::MeteredKey;
use crate::quota::MonthUsage;
use crate::window::UtcMonth;

/// Next step of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The request is decided.
    Answer(Decision),
    /// The request cannot be decided now, for this reason. It is not admitted.
    Unavailable(&'static str),
    /// A read is needed. Report its result, then call [`super::DecisionCache::step`] again.
    Read(Read),
}

/// A read that a request needs before it can be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The invalidation log after [`super::DecisionCache::log_position`]. Report it with
    /// [`super::DecisionCache::synced`] or [`super::DecisionCache::sync_failed`].
    Log,
    /// The key by the index of digests, eventually consistent. Report it with
    /// [`super::DecisionCache::found_by_index`].
    KeyByIndex,
    /// The key by strongly consistent reads. Report it with
    /// [`super::DecisionCache::found_consistently`].
    KeyConsistently,
    /// The usage of a key in a month. Report it with [`super::DecisionCache::usage_read`]
    /// or [`super::DecisionCache::usage_failed`].
    Usage {
        /// The key and its customer.
        key: MeteredKey,
        /// UTC month to read.
        month: UtcMonth,
        /// The last usage read of this month. Its settled days need not be read again.
        known: Option<MonthUsage>,
    },
}

/// A request that is being decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(super) digest: KeyDigest,
    pub(super) order: u64,
    pub(super) found: Option<Found>,
    pub(super) index_missed: bool,
    pub(super) usage_failed: bool,
    pub(super) usage: Option<MonthUsage>,
    pub(super) read_anything: bool,
}

impl Request {
    /// The digest of the secret in the request.
    pub fn digest(&self) -> &KeyDigest {
        &self.digest
    }

    /// `true` if the key was not cached and had to be read.
    pub fn read_key(&self) -> bool {
        self.read_anything
    }
}

/// The result of a key lookup by this request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Found {
    Key(Arc<KeyRecord>),
    NotFound,
}

/// The start of a read, ordered relative to the other reads and requests of this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReadStart {
    /// Time at which the read started.
    pub began: ClockReading,
    pub(super) order: u64,
    /// How many times the cache had been emptied by then. A later result of an older generation
    /// is not cached.
    pub(super) generation: u64,
}
