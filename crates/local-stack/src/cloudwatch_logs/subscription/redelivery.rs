//! Second deliveries of events, in records with other boundaries than the first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::cloudwatch_logs::log_group::LogEvent;
use crate::faults::{Faults, InjectedFault};
use crate::sync::locked;

/// Groups the events of a batch a second time, with other boundaries.
///
/// It keeps the last batch of each log stream, so that a second delivery can begin in the batch before.
pub(super) struct Redelivery {
    faults: Arc<Faults>,
    max_batch_events: usize,
    before: Mutex<HashMap<String, Vec<LogEvent>>>,
}

impl Redelivery {
    pub fn new(faults: Arc<Faults>, max_batch_events: usize) -> Self {
        Self { faults, max_batch_events, before: Mutex::default() }
    }

    /// Returns the groups in which the events of a batch are delivered again. The result is empty if the
    /// batch is delivered once.
    pub fn regroup(&self, batch: &[LogEvent]) -> Vec<Vec<LogEvent>> {
        let rate = self.faults.rates().regrouped_batch;
        let mut before = locked(&self.before);
        let (Some(first), true) = (batch.first(), rate > 0.0) else {
            before.clear();
            return Vec::new();
        };
        let neighbours = before.insert(first.log_stream.clone(), batch.to_vec()).unwrap_or_default();
        drop(before);
        if !self.faults.happens(rate) {
            return Vec::new();
        }
        self.faults.count(InjectedFault::RegroupedBatch, 1);
        let reach = self.faults.below(neighbours.len() + 1);
        let span = [&neighbours[neighbours.len() - reach..], batch].concat();
        let cut = other_boundary(span.len(), reach, |end| self.faults.below(end));
        let (left, right) = span.split_at(cut);
        [left, right]
            .into_iter()
            .flat_map(|part| part.chunks(self.max_batch_events))
            .map(<[LogEvent]>::to_vec)
            .collect()
    }
}

/// Chooses the index at which `length` events are split. It is not `boundary`, at which the first
/// delivery split them, and 0 if there is no other index.
fn other_boundary(length: usize, boundary: usize, below: impl Fn(usize) -> usize) -> usize {
    let places: Vec<usize> = (1..length).filter(|place| *place != boundary).collect();
    if places.is_empty() { 0 } else { places[below(places.len())] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FaultRates;

    fn events(ids: std::ops::Range<i64>) -> Vec<LogEvent> {
        let event = |id| LogEvent { id, log_stream: "s".to_owned(), timestamp_ms: 1, message: String::new() };
        ids.map(event).collect()
    }

    fn ids(groups: &[Vec<LogEvent>]) -> Vec<Vec<i64>> {
        groups.iter().map(|group| group.iter().map(|event| event.id).collect()).collect()
    }

    #[test]
    fn a_second_delivery_has_every_event_of_the_batch_and_never_its_boundaries() {
        let rates = FaultRates { regrouped_batch: 1.0, ..FaultRates::default() };
        let redelivery = Redelivery::new(Arc::new(Faults::new(rates, 7)), 10);
        let mut across = 0;
        for round in 0..200 {
            let batch = events(round * 10..round * 10 + 10);
            let groups = ids(&redelivery.regroup(&batch));
            let own: Vec<i64> = batch.iter().map(|event| event.id).collect();
            assert!(groups.iter().all(|group| !group.is_empty() && group.len() <= 10), "{groups:?}");
            assert!(!groups.contains(&own), "the first delivery had the same boundaries: {groups:?}");
            let all = groups.concat();
            assert!(all.ends_with(&own) && all.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{groups:?}");
            across += usize::from(groups.iter().any(|group| group[0] < own[0] && group.contains(&own[0])));
        }
        assert!(across > 50, "{across} of 200 second deliveries reach into the batch before");
    }

    #[test]
    fn at_a_rate_of_zero_nothing_is_delivered_again() {
        let redelivery = Redelivery::new(Arc::new(Faults::new(FaultRates::default(), 7)), 10);
        assert!(redelivery.regroup(&events(0..10)).is_empty());
    }
}
