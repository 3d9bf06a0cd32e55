//! The thread that writes events. Events that arrive together share a commit.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::filters::Filters;

/// Maximum number of events of one commit, which is exceeded only by the last append.
const MAX_COMMIT_EVENTS: usize = 10_000;

/// Events that one caller appends to a log stream.
#[derive(Debug)]
pub(super) struct Append {
    pub log_stream: String,
    pub ingested_ms: i64,
    /// Events as (timestamp in milliseconds since 1970, message).
    pub events: Vec<(i64, String)>,
    pub written: oneshot::Sender<Result<(), String>>,
}

/// Writes appended events until all senders are dropped.
pub(super) fn write_appends(
    mut connection: Connection,
    mut appends: mpsc::Receiver<Append>,
    last_id: &watch::Sender<i64>,
    filters: &Filters,
) {
    let mut batch = Vec::new();
    while let Some(first) = appends.blocking_recv() {
        batch.push(first);
        let mut events = batch[0].events.len();
        while events < MAX_COMMIT_EVENTS {
            let Ok(next) = appends.try_recv() else { break };
            events += next.events.len();
            batch.push(next);
        }
        let result = commit(&mut connection, &batch);
        if let Ok(last) = result {
            last_id.send_replace(last);
            let events = batch.iter().flat_map(|append| &append.events);
            filters.record(events.map(|(timestamp_ms, message)| (*timestamp_ms, message.as_str())));
        }
        for append in batch.drain(..) {
            let answer = result.as_ref().map(|_| ()).map_err(ToString::to_string);
            // The caller may have stopped waiting.
            let _ = append.written.send(answer);
        }
    }
}

/// The change of a log stream by a commit.
struct Change {
    /// Times of the first and of the last event, in milliseconds since 1970.
    timestamps_ms: (i64, i64),
    ingested_ms: i64,
}

fn commit(connection: &mut Connection, batch: &[Append]) -> rusqlite::Result<i64> {
    let transaction = connection.transaction()?;
    let mut changes: HashMap<&str, Change> = HashMap::new();
    let mut statement = transaction.prepare_cached(
        "INSERT INTO events (log_stream, timestamp_ms, message, ingested_ms) VALUES (?, ?, ?, ?)",
    )?;
    for append in batch {
        let ingested_ms = append.ingested_ms;
        for (timestamp_ms, message) in &append.events {
            statement.execute(params![append.log_stream, timestamp_ms, message, ingested_ms])?;
            let new = Change { timestamps_ms: (*timestamp_ms, *timestamp_ms), ingested_ms };
            let change = changes.entry(&append.log_stream).or_insert(new);
            let (first_ms, last_ms) = change.timestamps_ms;
            change.timestamps_ms = (first_ms.min(*timestamp_ms), last_ms.max(*timestamp_ms));
            change.ingested_ms = change.ingested_ms.max(ingested_ms);
        }
    }
    drop(statement);
    let last = transaction.last_insert_rowid();
    let mut statement = transaction.prepare_cached(
        "INSERT INTO log_streams (name, created_ms, first_ms, last_ms, last_ingested_ms) VALUES (?1, ?4, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET first_ms = MIN(IFNULL(first_ms, ?2), ?2), last_ms = MAX(IFNULL(last_ms, ?3), ?3),
            last_ingested_ms = MAX(IFNULL(last_ingested_ms, ?4), ?4)",
    )?;
    for (name, change) in changes {
        let (first_ms, last_ms) = change.timestamps_ms;
        statement.execute(params![name, first_ms, last_ms, change.ingested_ms])?;
    }
    drop(statement);
    transaction.commit()?;
    Ok(last)
}
