//! What chance decides.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp};

use super::settings::Settings;
use crate::harness::workload::KeyChoice;

/// Draws everything from one seed.
pub(super) struct Chance {
    random: ChaCha8Rng,
    keys: KeyChoice,
    between_records: Exp<f64>,
    settings: Settings,
}

impl Chance {
    pub fn new(settings: &Settings, records_per_s: f64) -> anyhow::Result<Self> {
        Ok(Self {
            random: ChaCha8Rng::seed_from_u64(settings.seed),
            keys: KeyChoice::new(settings.keys)?,
            between_records: Exp::new(records_per_s)?,
            settings: settings.clone(),
        })
    }

    /// The shard of a record: partition keys are random.
    pub fn shard(&mut self) -> usize {
        self.random.random_range(0..self.settings.shards as usize)
    }

    pub fn key(&mut self) -> u32 {
        self.keys.draw(&mut self.random)
    }

    /// Microseconds to the next record.
    pub fn until_next_record_us(&mut self) -> u64 {
        super::time::microseconds(self.between_records.sample(&mut self.random))
    }

    pub fn lag_us(&mut self) -> u64 {
        self.settings
            .lag
            .map_or(0, |lag| super::time::microseconds(lag.sample(&mut self.random).as_secs_f64()))
    }

    /// A time within a span.
    pub fn within_us(&mut self, span_us: u64) -> u64 {
        self.random.random_range(0..=span_us)
    }
}
