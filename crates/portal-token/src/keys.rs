//! The keys by which tokens are signed and verified: points of the curve P-256.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;

/// Characters of a line of a PEM file. Source: RFC 7468, section 2.
const PEM_LINE_CHARS: usize = 64;

/// A key that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    #[error(
        "it is no private key of the curve P-256 in PKCS #8: make one with `meter portal create-key`, or with \
         `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
    )]
    Private,
    #[error(
        "it is no public key of the curve P-256: write the base64 of its SubjectPublicKeyInfo, which `meter portal \
         public-key` and `openssl pkey -pubout` print"
    )]
    Public,
    /// Neither a key nor a signature could be made.
    #[error("the random number generator of this machine fails")]
    NoRandomness,
}

/// The key by which tokens are signed.
pub struct PrivateKey {
    /// The key in PKCS #8 (RFC 5958).
    der: Vec<u8>,
    public_key: PublicKey,
}

impl PrivateKey {
    /// Makes a key from the randomness of this machine.
    ///
    /// # Errors
    /// Fails if there is no randomness.
    pub fn generate() -> Result<Self, InvalidKey> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let der = pair.and_then(|pair| pair.to_pkcs8v1()).map_err(|_| InvalidKey::NoRandomness)?;
        Self::from_der(der.as_ref().to_vec())
    }

    /// Parses a PEM file with the section `PRIVATE KEY`.
    ///
    /// # Errors
    /// Fails if it has no such section, or the key is not of the curve P-256.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| InvalidKey::Private)?;
        Self::from_der(der.secret_pkcs8_der().to_vec())
    }

    fn from_der(der: Vec<u8>) -> Result<Self, InvalidKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
        let pair = pair.map_err(|_| InvalidKey::Private)?;
        let public: Result<PublicKeyX509Der<'_>, _> = pair.public_key().as_der();
        let public_key = PublicKey { der: public.map_err(|_| InvalidKey::Private)?.as_ref().into() };
        Ok(Self { der, public_key })
    }

    /// Returns the text of a PEM file.
    pub fn to_pem(&self) -> String {
        let base64 = STANDARD.encode(&self.der);
        let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, further) = rest.split_at(rest.len().min(PEM_LINE_CHARS));
            pem.push_str(line);
            pem.push('\n');
            rest = further;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        pem
    }

    /// Returns the key by which its tokens are verified.
    pub fn public_key(&self) -> PublicKey {
        self.public_key.clone()
    }

    /// Returns the text of a JSON Web Token with any claims. [`crate::Token::signed`] makes those that show usage.
    ///
    /// # Errors
    /// Fails if there is no randomness.
    pub fn signed_claims(&self, claims: &impl Serialize) -> Result<String, InvalidKey> {
        let key = EncodingKey::from_ec_der(&self.der);
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, &key)
            .map_err(|_| InvalidKey::NoRandomness)
    }
}

/// Leaves out the key, which is a secret.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PrivateKey").field("public_key", &self.public_key).finish_non_exhaustive()
    }
}

/// A key by which tokens are verified. Its text is the base64 of its `SubjectPublicKeyInfo` (RFC 5480).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: Arc<[u8]>,
}

impl PublicKey {
    pub(crate) fn decoding_key(&self) -> DecodingKey {
        DecodingKey::from_ec_der(&self.der)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let der = STANDARD.decode(text).map_err(|_| InvalidKey::Public)?;
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &der).map_err(|_| InvalidKey::Public)?;
        // A point of the curve is parsed too.
        let info: PublicKeyX509Der<'_> = key.as_der().map_err(|_| InvalidKey::Public)?;
        (info.as_ref() == der).then(|| Self { der: der.into() }).ok_or(InvalidKey::Public)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&STANDARD.encode(&self.der))
    }
}

/// The keys by which tokens are verified, in a text separated by commas. There are two while one replaces another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeys(pub Vec<PublicKey>);

impl FromStr for PublicKeys {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        text.split(',').map(|key| key.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of `openssl genpkey`, and its public key of `openssl pkey -pubout`.
    const OPENSSL: (&str, &str) =
        (include_str!("../test-keys/openssl.pem"), include_str!("../test-keys/openssl.pub"));

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let key = PrivateKey::generate().unwrap();
        let pem = key.to_pem();
        assert!(pem.lines().all(|line| line.len() <= PEM_LINE_CHARS), "{pem}");
        let again = PrivateKey::from_pem(&pem).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(key.public_key().to_string().parse(), Ok(key.public_key()));
        assert_ne!(PrivateKey::generate().unwrap().public_key(), key.public_key());
    }

    #[test]
    fn keys_of_openssl_can_be_used() {
        let (private, public) = OPENSSL;
        let body: String = public.lines().filter(|line| !line.starts_with('-')).collect();
        let key = PrivateKey::from_pem(private).unwrap();
        assert_eq!(key.public_key().to_string(), body);
        assert_eq!(body.parse(), Ok(key.public_key()));
    }

    #[test]
    fn other_texts_are_no_keys() {
        let key = PrivateKey::generate().unwrap();
        let public = key.public_key();
        let point = STANDARD.encode(&public.der[26..]);
        let public = public.to_string();
        for text in ["", "AAAA", &public[..100], &point, &format!("{public}AAAA"), &key.to_pem()] {
            assert_eq!(text.parse::<PublicKey>(), Err(InvalidKey::Public), "{text}");
        }
        let ec = key.to_pem().replace("PRIVATE KEY", "EC PRIVATE KEY");
        for text in ["", &public, &ec, &key.to_pem().replace('M', "N")] {
            assert_eq!(PrivateKey::from_pem(text).unwrap_err(), InvalidKey::Private, "{text}");
        }
    }

    #[test]
    fn several_keys_are_separated_by_commas() {
        let [one, two] = [(), ()].map(|()| PrivateKey::generate().unwrap().public_key());
        assert_eq!(format!("{one}, {two}").parse(), Ok(PublicKeys(vec![one.clone(), two])));
        assert_eq!(format!("{one},").parse::<PublicKeys>(), Err(InvalidKey::Public));
    }

    #[test]
    fn a_private_key_is_not_logged() {
        let key = PrivateKey::generate().unwrap();
        let public_key = key.public_key();
        assert_eq!(format!("{key:?}"), format!("PrivateKey {{ public_key: {public_key:?}, .. }}"));
    }
}
