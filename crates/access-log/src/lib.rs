//! Decodes the bytes of a stream record into usage records.
//!
//! A record has one of two forms. A CloudWatch Logs subscription writes a gzipped envelope, whose
//! events are access-log lines. A producer that writes to Kinesis itself sends access-log lines as
//! line-delimited JSON, plain or gzipped. [`decoder::Decoder`] reads both forms, and passes on one
//! borrowed [`metering_core::usage_record::UsageRecord`] per line. [`envelope_writer`] writes
//! envelopes, and [`log_format`] has the access-log format of a stage.

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
