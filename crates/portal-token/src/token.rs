//! The claims of a token, and their verification.

use jsonwebtoken::{Algorithm, Validation, decode};
use metering_core::holder::{Holder, InvalidHolder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::{InvalidKey, PrivateKey, PublicKey};

/// Maximum time between the issue and the end of a token, in seconds.
pub const MAX_LIFETIME_S: u64 = 86_400;

/// Seconds by which the clock of an issuer may be ahead of the clock that verifies.
pub const CLOCK_TOLERANCE_S: u64 = 60;

/// A token before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    environment: String,
    /// Whose usage it shows.
    pub holder: Holder,
    /// Time of its issue, in seconds since 1970.
    pub issued_at_s: u64,
    /// Time from which on it shows nothing, in seconds since 1970.
    pub expires_at_s: u64,
}

/// A lifetime that is too short or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is valid for 1 to {MAX_LIFETIME_S} seconds")]
pub struct InvalidLifetime;

/// The reason why a token shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The text is not signed by one of the keys, or not a token.
    #[error("the token is not signed by a key of this service")]
    NotSigned,
    /// A claim is missing or has another type.
    #[error("a claim of the token is missing or has a wrong type")]
    Claims,
    /// The token is for another service or environment.
    #[error("the token is not for this environment")]
    Audience,
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token was issued in the future.
    #[error("the token was issued in the future: compare the clock of its issuer")]
    NotYetIssued,
    /// The token is valid for too long.
    #[error("{0}")]
    Lifetime(#[from] InvalidLifetime),
    /// The token is of nobody.
    #[error("{0}")]
    Holder(#[from] InvalidHolder),
}

/// The claims. Source: RFC 7519, section 4.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: String,
    iat: u64,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key_id: Option<String>,
}

fn audience(environment: &str) -> String {
    format!("usage-portal:{environment}")
}

fn check_lifetime(issued_at_s: u64, expires_at_s: u64) -> Result<(), InvalidLifetime> {
    let lifetime_s = expires_at_s.checked_sub(issued_at_s).ok_or(InvalidLifetime)?;
    if (1..=MAX_LIFETIME_S).contains(&lifetime_s) { Ok(()) } else { Err(InvalidLifetime) }
}

impl Token {
    /// Returns a token for the usage page of an environment.
    ///
    /// # Errors
    /// Fails if the lifetime is 0 or longer than [`MAX_LIFETIME_S`].
    pub fn new(
        environment: &str,
        holder: Holder,
        issued_at_s: u64,
        lifetime_s: u64,
    ) -> Result<Self, InvalidLifetime> {
        let expires_at_s = issued_at_s.checked_add(lifetime_s).ok_or(InvalidLifetime)?;
        check_lifetime(issued_at_s, expires_at_s)?;
        Ok(Self { environment: environment.to_owned(), holder, issued_at_s, expires_at_s })
    }

    /// Returns the text of the token, signed with a key.
    ///
    /// # Errors
    /// Fails if there is no randomness.
    pub fn signed(&self, key: &PrivateKey) -> Result<String, InvalidKey> {
        key.signed_claims(&self.claims())
    }

    fn claims(&self) -> Claims {
        Claims {
            aud: audience(&self.environment),
            iat: self.issued_at_s,
            exp: self.expires_at_s,
            customer_id: self.holder.customer_id().map(str::to_owned),
            api_key_id: self.holder.api_key_id().map(str::to_owned),
        }
    }
}

/// Returns whose usage a token shows. The algorithm is always ES256, whatever the token says.
///
/// # Errors
/// Returns why the token shows nothing.
pub fn verify(
    token: &str,
    public_keys: &[PublicKey],
    environment: &str,
    now_s: u64,
) -> Result<Holder, Refusal> {
    let claims = verified_claims(token, public_keys)?;
    if claims.aud != audience(environment) {
        return Err(Refusal::Audience);
    }
    check_lifetime(claims.iat, claims.exp)?;
    if claims.iat > now_s.saturating_add(CLOCK_TOLERANCE_S) {
        return Err(Refusal::NotYetIssued);
    }
    if claims.exp <= now_s {
        return Err(Refusal::Expired);
    }
    Ok(Holder::new(claims.customer_id.as_deref(), claims.api_key_id.as_deref())?)
}

/// Returns the claims of a token that one of the keys has signed.
fn verified_claims(token: &str, public_keys: &[PublicKey]) -> Result<Claims, Refusal> {
    let mut validation = Validation::new(Algorithm::ES256);
    // The library would read the clock of the machine. `verify` checks all claims.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    for key in public_keys {
        if let Ok(decoded) = decode::<Value>(token, &key.decoding_key(), &validation) {
            return serde_json::from_value(decoded.claims).map_err(|_| Refusal::Claims);
        }
    }
    Err(Refusal::NotSigned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    const NOW_S: u64 = 1_795_509_270;

    fn token(lifetime_s: u64) -> Token {
        Token::new("prod", Holder::customer("acme").unwrap(), NOW_S, lifetime_s).unwrap()
    }

    /// Returns what a token with these claims shows.
    fn verified(claims: &Value) -> Result<Holder, Refusal> {
        let key = PrivateKey::generate().unwrap();
        let text = key.signed_claims(claims).unwrap();
        verify(&text, &[key.public_key()], "prod", NOW_S)
    }

    fn claims(changes: &Value) -> Value {
        let mut claims =
            json!({"aud": "usage-portal:prod", "iat": NOW_S, "exp": NOW_S + 900, "customer_id": "acme"});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    #[test]
    fn a_token_is_valid_from_its_issue_until_it_expires() {
        let key = PrivateKey::generate().unwrap();
        let text = token(900).signed(&key).unwrap();
        let at = |now_s| verify(&text, &[key.public_key()], "prod", now_s);
        assert_eq!(at(NOW_S), Holder::customer("acme").map_err(Into::into));
        assert!(at(NOW_S + 899).is_ok());
        assert_eq!(at(NOW_S + 900), Err(Refusal::Expired));
        assert!(at(NOW_S - CLOCK_TOLERANCE_S).is_ok());
        assert_eq!(at(NOW_S - CLOCK_TOLERANCE_S - 1), Err(Refusal::NotYetIssued));
    }

    #[test]
    fn any_of_the_keys_may_have_signed_and_no_other() {
        let [one, two, other] = [(), (), ()].map(|()| PrivateKey::generate().unwrap());
        let keys = [one.public_key(), two.public_key()];
        let of = |key: &PrivateKey| verify(&token(900).signed(key).unwrap(), &keys, "prod", NOW_S);
        assert!(of(&one).is_ok() && of(&two).is_ok());
        assert_eq!(of(&other), Err(Refusal::NotSigned));
        assert_eq!(verify(&token(900).signed(&one).unwrap(), &[], "prod", NOW_S), Err(Refusal::NotSigned));
    }

    #[test]
    fn a_changed_token_is_refused() {
        let key = PrivateKey::generate().unwrap();
        let text = token(900).signed(&key).unwrap();
        let keys = [key.public_key()];
        for place in 0..text.len() {
            let replaced = if text.as_bytes()[place] == b'B' { "C" } else { "B" };
            let mut changed = text.clone();
            changed.replace_range(place..=place, replaced);
            assert!(verify(&changed, &keys, "prod", NOW_S).is_err(), "character {place}");
        }
        for other in ["", ".", "..", "a.b", &text[1..], &text[..text.len() - 1], &format!("{text}.")] {
            assert!(verify(other, &keys, "prod", NOW_S).is_err(), "{other}");
        }
    }

    #[test]
    fn only_es256_is_a_signature() {
        let key = PrivateKey::generate().unwrap();
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let body = part(&claims(&json!({})).to_string());
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"None"}"#, r#"{"alg":"ES256"}"#] {
            let text = format!("{}.{body}.", part(header));
            assert_eq!(
                verify(&text, &[key.public_key()], "prod", NOW_S),
                Err(Refusal::NotSigned),
                "{header}"
            );
        }
        // The public key is no secret, so a signature made with it as the key of an HMAC is worth nothing.
        let public = key.public_key().to_string();
        let der = STANDARD.decode(&public).unwrap();
        for secret in [public.as_bytes(), &der] {
            let hmac = EncodingKey::from_secret(secret).unwrap();
            let text =
                jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(&json!({})), &hmac).unwrap();
            assert_eq!(verify(&text, &[key.public_key()], "prod", NOW_S), Err(Refusal::NotSigned));
        }
    }

    #[test]
    fn every_claim_is_checked() {
        assert_eq!(verified(&claims(&json!({}))), Holder::customer("acme").map_err(Into::into));
        let refused = |changes: Value| verified(&claims(&changes)).unwrap_err();
        assert_eq!(refused(json!({"aud": "usage-portal:test"})), Refusal::Audience);
        assert_eq!(refused(json!({"aud": "prod"})), Refusal::Audience);
        for name in ["aud", "iat", "exp"] {
            assert_eq!(refused(json!({ name: null })), Refusal::Claims, "{name}");
        }
        for (name, value) in [("exp", json!("2030-01-01")), ("iat", json!(-1)), ("customer_id", json!(7))] {
            assert_eq!(refused(json!({ name: value })), Refusal::Claims, "{name}");
        }
        assert_eq!(refused(json!({"exp": NOW_S + MAX_LIFETIME_S + 1})), Refusal::Lifetime(InvalidLifetime));
        assert!(verified(&claims(&json!({"exp": NOW_S + MAX_LIFETIME_S}))).is_ok());
        assert_eq!(
            refused(json!({"exp": NOW_S - 1})),
            Refusal::Lifetime(InvalidLifetime),
            "before its issue"
        );
        assert_eq!(refused(json!({"customer_id": null})), Refusal::Holder(InvalidHolder::Nobody));
        assert!(matches!(refused(json!({"api_key_id": "#totals"})), Refusal::Holder(_)));
        assert!(matches!(refused(json!({"customer_id": ""})), Refusal::Holder(_)));
        assert_eq!(verified(&claims(&json!({"api_key_id": "key-1"}))).unwrap().api_key_id(), Some("key-1"));
    }

    #[test]
    fn a_lifetime_has_limits() {
        let new = |lifetime_s| Token::new("prod", Holder::customer("acme").unwrap(), NOW_S, lifetime_s);
        assert!(new(1).is_ok() && new(MAX_LIFETIME_S).is_ok());
        for lifetime_s in [0, MAX_LIFETIME_S + 1, u64::MAX] {
            assert_eq!(new(lifetime_s), Err(InvalidLifetime));
        }
    }
}
