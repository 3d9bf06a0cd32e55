//! The decision to admit or to deny a call.

use std::sync::Arc;

use crate::api_key::{KeyDigest, KeyRecord};
use crate::quota::Quota;

/// The reason for which a call is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// The call has no `x-api-key` header.
    Missing,
    /// The header cannot be the secret of a key.
    Malformed,
    /// No key has this secret.
    Unknown,
    /// The key was deleted.
    Deleted,
    /// The key has expired, or the secret was replaced and its validity has ended.
    Expired,
    /// The monthly limit is used up.
    OverQuota,
}

impl Denial {
    /// Every reason, in the order in which they are reported.
    pub const ALL: [Self; 6] =
        [Self::Missing, Self::Malformed, Self::Unknown, Self::Deleted, Self::Expired, Self::OverQuota];

    /// Returns the reason as a word for programs, used in metrics and in the authorizer's context.
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

    /// Returns the sentence that the caller gets in the response.
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

/// The decision on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The call is admitted.
    Allow {
        /// The key that the call is counted for.
        key: Arc<KeyRecord>,
        /// The state of the monthly limit, if the key has one.
        quota: Option<Quota>,
    },
    /// The call is denied.
    Deny {
        /// The reason for the denial.
        denial: Denial,
        /// The key, if one was found.
        key: Option<Arc<KeyRecord>>,
        /// The state of the monthly limit, if that is the reason.
        quota: Option<Quota>,
    },
}

impl Decision {
    /// Denies a call for which no key was found.
    pub fn deny(denial: Denial) -> Self {
        Self::Deny { denial, key: None, quota: None }
    }

    /// Returns `true` if the call is admitted.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }
}

/// Checks that a key admits calls with this secret at this time. The monthly limit is not checked.
///
/// # Errors
/// The reason for which the key does not admit them.
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
        // The key was found by this digest, so it is an earlier secret of the key.
        _ => Err(Denial::Expired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_key::PreviousSecret;

    #[test]
    fn each_denial_has_a_reason_and_a_sentence_of_its_own() {
        for denial in Denial::ALL {
            let is_shared =
                |other: &Denial| other.reason() == denial.reason() || other.message() == denial.message();
            assert_eq!(Denial::ALL.iter().filter(|other| is_shared(other)).count(), 1, "{denial:?}");
            assert!(denial.message().ends_with('.'), "{denial:?}");
        }
    }

    #[test]
    fn a_decision_tells_if_the_call_is_admitted() {
        let key = Arc::new(KeyRecord::default());
        assert!(Decision::Allow { key, quota: None }.is_allowed());
        assert!(!Decision::deny(Denial::Unknown).is_allowed());
    }

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
