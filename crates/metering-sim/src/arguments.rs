//! The options of the command `metering-sim`.

use clap::Parser;

use crate::faults::{Fault, FaultSet};
use crate::simulation::Settings;

/// Simulate counting and admission under faults, one seed after another. If a call is
/// lost, counted twice or wrongly admitted, print a short trace and exit with 1.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// Number of seeds to simulate
    #[arg(long, default_value_t = 1_000)]
    pub seeds: u64,
    /// First seed
    #[arg(long, default_value_t = 0)]
    pub first: u64,
    /// Simulate only this seed, and print its trace
    #[arg(long)]
    pub seed: Option<u64>,
    /// Stop after this number of minutes
    #[arg(long)]
    pub minutes: Option<u64>,
    /// Steps of a simulation in which faults are injected
    #[arg(long, default_value_t = 400)]
    pub steps: u32,
    /// Print the first failure as it was found, without looking for a shorter trace
    #[arg(long)]
    pub as_found: bool,
    /// A fault that is not injected; may be repeated
    #[arg(long, value_name = "FAULT")]
    pub without: Vec<Fault>,
}

impl Arguments {
    /// Returns the settings of each simulation.
    pub fn settings(&self) -> Settings {
        let mut faults = FaultSet::all();
        for fault in &self.without {
            faults = faults.without(*fault);
        }
        Settings { steps: self.steps, faults }
    }
}
