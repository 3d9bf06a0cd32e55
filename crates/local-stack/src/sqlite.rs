//! SQLite files that several connections use.

use std::path::Path;

use rusqlite::Connection;

/// Opens a file, which is created if it does not exist.
///
/// Commits survive the end of the process. Only a loss of power may undo the
/// last ones.
///
/// # Errors
/// Returns an error if the file cannot be opened.
pub fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}
