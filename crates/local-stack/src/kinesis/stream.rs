//! Mode, monitoring and tags of a stream.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::error::KinesisError;
use super::store::{KinesisStore, stream_created_ms};
use super::stream_mode::StreamMode;

const DAY_MS: i64 = 24 * 3_600_000;
/// Maximum number of tags of a stream. Source: Kinesis API Reference, `AddTagsToStream`.
const MAX_TAGS: usize = 50;

/// A change that AWS allows only a few times in 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RareChange {
    /// Ten times in 24 hours. Source: Kinesis API Reference, `UpdateShardCount`.
    ShardCount,
    /// Twice in 24 hours. Source: Kinesis Developer Guide, "Choose the right mode".
    Mode,
}

impl RareChange {
    fn limits(self) -> (&'static str, i64) {
        match self {
            Self::ShardCount => ("UpdateShardCount", 10),
            Self::Mode => ("UpdateStreamMode", 2),
        }
    }
}

impl KinesisStore {
    /// Returns the capacity mode of a stream.
    pub fn mode(&self, stream: &str) -> Result<StreamMode, KinesisError> {
        let name = text_column(&self.lock(), "SELECT mode FROM streams WHERE name = ?", stream)?;
        Ok(StreamMode::from_name(Some(&name)))
    }

    /// Changes the capacity mode of a stream. Its shards stay as they are.
    pub fn set_mode(&self, stream: &str, mode: StreamMode) -> Result<(), KinesisError> {
        let connection = self.lock();
        connection.execute("UPDATE streams SET mode = ? WHERE name = ?", params![mode.name(), stream])?;
        Ok(())
    }

    /// Runs `carry_out` unless the stream's limit for this change is reached, and counts the change
    /// if it succeeds.
    pub(super) fn change_within_limit<T>(
        &self,
        stream: &str,
        change: RareChange,
        now_ms: i64,
        carry_out: impl FnOnce() -> Result<T, KinesisError>,
    ) -> Result<T, KinesisError> {
        let (kind, limit) = change.limits();
        let query = "SELECT COUNT(*) FROM changes WHERE stream = ? AND kind = ? AND at_ms > ?";
        let since_ms = now_ms - DAY_MS;
        let count: i64 = self.lock().query_row(query, params![stream, kind, since_ms], |row| row.get(0))?;
        if count >= limit {
            return Err(KinesisError::limit_exceeded(format!(
                "{kind} was called {count} times for stream {stream} within 24 hours; the limit is {limit}"
            )));
        }
        let result = carry_out()?;
        self.lock().execute("INSERT INTO changes VALUES (?, ?, ?)", params![stream, kind, now_ms])?;
        Ok(result)
    }

    /// Returns the names of the shard-level metrics that are enabled.
    pub fn monitoring(&self, stream: &str) -> Result<Vec<String>, KinesisError> {
        let names = text_column(&self.lock(), "SELECT monitoring FROM streams WHERE name = ?", stream)?;
        Ok(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// Replaces the set of enabled shard-level metrics.
    pub fn set_monitoring(&self, stream: &str, names: &[String]) -> Result<(), KinesisError> {
        let query = "UPDATE streams SET monitoring = ? WHERE name = ?";
        self.lock().execute(query, params![names.join(","), stream])?;
        Ok(())
    }

    /// Returns the tags of a stream.
    pub fn tags(&self, stream: &str) -> Result<BTreeMap<String, String>, KinesisError> {
        let connection = self.lock();
        stream_created_ms(&connection, stream)?;
        let mut statement = connection.prepare_cached("SELECT key, value FROM tags WHERE stream = ?")?;
        let tags = statement.query_map([stream], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(tags.collect::<Result<_, _>>()?)
    }

    /// Adds tags to a stream, and replaces those with the same key.
    pub fn add_tags(&self, stream: &str, added: &[(String, String)]) -> Result<(), KinesisError> {
        let mut tags = self.tags(stream)?;
        tags.extend(added.iter().cloned());
        if tags.len() > MAX_TAGS {
            return Err(KinesisError::limit_exceeded(format!(
                "stream {stream} would have {} tags; the limit is {MAX_TAGS}",
                tags.len()
            )));
        }
        let connection = self.lock();
        for (key, value) in added {
            connection.execute("INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", [stream, key, value])?;
        }
        Ok(())
    }

    /// Removes tags from a stream.
    pub fn remove_tags(&self, stream: &str, keys: &[String]) -> Result<(), KinesisError> {
        let connection = self.lock();
        stream_created_ms(&connection, stream)?;
        for key in keys {
            connection.execute("DELETE FROM tags WHERE stream = ? AND key = ?", [stream, key])?;
        }
        Ok(())
    }
}

fn text_column(connection: &Connection, query: &str, stream: &str) -> Result<String, KinesisError> {
    stream_created_ms(connection, stream)?;
    Ok(connection.query_row(query, [stream], |row| row.get(0))?)
}
