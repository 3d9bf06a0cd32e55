//! The key and the requested status of each call. They depend only on the seed
//! and the number of the call, so any number of workers sends the same calls.

use anyhow::Context;
use rand::SeedableRng;
use rand::distr::weighted::WeightedIndex;
use rand_chacha::ChaCha8Rng;
use rand_distr::Distribution;

use crate::key_distribution::KeyDistribution;
use crate::profile::Profile;

/// The parameters of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Index of the key, from 0.
    pub key: u32,
    /// Status that is requested from the backend.
    pub status: u16,
}

/// The calls of a profile.
#[derive(Debug, Clone)]
pub struct Workload {
    seed: u64,
    keys: KeyDistribution,
    statuses: Vec<u16>,
    weights: WeightedIndex<u32>,
}

impl Workload {
    /// Creates the calls of a profile.
    ///
    /// # Errors
    /// Returns an error if the keys or the weights of the statuses do not make a distribution.
    pub fn new(profile: &Profile) -> anyhow::Result<Self> {
        let weights = WeightedIndex::new(profile.statuses.iter().map(|share| share.weight));
        Ok(Self {
            seed: profile.seed,
            keys: KeyDistribution::new(profile.keys)?,
            statuses: profile.statuses.iter().map(|share| share.status).collect(),
            weights: weights.context("the weights of the statuses are not a valid distribution")?,
        })
    }

    /// Returns the call of this number.
    pub fn call(&self, number: u64) -> Call {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(number);
        let key = self.keys.sample(&mut random);
        Call { key, status: self.statuses[self.weights.sample(&mut random)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(seed: u64, zipf: &str) -> Workload {
        let text = format!(
            "name = 'x'\nseed = {seed}\nstatuses = [{{status = 200, weight = 9}}, {{status = 404, weight = 1}}]\n[load]\nshape = 'constant'\ncalls_per_s = 1\nduration_s = 1\n[keys]\ncount = 100\n{zipf}"
        );
        Workload::new(&toml::from_str(&text).unwrap()).unwrap()
    }

    #[test]
    fn the_seed_alone_decides() {
        let calls = |seed| {
            let workload = workload(seed, "");
            (0..1_000).map(|number| workload.call(number)).collect::<Vec<_>>()
        };
        assert_eq!(calls(1), calls(1));
        assert_ne!(calls(1), calls(2));
    }

    #[test]
    fn keys_and_statuses_have_their_shares() {
        let shares = |zipf| {
            let workload = workload(7, zipf);
            let calls: Vec<Call> = (0..20_000).map(|number| workload.call(number)).collect();
            let first = calls.iter().filter(|call| call.key == 0).count();
            assert!(calls.iter().all(|call| call.key < 100));
            (first, calls.iter().filter(|call| call.status == 404).count())
        };
        let (uniform, not_found) = shares("");
        assert!(
            (100..300).contains(&uniform) && (1_800..2_200).contains(&not_found),
            "{uniform} {not_found}"
        );
        // 1 / H(100) = 0.1928
        let (zipf, _) = shares("zipf_exponent = 1.0");
        assert!((3_600..4_100).contains(&zipf), "{zipf}");
    }
}
