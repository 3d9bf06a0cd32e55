//! SimulationResult time, in whole microseconds from the start of a simulation.

/// Converts seconds to whole microseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "simulated times are short and positive"
)]
pub(super) fn microseconds(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}
