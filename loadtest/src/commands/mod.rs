//! The commands.

pub mod find_rate;
pub mod run;
pub mod simulate;
pub mod trade_off;

use tracing_subscriber::filter::LevelFilter;

/// The embedded database warns of every failed condition, and the stack of
/// every fault that was asked for; only errors need a reader.
pub fn log_level() -> LevelFilter {
    LevelFilter::ERROR
}
