//! Base64, the encoding of payloads in Lambda events and of CloudWatch Logs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A text that cannot be decoded as base64.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Base64Error {
    /// The text would decode to more than the limit.
    #[error("the base64 text decodes to more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The text has a character, a length or a padding that is not valid in base64.
    #[error("the text is not base64")]
    Malformed(#[source] base64::DecodeError),
}

/// Decodes standard base64 with padding.
///
/// # Errors
/// When the text is not base64 or decodes to more than `limit_bytes`.
pub fn decode_base64(text: &str, limit_bytes: usize) -> Result<Vec<u8>, Base64Error> {
    // A text that is much too long is not decoded. At most two bytes of its last group are padding.
    if text.len() / 4 * 3 > limit_bytes.saturating_add(2) {
        return Err(Base64Error::TooLarge { limit_bytes });
    }
    let bytes = STANDARD.decode(text).map_err(Base64Error::Malformed)?;
    if bytes.len() > limit_bytes { Err(Base64Error::TooLarge { limit_bytes }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_up_to_the_limit_and_names_what_is_wrong() {
        assert_eq!(decode_base64("aGVsbG8=", 5).unwrap(), b"hello");
        assert_eq!(decode_base64("aGVsbG8=", 4), Err(Base64Error::TooLarge { limit_bytes: 4 }));
        assert_eq!(decode_base64(&"AAAA".repeat(100), 4), Err(Base64Error::TooLarge { limit_bytes: 4 }));
        for bytes in 0..10 {
            let text = STANDARD.encode(vec![7; bytes]);
            assert_eq!(decode_base64(&text, bytes).unwrap().len(), bytes);
        }
        // Texts that would be malformed show what is refused without decoding.
        for (text, is_too_long) in [("????????", false), ("????????????", true)] {
            let error = decode_base64(text, 4).unwrap_err();
            assert_eq!(matches!(error, Base64Error::TooLarge { .. }), is_too_long, "{text}");
        }
        assert!(matches!(decode_base64("aGV?bG8=", 5), Err(Base64Error::Malformed(_))));
    }
}
