//! The subcommands, each with its arguments and its output.

pub mod find_rate;
pub mod run;
pub mod simulate;
pub mod trade_off;

use tracing_subscriber::filter::LevelFilter;

/// Returns the lowest level that is logged. The embedded database logs a warning for every failed
/// condition, and the local stack one for every injected fault; both are expected.
pub fn log_level() -> LevelFilter {
    LevelFilter::ERROR
}
