//! Tokens of the usage page: a token that is not signed shows nothing, and a signed one shows what its claims say while it
//! is valid.

use std::sync::LazyLock;

use portal_token::{CLOCK_TOLERANCE_S, Holder, MAX_LIFETIME_S, PrivateKey, verify};
use serde_json::Value;

/// The time of every request: 2026-11-24T08:34:30Z.
const NOW_S: u64 = 1_795_509_270;

static KEY: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::generate().expect("the machine has random numbers"));

/// Checks a text as a token, and as the claims of a signed one.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let keys = [KEY.public_key()];
    assert!(verify(text, &keys, "prod", NOW_S).is_err(), "nobody can guess a signature");
    let Ok(claims) = serde_json::from_str::<Value>(text) else { return };
    let token = KEY.signed_claims(&claims).expect("any document can be signed");
    let Ok(holder) = verify(&token, &keys, "prod", NOW_S) else { return };
    assert_eq!(claims["aud"], "usage-portal:prod");
    let [issued_at_s, expires_at_s] = ["iat", "exp"].map(|name| claims[name].as_u64().expect("a time"));
    assert!(issued_at_s <= NOW_S + CLOCK_TOLERANCE_S && NOW_S < expires_at_s);
    assert!(expires_at_s - issued_at_s <= MAX_LIFETIME_S);
    let named = |name: &str| claims[name].as_str().filter(|id| !id.is_empty());
    assert_eq!(Holder::new(named("customer_id"), named("api_key_id")), Ok(holder));
}
