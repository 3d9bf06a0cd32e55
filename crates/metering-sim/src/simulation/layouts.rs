//! The operator changes the layout of claims.

use metering_core::claims::layout::{ClaimLayout, DEFAULT_LAYOUT};
use rand::Rng;

use super::{KeySource, Simulation};
use crate::api_log::HOUR_MS;
use crate::faults::Fault;

/// Time from the end of the last instance with the old layout until the new one applies, in milliseconds.
const LEAD_MS: i64 = HOUR_MS;
/// Maximum time for which both versions of the function run, in milliseconds.
const MAX_ROLLOUT_MS: i64 = 20_000;
/// Slices and groups of later eras.
const ERAS: [&str; 4] = ["2000:4", "60000:1", "500:2", "10000:3"];

/// The layouts of the deployed versions of the function.
#[derive(Debug)]
pub(super) struct Layouts {
    /// `true` if the layout is not always the default one.
    pub is_changed: bool,
    /// The layout of the version that is deployed last.
    text: String,
    /// The layout of the version before, while its instances run.
    before: Option<String>,
    /// Time until which instances of the version before run, in milliseconds since 1970.
    old_until_ms: i64,
    /// Time from which the last era applies, in milliseconds since 1970, while it is in the future.
    next_from_ms: Option<i64>,
}

impl Default for Layouts {
    fn default() -> Self {
        Self {
            is_changed: false,
            text: DEFAULT_LAYOUT.to_owned(),
            before: None,
            old_until_ms: i64::MIN,
            next_from_ms: None,
        }
    }
}

impl Layouts {
    fn add_era(&mut self, from_ms: i64, era: &str) {
        self.text = format!("{},{from_ms}:{era}", self.text);
    }
}

/// The layout of an invocation.
#[derive(Debug)]
pub(super) struct InvocationLayout {
    pub layout: ClaimLayout,
    /// `true` if the version before is invoked.
    pub is_old: bool,
}

impl Simulation<'_> {
    /// Draws whether the layout changes, and whether it was changed some hours ago.
    pub(super) fn draw_layout(&mut self) {
        self.layouts.is_changed = !self.is_crowded && self.random.random_bool(0.5);
        if self.layouts.is_changed && self.injects(Fault::EarlierLayout, 0.4) {
            let from_ms = self.now_ms - self.random.random_range(0..3 * HOUR_MS);
            let era = ERAS[self.pick(ERAS.len())];
            self.layouts.add_era(from_ms, era);
        }
    }

    /// Returns the layout of a new invocation, which may be of the version before while that is replaced.
    pub(super) fn layout_of_invocation(&mut self) -> InvocationLayout {
        let before = self.layouts.before.clone().filter(|_| self.random.random_bool(0.5));
        let is_old = before.is_some();
        let layout = before.unwrap_or_else(|| self.layouts.text.clone()).parse();
        InvocationLayout { layout: layout.unwrap_or_else(|_| unreachable!("the layout is valid")), is_old }
    }

    /// Changes the layout for request times in the future, or lets the change come into force.
    pub(super) fn change_layout(&mut self) {
        if self.key_source == KeySource::Authorizer || !self.layouts.is_changed {
            return;
        }
        if let Some(from_ms) = self.layouts.next_from_ms {
            if self.layouts.before.is_none() && self.injects(Fault::NewLayout, 1.0) {
                self.now_ms = self.now_ms.max(from_ms + self.random.random_range(-20_000..5_000));
                self.layouts.next_from_ms = None;
                self.trace(|| format!("the layout of claims from {from_ms} on comes into force"));
            }
        } else if self.settings.faults.contains(Fault::NewLayout) {
            self.layouts.before = Some(self.layouts.text.clone());
            self.layouts.old_until_ms = self.now_ms + self.random.random_range(0..MAX_ROLLOUT_MS);
            let from_ms = self.layouts.old_until_ms + LEAD_MS;
            let era = ERAS[self.pick(ERAS.len())];
            self.layouts.add_era(from_ms, era);
            self.layouts.next_from_ms = Some(from_ms);
            self.trace(|| format!("an operator deploys the layout of claims {era} from {from_ms} on"));
        }
    }

    /// Lets time pass until no instance of the version before runs.
    pub(super) fn end_rollout(&mut self) {
        if self.layouts.before.is_some() {
            self.now_ms = self.now_ms.max(self.layouts.old_until_ms);
            self.end_old_instances();
        }
    }

    /// Ends the instances of the version before when its time is over.
    pub(super) fn end_old_instances(&mut self) {
        if self.layouts.before.is_some() && self.now_ms >= self.layouts.old_until_ms {
            self.layouts.before = None;
            self.trace(|| "the last instance with the old layout of claims ends".to_owned());
            self.end_invocations_with_old_layout();
        }
    }
}
