//! Files of access logs for `meter replay`.
//!
//! - A file is read, or refused with a reason.
//! - The records have exactly the calls that the report counts.
//! - A file has the same records each time it is read.

use access_log::{Decoder, Form, Limits, Origin};
use meter_cli::replay::reading::read_content;
use meter_cli::replay::tally::Counted;
use meter_cli::replay::tally::Tally;
use metering_core::status_ranges::StatusRanges;

/// The time of every invocation: 2026-11-24T08:34:30Z.
const NOW_MS: i64 = 1_795_509_270_000;
const RETENTION_DAYS: u32 = 35;

/// Checks the content of a file.
pub fn check(input: &[u8]) {
    let (records, tally) = read(input);
    let mut calls = 0;
    for record in &records {
        let origin = Origin { record_name: "", arrived_at_ms: NOW_MS };
        let mut calls_of_record = 0;
        let decoded = Decoder::new(Limits::default())
            .decode(record, origin, |event| calls_of_record += u64::from(event.call.is_ok()));
        match decoded {
            Ok(decoded) if decoded.form != Form::ControlMessage => calls += calls_of_record,
            _ => {}
        }
    }
    assert_eq!(calls, tally.calls, "the records have the calls of the report");
    assert_eq!(read(input).0, records, "the records are the same each time");
}

fn read(input: &[u8]) -> (Vec<Vec<u8>>, Tally) {
    let mut records = Vec::new();
    let counted = Counted::new(RETENTION_DAYS, StatusRanges::default());
    let (_, tally) = read_content(std::io::Cursor::new(input.to_vec()), NOW_MS, counted, |record| {
        records.push(record);
        Ok(())
    });
    (records, tally)
}
