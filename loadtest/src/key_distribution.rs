//! The distribution of calls over keys, for the harness and the simulation.

use anyhow::Context;
use rand::Rng;
use rand_distr::{Distribution, Zipf};

use crate::profile::Keys;

/// Draws keys, uniformly or by Zipf's law.
#[derive(Debug, Clone)]
pub struct KeyDistribution {
    count: u32,
    zipf: Option<Zipf<f64>>,
}

impl KeyDistribution {
    /// Creates the distribution of `keys`.
    ///
    /// # Errors
    /// When the exponent is not usable for a Zipf distribution.
    pub fn new(keys: Keys) -> anyhow::Result<Self> {
        let zipf = keys.zipf_exponent.map(|exponent| Zipf::new(f64::from(keys.count), exponent));
        let zipf = zipf.transpose().context("keys.zipf_exponent is not a valid exponent")?;
        Ok(Self { count: keys.count, zipf })
    }

    /// Draws the index of a key. Key 0 is the most frequent.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank is within the count")]
    pub fn sample(&self, random: &mut impl Rng) -> u32 {
        match &self.zipf {
            Some(zipf) => (zipf.sample(random) as u32).clamp(1, self.count) - 1,
            None => random.random_range(0..self.count),
        }
    }
}
