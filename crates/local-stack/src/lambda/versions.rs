//! Versions behind a function's alias.

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::spec::FunctionSpec;

use crate::sync::locked;

/// One version, or two between which a weighted alias chooses for each invocation.
///
/// Source: Lambda Developer Guide, "Implement Lambda canary deployments using a weighted alias":
/// the choice is random and independent of the event, so a retry may go to the other version.
pub struct Versions {
    main: Arc<FunctionSpec>,
    canary: Option<(f64, Arc<FunctionSpec>)>,
    random: Mutex<StdRng>,
}

impl Versions {
    pub fn one(main: FunctionSpec) -> Self {
        Self { main: Arc::new(main), canary: None, random: Mutex::new(StdRng::seed_from_u64(0)) }
    }

    /// Two versions, of which `canary` gets the share `weight` of invocations, from 0 to 1. `seed`
    /// seeds the random choice.
    pub fn weighted(main: FunctionSpec, canary: FunctionSpec, weight: f64, seed: u64) -> Self {
        let canary = Some((weight, Arc::new(canary)));
        Self { main: Arc::new(main), canary, random: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// Returns the version that gets the invocations that `canary` does not get.
    pub fn main(&self) -> &Arc<FunctionSpec> {
        &self.main
    }

    /// Chooses the version of an invocation.
    pub fn draw(&self) -> &Arc<FunctionSpec> {
        match &self.canary {
            Some((weight, canary)) => {
                let drawn: f64 = locked(&self.random).random();
                if drawn < *weight { canary } else { &self.main }
            }
            None => &self.main,
        }
    }
}
