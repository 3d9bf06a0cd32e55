//! Records: the decoder with its limits, and the parts that go to quarantine.
//!
//! - A record is read or refused; no event is lost or invented, and the limits hold.
//! - Decoding takes a bounded amount of memory.
//! - Compressed or not, a record is read alike, also by a decoder that has read other records.
//! - Events that are extracted for quarantine keep their identities and their calls.

use access_log::envelope_writer::gzip;
use access_log::{DecodeError, Form};

use crate::readings::{self, LIMITS, ORIGIN, read};

/// Memory for an input of [`MAX_INPUT_BYTES`] beside the inflated record: the unescaped line, the
/// layouts, and what this target itself collects.
const MAX_MEMORY_BYTES: u64 = 4 << 20;
const MAX_INPUT_BYTES: usize = 64 << 10;

/// Checks the data of a record.
pub fn check(input: &[u8]) {
    if input.len() > MAX_INPUT_BYTES {
        return;
    }
    let mut decoder = readings::decoder();
    let mut result = Err(DecodeError::Empty);
    let memory = allocation_counter::measure(|| result = read(&mut decoder, input));
    assert!(memory.bytes_max <= MAX_MEMORY_BYTES, "{} bytes of memory", memory.bytes_max);
    assert_eq!(read(&mut decoder, input), result, "a second reading is equal");
    if !access_log::is_gzip(input) && !input.is_empty() && input.len() <= LIMITS.max_inflated_bytes {
        assert_eq!(read(&mut decoder, &gzip(input)), result, "compressed, it is read alike");
    }
    let Ok((decoded, events)) = result else { return };
    if decoded.form == Form::ControlMessage {
        return;
    }
    check_parts(input, &events, &(0..decoded.event_count).collect::<Vec<_>>());
    check_parts(input, &events, &(0..decoded.event_count).step_by(2).collect::<Vec<_>>());
}

/// Extracts some events of a record, and checks that they are the same in the parts.
fn check_parts(record: &[u8], events: &[readings::Reading], wanted: &[u32]) {
    let parts = readings::decoder().parts(record, ORIGIN, wanted);
    let parts = parts.unwrap_or_else(|error| panic!("a record that was read has parts: {error}"));
    let mut found = Vec::new();
    for part in &parts {
        let (_, readings) = read(&mut readings::decoder(), part)
            .unwrap_or_else(|error| panic!("a part is a record: {error:?}"));
        found.extend(readings);
    }
    let expected: Vec<_> = wanted.iter().map(|index| events[*index as usize].clone()).collect();
    assert_eq!(found, expected, "the parts have the events with their identities");
}
