//! Reads columns of the table `streams`.

use rusqlite::{Connection, OptionalExtension};

use super::error::KinesisError;

pub(super) const HOUR_MS: i64 = 3_600_000;

/// Returns the trim horizon of a stream, in milliseconds since 1970. Records that arrived before it
/// have expired.
pub(super) fn horizon_ms(connection: &Connection, stream: &str, now_ms: i64) -> Result<i64, KinesisError> {
    Ok(now_ms - retention_hours(connection, stream)? * HOUR_MS)
}

/// Returns the retention period of a stream, in hours.
pub(super) fn retention_hours(connection: &Connection, stream: &str) -> Result<i64, KinesisError> {
    column(connection, "SELECT retention_hours FROM streams WHERE name = ?", stream)
}

/// Returns the integer that `query` selects from the row of a stream.
pub(super) fn column(connection: &Connection, query: &str, stream: &str) -> Result<i64, KinesisError> {
    connection
        .prepare_cached(query)?
        .query_row([stream], |row| row.get(0))
        .optional()?
        .ok_or_else(|| KinesisError::no_stream(stream))
}
