//! The token with which a customer opens its usage page.
//!
//! A token is a JSON Web Token (RFC 7519), signed by ES256 (RFC 7518, section 3.4) with a private key that only its
//! issuer has. The deployed meter knows the public key, and holds nothing by which a token can be made.
//!
//! ```
//! use portal_token::{Holder, PrivateKey, Token, verify};
//!
//! let private_key = PrivateKey::generate()?;
//! let public_keys = [private_key.public_key()];
//! let token = Token::new("prod", Holder::customer("acme")?, 1_795_509_270, 900)?;
//! let text = token.signed(&private_key)?;
//! assert_eq!(verify(&text, &public_keys, "prod", 1_795_509_300)?, token.holder);
//! assert!(verify(&text, &public_keys, "prod", 1_795_510_170).is_err(), "it has expired");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod keys;
mod token;

pub use keys::{InvalidKey, PrivateKey, PublicKey, PublicKeys};
pub use metering_core::holder::{Holder, InvalidHolder};
pub use token::{CLOCK_TOLERANCE_S, InvalidLifetime, MAX_LIFETIME_S, Refusal, Token, verify};
