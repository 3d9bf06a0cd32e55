//! Whether a call is admitted, and if not, why.

use std::sync::Arc;

use crate::api_key::{KeyDigest, KeyRecord};
use crate::quota::Quota;

/// Why a call is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// There is no `x-api-key` header.
    Missing,
    /// The header is nothing that can be a key.
    Malformed,
    /// No key has this secret.
    Unknown,
    /// The key was deleted.
    Deleted,
    /// The key, or a secret that was replaced, is past its time.
    Expired,
    /// The month's limit is used up.
    OverQuota,
}

impl Denial {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::Missing, Self::Malformed, Self::Unknown, Self::Deleted, Self::Expired, Self::OverQuota];

    /// A word for programs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::OverQuota => "over_quota",
        }
    }

    /// A sentence for the caller.
    pub fn message(self) -> &'static str {
        match self {
            Self::Missing => "Send your API key in the x-api-key header.",
            Self::Malformed => {
                "The x-api-key header is not an API key. Send one key of visible ASCII characters."
            }
            Self::Unknown => "This API key is not known.",
            Self::Deleted => "This API key was deleted.",
            Self::Expired => "This API key has expired.",
            Self::OverQuota => "The monthly limit of this API key is used up.",
        }
    }
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is admitted.
    Allow {
        /// The key.
        key: Arc<KeyRecord>,
        /// Its limit, where it has one.
        quota: Option<Quota>,
    },
    /// It is not admitted.
    Deny {
        /// Why.
        denial: Denial,
        /// The key, where one was found.
        key: Option<Arc<KeyRecord>>,
        /// Its limit, where that is the reason.
        quota: Option<Quota>,
    },
}

impl Decision {
    /// A denial without a key.
    pub fn deny(denial: Denial) -> Self {
        Self::Deny { denial, key: None, quota: None }
    }

    /// Whether the call is admitted.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }
}

/// Whether a key admits calls with this secret at this time, its limit aside.
///
/// # Errors
/// The reason for which it does not.
pub fn admits(key: &KeyRecord, digest: &KeyDigest, now_ms: i64) -> Result<(), Denial> {
    if key.deleted_at_ms.is_some() {
        return Err(Denial::Deleted);
    }
    if key.expires_at_ms.is_some_and(|expires_at_ms| now_ms >= expires_at_ms) {
        return Err(Denial::Expired);
    }
    if key.digest.as_ref() == Some(digest) {
        return Ok(());
    }
    match &key.previous {
        Some(previous) if previous.digest == *digest && now_ms < previous.valid_until_ms => Ok(()),
        // It was a secret of this key once.
        _ => Err(Denial::Expired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_key::PreviousSecret;

    #[test]
    fn a_key_admits_its_secret_and_until_its_time_the_one_before() {
        let digest = |secret: &str| KeyDigest::of_secret(secret).unwrap();
        let mut key = KeyRecord {
            digest: Some(digest("new")),
            previous: Some(PreviousSecret { digest: digest("old"), valid_until_ms: 100 }),
            expires_at_ms: Some(200),
            ..KeyRecord::default()
        };
        assert_eq!(admits(&key, &digest("new"), 0), Ok(()));
        assert_eq!(admits(&key, &digest("old"), 99), Ok(()));
        assert_eq!(admits(&key, &digest("old"), 100), Err(Denial::Expired));
        assert_eq!(admits(&key, &digest("older"), 0), Err(Denial::Expired));
        assert_eq!(admits(&key, &digest("new"), 199), Ok(()));
        assert_eq!(admits(&key, &digest("new"), 200), Err(Denial::Expired));
        key.deleted_at_ms = Some(50);
        assert_eq!(admits(&key, &digest("new"), 0), Err(Denial::Deleted));
    }
}
