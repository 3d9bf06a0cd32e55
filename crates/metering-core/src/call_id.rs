//! The identity of an API call, by which it is claimed.

use twox_hash::XxHash3_128;

/// The identity of a call: a 96-bit hash of its request id and its request time.
///
/// The hash is XXH3 with 128 bits, cut to 96, with the request time as its seed. It is stored, so
/// it must never change. The probability that two of the n calls of a claim slice collide is about
/// n²/2⁹⁷, which is 6·10⁻²⁰ for 100,000 calls.
///
/// Source: <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>.
///
/// ```
/// use metering_core::call_id::CallId;
///
/// let call = CallId::new("Jk3fGhX1iYcFWAQ=", 1_795_509_270_000);
/// assert_eq!(call, CallId::new("Jk3fGhX1iYcFWAQ=", 1_795_509_270_000));
/// assert_ne!(call, CallId::new("Jk3fGhX1iYcFWAQ=", 1_795_509_270_001));
/// assert_eq!(CallId::from_bytes(call.to_bytes()), call);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId([u32; 3]);

impl CallId {
    /// Length of the stored form, in bytes.
    pub const BYTES: usize = 12;

    /// Hashes the request id and the request time of a call. The time is in milliseconds since 1970.
    pub fn new(request_id: &str, requested_at_ms: i64) -> Self {
        let hash = XxHash3_128::oneshot_with_seed(requested_at_ms.cast_unsigned(), request_id.as_bytes());
        Self(words(hash))
    }

    /// Returns the stored form: the words of the hash in little-endian order.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.0) {
            *place = word.to_le_bytes();
        }
        bytes
    }

    /// Returns the lower 64 bits of the hash.
    pub(crate) fn lower_half(self) -> u64 {
        u64::from(self.0[1]) << 32 | u64::from(self.0[0])
    }

    /// Parses the stored form. Any twelve bytes are valid.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let mut words = [0; 3];
        for (word, place) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*place);
        }
        Self(words)
    }
}

/// Returns the lower words of a hash.
#[expect(clippy::cast_possible_truncation, reason = "each word is a part of the hash")]
fn words(hash: u128) -> [u32; 3] {
    [hash as u32, (hash >> 32) as u32, (hash >> 64) as u32]
}

impl std::hash::Hash for CallId {
    /// Passes on 64 of the 96 bits, which are a hash already.
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.0[0]) << 32 | u64::from(self.0[1]));
    }
}

/// Builds hashers for maps whose keys are [`CallId`]s: the key is the hash.
pub type CallIdHasherBuilder = std::hash::BuildHasherDefault<CallIdHasher>;

/// A hasher whose result is the number that was written to it.
#[derive(Debug, Default)]
pub struct CallIdHasher(u64);

impl std::hash::Hasher for CallIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_that_of_xxh3() {
        // Computed with the reference implementation: xxhash.xxh3_128_hexdigest(text, seed).
        for (request_id, requested_at_ms, digest) in [
            ("", 0, "99aa06d3014798d86001c324468d497f"),
            ("Jk3fGhX1iYcFWAQ=", 1_795_509_270_000, REFERENCE_OF_A_REQUEST),
        ] {
            let number = u128::from_str_radix(digest, 16).unwrap();
            let expected: Vec<u8> = number.to_le_bytes()[..CallId::BYTES].to_vec();
            assert_eq!(CallId::new(request_id, requested_at_ms).to_bytes().to_vec(), expected);
        }
    }

    #[test]
    fn the_hash_of_an_identity_has_its_first_eight_bytes() {
        use std::hash::BuildHasher;

        let call = CallId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(CallIdHasherBuilder::default().hash_one(call), 0x0403_0201_0807_0605);
        let mut hasher = CallIdHasher::default();
        std::hash::Hasher::write(&mut hasher, &[1, 2, 3, 3, 5, 6, 7, 8, 3]);
        assert_eq!(
            std::hash::Hasher::finish(&hasher),
            0x0203_0305_0607_0802,
            "what is written later counts too"
        );
    }

    const REFERENCE_OF_A_REQUEST: &str = "1950e3317dc2e4c683dc52b83cadf436";
}
