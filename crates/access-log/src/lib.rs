//! From the bytes of a stream record to usage records.
//!
//! A record is what a CloudWatch Logs subscription puts on a stream (gzip of
//! an envelope whose events are access-log lines), or, from a producer that
//! writes to Kinesis itself, access-log lines as line-delimited JSON, plain or
//! gzipped. [`decoder::Decoder`] takes either, and hands out one
//! [`metering_core::usage_record::UsageRecord`] per line, borrowed.

#![warn(missing_docs)]

mod base64_text;
pub mod decoder;
mod envelope;
pub mod envelope_writer;
mod inflate;
mod json_cursor;
mod layout;
mod line;
pub mod log_format;
mod parts;
pub mod request_time;

pub use base64_text::{Base64Error, decode_base64};
pub use decoder::{DecodeError, Decoded, Decoder, Form, Limits, Origin, ReadEvent};
pub use envelope::EnvelopeError;
pub use inflate::{InflateError, Inflater, is_gzip};
pub use line::LineError;
