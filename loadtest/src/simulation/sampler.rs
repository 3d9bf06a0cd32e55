//! The random draws of a simulation.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp};

use super::settings::SimulationSettings;
use super::time::microseconds;
use crate::key_distribution::KeyDistribution;

/// Draws all random values of a simulation from one seed.
pub(super) struct Sampler {
    random: ChaCha8Rng,
    keys: KeyDistribution,
    between_records: Exp<f64>,
    settings: SimulationSettings,
}

impl Sampler {
    pub fn new(settings: &SimulationSettings, records_per_s: f64) -> anyhow::Result<Self> {
        Ok(Self {
            random: ChaCha8Rng::seed_from_u64(settings.seed),
            keys: KeyDistribution::new(settings.keys)?,
            between_records: Exp::new(records_per_s)?,
            settings: settings.clone(),
        })
    }

    /// Draws the shard of a record. Partition keys are random.
    pub fn shard(&mut self) -> usize {
        self.random.random_range(0..self.settings.shards as usize)
    }

    /// Draws the key of a call.
    pub fn key(&mut self) -> u32 {
        self.keys.sample(&mut self.random)
    }

    /// Draws the time to the next record, in microseconds.
    pub fn until_next_record_us(&mut self) -> u64 {
        microseconds(self.between_records.sample(&mut self.random))
    }

    /// Draws the lag of a delivery, in microseconds.
    pub fn lag_us(&mut self) -> u64 {
        self.settings.lag.map_or(0, |lag| microseconds(lag.sample(&mut self.random).as_secs_f64()))
    }

    /// Draws a time within a span, in microseconds.
    pub fn within_us(&mut self, span_us: u64) -> u64 {
        self.random.random_range(0..=span_us)
    }
}
