//! API keys, and the digests of their secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::metered_key::MeteredKey;

/// Maximum length of a secret, in bytes. API Gateway accepts 10,240 bytes for all headers together.
pub const MAX_SECRET_BYTES: usize = 256;

/// Maximum total length of the owner, the name, the plan and the labels of a key, in bytes. The
/// authorizer keeps 50,000 keys in memory.
pub const MAX_DESCRIPTION_BYTES: usize = 2_048;

/// The SHA-256 digest of a secret. The secret itself is never stored.
///
/// Secrets that the meter generates have 256 random bits, so an unsalted hash cannot be reversed by
/// search. Lookups compare digests, never secrets, so their duration does not reveal how much of a
/// guess is right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest([u8; 32]);

/// The reason why a text cannot be a secret. It never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretProblem {
    /// The text is empty.
    #[error("the API key is empty")]
    Empty,
    /// The text is longer than [`MAX_SECRET_BYTES`].
    #[error("the API key has more than {MAX_SECRET_BYTES} bytes")]
    TooLong,
    /// The text has a character that is not visible ASCII.
    #[error("the API key has a character that is not visible ASCII")]
    NotVisibleAscii,
}

/// A text that is not a SHA-256 digest in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is written as 64 hexadecimal digits")]
pub struct NotADigest;

impl KeyDigest {
    /// Hashes a secret.
    ///
    /// # Errors
    /// When the text cannot be a secret: it is empty, too long or not visible ASCII.
    pub fn of_secret(secret: &str) -> Result<Self, SecretProblem> {
        if secret.is_empty() {
            return Err(SecretProblem::Empty);
        }
        if secret.len() > MAX_SECRET_BYTES {
            return Err(SecretProblem::TooLong);
        }
        if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretProblem::NotVisibleAscii);
        }
        Ok(Self::of_bytes(secret.as_bytes()))
    }

    /// Hashes any bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyDigest({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

impl FromStr for KeyDigest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mut digest, digits) = ([0; 32], text.as_bytes());
        if digits.len() != 64 {
            return Err(NotADigest);
        }
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| char::from(digit).to_digit(16).ok_or(NotADigest);
            *byte = u8::try_from(value(pair[0])? * 16 + value(pair[1])?).map_err(|_| NotADigest)?;
        }
        Ok(Self(digest))
    }
}

/// The secret that a rotation replaced, with the end of its validity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PreviousSecret {
    /// The digest of the replaced secret.
    pub digest: KeyDigest,
    /// Time from which the secret is no longer valid, in milliseconds since 1970.
    pub valid_until_ms: i64,
}

/// The stored data of a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct KeyRecord {
    /// The id under which usage is counted. It is never reused for another key.
    pub key_id: String,
    /// The customer who pays for the calls of the key; `None` for a key that belongs to none. It is
    /// set when the key is created and never changes, so that all usage of a key is of one customer.
    pub customer_id: Option<String>,
    /// The person or team that holds the key.
    pub owner: String,
    /// Display name.
    pub name: String,
    /// The plan under which the key is sold.
    pub plan: String,
    /// Maximum number of billed calls per UTC month; `None` for no limit.
    pub monthly_limit: Option<u64>,
    /// Time from which the key is no longer valid, in milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
    /// Further attributes, which the meter does not interpret.
    pub labels: BTreeMap<String, String>,
    /// The digest of the secret; `None` once the key is deleted.
    pub digest: Option<KeyDigest>,
    /// The secret before the last rotation.
    pub previous: Option<PreviousSecret>,
    /// Time of creation, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Time of deletion, in milliseconds since 1970.
    pub deleted_at_ms: Option<i64>,
    /// The sequence of the invalidation-log entry of the key's last change; 0 if the key has not
    /// been changed since its creation.
    pub version: u64,
}

impl KeyRecord {
    /// Returns the total length of the owner, the name, the plan and the labels, in bytes.
    pub fn description_bytes(&self) -> usize {
        let labels: usize = self.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.owner.len() + self.name.len() + self.plan.len() + labels
    }

    /// Returns the key under which usage is counted.
    pub fn metered_key(&self) -> MeteredKey {
        let customer_id = self.customer_id.as_deref().map(Into::into);
        MeteredKey { customer_id, api_key_id: self.key_id.as_str().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_owner_name_plan_and_labels() {
        let labels =
            [("tier", "gold"), ("cost-center", "7")].map(|(name, value)| (name.into(), value.into()));
        let key = KeyRecord {
            owner: "acme".to_owned(),
            name: "production".to_owned(),
            plan: "team-1".to_owned(),
            labels: labels.into(),
            ..KeyRecord::default()
        };
        assert_eq!(key.description_bytes(), 4 + 10 + 6 + (4 + 4) + (11 + 1));
    }

    #[test]
    fn a_digest_is_the_sha_256_and_round_trips_through_its_text() {
        let digest = KeyDigest::of_secret("abc").unwrap();
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text, "FIPS 180-2, appendix B.1");
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(text.to_uppercase().parse(), Ok(digest));
        for bad in ["", "ba78", &text.replace('b', "g"), &format!("{text}00"), &"é".repeat(32)] {
            assert_eq!(bad.parse::<KeyDigest>(), Err(NotADigest), "{bad}");
        }
        assert_eq!(format!("{digest:?}"), "KeyDigest(ba78..)");
    }

    #[test]
    fn a_text_that_no_header_should_carry_is_not_a_secret() {
        let problem = |text: &str| KeyDigest::of_secret(text).unwrap_err();
        assert_eq!(problem(""), SecretProblem::Empty);
        assert_eq!(problem(&"k".repeat(MAX_SECRET_BYTES + 1)), SecretProblem::TooLong);
        for text in ["a b", "a\tb", "\u{1}\u{2}", "clé", "key\n"] {
            assert_eq!(problem(text), SecretProblem::NotVisibleAscii, "{text:?}");
        }
        assert!(KeyDigest::of_secret(&"k".repeat(MAX_SECRET_BYTES)).is_ok());
    }
}
