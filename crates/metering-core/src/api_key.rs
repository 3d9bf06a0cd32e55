//! API keys: what is known of one, and of a secret that stands for it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The most bytes of a secret; API Gateway has 10,240 for all headers together.
pub const MAX_SECRET_BYTES: usize = 256;

/// The SHA-256 of a secret: all that is stored of it.
///
/// Secrets that the meter makes have 256 random bits, so a plain hash cannot
/// be searched. Lookups compare digests, never secrets: how long one takes
/// tells nothing of how much of a guess is right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest([u8; 32]);

/// Why a text cannot be a secret. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretProblem {
    /// There is nothing in it.
    #[error("the API key is empty")]
    Empty,
    /// It is longer than any secret.
    #[error("the API key has more than {MAX_SECRET_BYTES} bytes")]
    TooLong,
    /// It has a character that no header should carry.
    #[error("the API key has a character that is not visible ASCII")]
    NotVisibleAscii,
}

/// A text that is not a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is written as 64 hexadecimal digits")]
pub struct NotADigest;

impl KeyDigest {
    /// The digest of a secret.
    ///
    /// # Errors
    /// When the text cannot be a secret.
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

    /// The digest of any bytes.
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

/// The secret that a rotation replaced, for as long as it stays valid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PreviousSecret {
    /// Its digest.
    pub digest: KeyDigest,
    /// When it stops, in milliseconds since 1970.
    pub valid_until_ms: i64,
}

/// What is stored of a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct KeyRecord {
    /// What usage is counted under; never given to another key.
    pub key_id: String,
    /// Whose key it is.
    pub owner: String,
    /// A name for people.
    pub name: String,
    /// The plan that it is sold under.
    pub plan: String,
    /// The successful calls of a UTC month that it may make; `None` for any number.
    pub monthly_limit: Option<u64>,
    /// When it stops, in milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
    /// Whatever else is to be known.
    pub labels: BTreeMap<String, String>,
    /// The digest of its secret; `None` once it is deleted.
    pub digest: Option<KeyDigest>,
    /// The secret before the last rotation.
    pub previous: Option<PreviousSecret>,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it was deleted, in milliseconds since 1970.
    pub deleted_at_ms: Option<i64>,
    /// The sequence of the invalidation-log entry that told of its last
    /// change; 0 where nothing was changed since it was made.
    pub version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_no_header_should_carry_is_no_secret() {
        let problem = |text: &str| KeyDigest::of_secret(text).unwrap_err();
        assert_eq!(problem(""), SecretProblem::Empty);
        assert_eq!(problem(&"k".repeat(MAX_SECRET_BYTES + 1)), SecretProblem::TooLong);
        for text in ["a b", "a\tb", "\u{1}\u{2}", "clé", "key\n"] {
            assert_eq!(problem(text), SecretProblem::NotVisibleAscii, "{text:?}");
        }
        assert!(KeyDigest::of_secret(&"k".repeat(MAX_SECRET_BYTES)).is_ok());
    }
}
