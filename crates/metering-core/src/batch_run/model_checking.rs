//! Comparison of runs, for the model checker alone.

use std::hash::Hash;

use super::BatchRun;

impl<'b> BatchRun<'b> {
    /// Returns all that the further course of the run depends on, apart from its batch and its
    /// settings. Requests in flight are in the order in which they were made, without their tokens.
    #[doc(hidden)]
    pub fn fingerprint(&self) -> impl PartialEq + Hash + use<'_, 'b> {
        // Each field is named, so that a new one is not forgotten here.
        let Self {
            batch: _,
            settings: _,
            names: _,
            arrived: _,
            head,
            verdicts,
            outcome,
            is_settled,
            is_dropped,
            is_owned_elsewhere,
            is_refused,
            refused_from,
            is_outdated,
            slices,
            owner_heads,
            counted_by,
            rows,
            ready,
            in_flight,
            next_token: _,
            step,
            conflicts,
            tally: _,
        } = self;
        let mut owner_heads: Vec<_> = owner_heads.iter().collect();
        owner_heads.sort_unstable_by_key(|(shard, _)| *shard);
        let mut in_flight: Vec<_> = in_flight.iter().collect();
        in_flight.sort_unstable_by_key(|(token, _)| **token);
        let in_flight: Vec<_> = in_flight.into_iter().map(|(_, continuation)| continuation).collect();
        let ready: Vec<_> = ready.iter().map(|(_, request)| request).collect();
        let calls = (is_settled, is_dropped, is_owned_elsewhere, is_refused, refused_from, is_outdated);
        let claims = (slices, owner_heads, counted_by);
        ((head, verdicts, outcome, *step, *conflicts), calls, claims, (rows, ready, in_flight))
    }
}
