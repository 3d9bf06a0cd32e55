//! Gzip: the inflater against flate2, within its limit.
//!
//! - What flate2 inflates within the limit, the inflater inflates to the same bytes.
//! - What flate2 refuses, the inflater refuses.
//! - The buffer never exceeds the limit by more than the growth of a vector.

use std::io::Read;

use access_log::{InflateError, Inflater};
use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};

const LIMIT_BYTES: usize = 32 << 10;
/// A vector that grows doubles its capacity, and holds both while it copies.
const MAX_BUFFER_BYTES: u64 = 4 * LIMIT_BYTES as u64;
/// The state of both decompressors: windows, tables and input buffers.
const DECOMPRESSOR_BYTES: u64 = 256 << 10;

/// Checks gzip data, or text that is compressed first if the first byte is not that of gzip.
pub fn check(input: &[u8]) {
    if access_log::is_gzip(input) {
        compare(input);
        return;
    }
    // Members of text; the byte 0xff separates them.
    let members: Vec<u8> = input.split(|byte| *byte == 0xff).flat_map(member).collect();
    compare(&members);
    let text: Vec<u8> = input.iter().copied().filter(|byte| *byte != 0xff).collect();
    if text.len() <= LIMIT_BYTES {
        assert_eq!(Inflater::new(LIMIT_BYTES).inflate(&members), Ok(&text[..]));
    }
}

fn member(text: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    // Reading from memory does not fail.
    let _ = GzEncoder::new(text, Compression::fast()).read_to_end(&mut compressed);
    compressed
}

fn compare(data: &[u8]) {
    let mut inflater = Inflater::new(LIMIT_BYTES);
    let mut inflated = Ok(Vec::new());
    let memory = allocation_counter::measure(|| inflated = inflater.inflate(data).map(<[u8]>::to_vec));
    assert!(
        memory.bytes_max <= MAX_BUFFER_BYTES + DECOMPRESSOR_BYTES,
        "{} bytes of memory for a limit of {LIMIT_BYTES}",
        memory.bytes_max
    );
    let mut expected = Vec::new();
    let read = MultiGzDecoder::new(data).take(LIMIT_BYTES as u64 + 1).read_to_end(&mut expected);
    match (read, &inflated) {
        (Ok(_), Err(InflateError::TooLarge { limit_bytes })) => {
            assert!(expected.len() > *limit_bytes, "refused as too large within the limit");
        }
        (Ok(_), inflated) => assert_eq!(inflated.as_deref(), Ok(&expected[..])),
        (Err(error), inflated) => assert!(inflated.is_err(), "flate2 refuses the data: {error}"),
    }
    // A buffer that held other data before gives the same result.
    assert_eq!(inflater.inflate(data).map(<[u8]>::to_vec), inflated);
}
