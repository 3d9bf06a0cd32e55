//! An invocation of the function: the shipped run of a batch, and the requests that it waits for.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use metering_core::aggregate::RecordIndex;
use metering_core::batch_run::{BatchRun, Reply, RequestToken, RunSettings};
use metering_core::window::DAY_MS;

use crate::batches::Delivery;
use crate::storage::Operation;

const SETTINGS: RunSettings = RunSettings { max_call_age_ms: 35 * DAY_MS };

/// An invocation of the function that runs, and the batch that it was given.
#[derive(Clone)]
pub struct Invocation {
    pub delivery: Arc<Delivery>,
    /// Index in the shard of the first record.
    pub from: usize,
    run: BatchRun<'static>,
    waiting: Vec<(RequestToken, Operation)>,
}

impl Invocation {
    pub fn begin(delivery: Delivery, from: usize) -> Self {
        let run = BatchRun::new(delivery.batch(), SETTINGS);
        let mut invocation = Self { delivery: Arc::new(delivery), from, run, waiting: Vec::new() };
        invocation.take_requests();
        invocation
    }

    fn take_requests(&mut self) {
        while let Some((token, request)) = self.run.next() {
            self.waiting.push((token, Operation::of(request, &self.delivery)));
        }
    }

    /// Returns the operations whose replies the invocation waits for.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = &Operation> {
        self.waiting.iter().map(|(_, operation)| operation)
    }

    /// Takes the reply to the operation at a place. Returns `true` if the invocation has ended.
    pub fn answer(&mut self, place: usize, reply: Reply) -> bool {
        let (token, _) = self.waiting.remove(place);
        self.run.answer(token, reply);
        self.take_requests();
        self.run.is_done()
    }

    /// Returns the index in the shard of the record to resume from.
    pub fn resume(&self) -> usize {
        let failed = self.run.outcome().lowest_failed().map(RecordIndex::position);
        self.from + failed.unwrap_or(self.delivery.records.len())
    }

    /// Returns the index in the shard of the first record after the batch.
    pub fn end(&self) -> usize {
        self.from + self.delivery.records.len()
    }
}

impl Hash for Invocation {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.delivery.hash(hasher);
        self.run.fingerprint().hash(hasher);
        self.operations().for_each(|operation| operation.hash(hasher));
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operations: Vec<_> = self.operations().collect();
        formatter
            .debug_struct("Invocation")
            .field("delivery", &self.delivery)
            .field("waiting", &operations)
            .finish_non_exhaustive()
    }
}
