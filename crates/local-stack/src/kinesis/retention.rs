//! Retention period of streams, and their `UPDATING` status.

use rusqlite::{Connection, params};

use super::error::KinesisError;
use super::shard::Shard;
use super::store::KinesisStore;
use super::stream_row::{HOUR_MS, column, horizon_ms, retention_hours};
use crate::names::ACCOUNT_ID;

/// Bounds of the retention period, in hours. Source: Kinesis API Reference,
/// `IncreaseStreamRetentionPeriod` and `DecreaseStreamRetentionPeriod`.
const RETENTION_HOURS: std::ops::RangeInclusive<i64> = 24..=8_760;

/// `IncreaseStreamRetentionPeriod` or `DecreaseStreamRetentionPeriod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionChange {
    Increase,
    Decrease,
}

impl KinesisStore {
    /// Returns the retention period of a stream, in hours.
    pub fn retention_hours(&self, stream: &str) -> Result<i64, KinesisError> {
        retention_hours(&self.lock(), stream)
    }

    /// Changes the retention period of a stream. The change takes effect immediately.
    ///
    /// Records older than the shorter of both periods are deleted: an increase does not restore
    /// records that have expired, and a decrease makes older records inaccessible.
    pub fn change_retention(
        &self,
        stream: &str,
        change: RetentionChange,
        hours: i64,
        now_ms: i64,
    ) -> Result<(), KinesisError> {
        let mut connection = self.lock();
        require_active(&connection, stream, now_ms)?;
        let present = retention_hours(&connection, stream)?;
        check_hours(stream, change, present, hours)?;
        let transaction = connection.transaction()?;
        transaction.execute(
            "DELETE FROM records WHERE stream = ? AND arrived_ms < ?",
            params![stream, now_ms - present.min(hours) * HOUR_MS],
        )?;
        transaction
            .execute("UPDATE streams SET retention_hours = ? WHERE name = ?", params![hours, stream])?;
        Ok(transaction.commit()?)
    }

    /// Deletes the records that are older than the retention period of their stream.
    pub fn trim(&self, now_ms: i64) -> Result<(), KinesisError> {
        let query = "DELETE FROM records WHERE arrived_ms < ?1 - ?2 *
                     (SELECT retention_hours FROM streams WHERE name = records.stream)";
        self.lock().execute(query, [now_ms, HOUR_MS])?;
        Ok(())
    }

    /// Returns the trim horizon of a stream, in milliseconds since 1970. Records that arrived
    /// before it have expired.
    pub(super) fn horizon_ms(&self, stream: &str, now_ms: i64) -> Result<i64, KinesisError> {
        horizon_ms(&self.lock(), stream, now_ms)
    }

    /// Returns the shards of a stream, except for those that were closed before the trim horizon.
    ///
    /// Source: Kinesis API Reference, `ListShards`: "This action does not list expired shards".
    pub(super) fn unexpired_shards(&self, stream: &str, now_ms: i64) -> Result<Vec<Shard>, KinesisError> {
        let horizon_ms = self.horizon_ms(stream, now_ms)?;
        let mut shards = self.shards(stream)?;
        shards.retain(|shard| shard.closed_ms.is_none_or(|closed_ms| closed_ms >= horizon_ms));
        Ok(shards)
    }

    /// Returns `true` if the status of the stream is `UPDATING` at `now_ms`, in milliseconds since
    /// 1970.
    pub fn is_updating(&self, stream: &str, now_ms: i64) -> Result<bool, KinesisError> {
        Ok(updating_until_ms(&self.lock(), stream)? > now_ms)
    }

    /// Sets the status of a stream to `UPDATING` for the time set by
    /// [`KinesisStore::with_update_ms`].
    pub(super) fn begin_update(&self, stream: &str, now_ms: i64) -> Result<(), KinesisError> {
        let until_ms = now_ms.saturating_add_unsigned(self.update_ms());
        let query = "UPDATE streams SET updating_until_ms = ? WHERE name = ?";
        self.lock().execute(query, params![until_ms, stream])?;
        Ok(())
    }

    /// Returns an error if the stream is `UPDATING`.
    ///
    /// Source: Kinesis API Reference, `ResourceInUseException`: "For successful operation, the
    /// resource must be in the ACTIVE state".
    pub(super) fn require_active(&self, stream: &str, now_ms: i64) -> Result<(), KinesisError> {
        require_active(&self.lock(), stream, now_ms)
    }
}

/// Checks a new retention period against the bounds and the direction of the change.
///
/// Source of the messages: AWS responses, as recorded in moto's `tests/test_kinesis`.
fn check_hours(stream: &str, change: RetentionChange, present: i64, hours: i64) -> Result<(), KinesisError> {
    let (least, most) = (RETENTION_HOURS.start(), RETENTION_HOURS.end());
    let problem = if hours < *least {
        format!(
            "Minimum allowed retention period is {least} hours. Requested retention period ({hours} hours) is too short."
        )
    } else if hours > *most {
        format!(
            "Maximum allowed retention period is {most} hours. Requested retention period ({hours} hours) is too long."
        )
    } else {
        let (fits, wrong, other) = match change {
            RetentionChange::Increase => (hours >= present, "shorter", "Decrease"),
            RetentionChange::Decrease => (hours <= present, "longer", "Increase"),
        };
        if fits {
            return Ok(());
        }
        format!(
            "Requested retention period ({hours} hours) for stream {stream} can not be {wrong} than existing retention period ({present} hours). Use {other}RetentionPeriod API."
        )
    };
    Err(KinesisError::invalid(problem))
}

fn updating_until_ms(connection: &Connection, stream: &str) -> Result<i64, KinesisError> {
    column(connection, "SELECT updating_until_ms FROM streams WHERE name = ?", stream)
}

fn require_active(connection: &Connection, stream: &str, now_ms: i64) -> Result<(), KinesisError> {
    if updating_until_ms(connection, stream)? <= now_ms {
        return Ok(());
    }
    Err(KinesisError::in_use(format!(
        "Stream {stream} under account {ACCOUNT_ID} not ACTIVE, instead in state UPDATING"
    )))
}
