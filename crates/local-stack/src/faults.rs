//! Injection of faults, reproducible from a seed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::sync::locked;

/// Probabilities of the faults, from 0 to 1, and delays.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultRates {
    /// A write to DynamoDB is refused as throttled.
    pub throttled_write: f64,
    /// A write to DynamoDB is carried out, but the connection is closed without a response.
    pub lost_reply: f64,
    /// A request to DynamoDB is not carried out, and the connection is closed without a response.
    pub lost_table_request: f64,
    /// Additional time that DynamoDB takes for each request, in milliseconds.
    pub table_delay_ms: u64,
    /// A request to Kinesis is refused with `InternalFailureException`.
    pub failed_stream_request: f64,
    /// The subscription delivers a batch a second time, with another sequence number.
    pub duplicate_batch: f64,
    /// The subscription delivers the events of a batch a second time in other batches, some of them
    /// together with events of the previous batch. CloudWatch Logs does not guarantee that a
    /// redelivery has the same batches.
    pub regrouped_batch: f64,
    /// A record of the subscription (also of a second delivery) is delayed by `late_batch_delay_ms`
    /// and does not block later ones.
    pub late_batch: f64,
    /// Delay of a late record, in milliseconds. A change also applies to waiting records: with 0,
    /// they are delivered immediately.
    pub late_batch_delay_ms: u64,
    /// The subscription never delivers a batch, as if it had been disabled for a while.
    pub lost_batch: f64,
    /// Additional delay of every delivery of the subscription, in milliseconds.
    pub delivery_delay_ms: u64,
    /// A notification is not delivered to a subscriber.
    pub lost_notification: f64,
    /// A notification is delivered to a subscriber twice.
    pub repeated_notification: f64,
    /// Maximum delay of the delivery of a notification, in milliseconds.
    pub notification_delay_ms: u64,
    /// The writes of a transaction become visible one after the other.
    pub torn_transaction: f64,
    /// Maximum lag of the index of keys, in milliseconds.
    pub index_lag_ms: u64,
    /// `ReceiveMessage` returns messages of a queue in random order.
    pub shuffled_queue: f64,
    /// `ReceiveMessage` with short polling misses a message that is in the queue.
    pub missed_message: f64,
    /// A message stays visible after it was received, and is received again.
    pub repeated_message: f64,
    /// A message is received again although `DeleteMessage` succeeded.
    pub undeleted_message: f64,
}

/// Kind of an injected fault, for its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InjectedFault {
    ThrottledWrite,
    LostTableRequest,
    DelayedTableRequest,
    FailedStreamRequest,
    DuplicateBatch,
    RegroupedBatch,
    LateRecord,
    DelayedDelivery,
    /// A response of a queue was shuffled, or a message was missed or repeated.
    UnreliableQueue,
}

/// Number of injected faults of each kind. A kind that did not happen is missing.
pub type InjectedFaults = BTreeMap<InjectedFault, u64>;

/// Decides at random which faults happen, at rates that can be changed.
#[derive(Debug)]
pub struct Faults {
    rates: watch::Sender<FaultRates>,
    random: Mutex<StdRng>,
    injected: Mutex<InjectedFaults>,
}

/// Fault of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    None,
    /// The write is refused as throttled.
    Throttle,
    /// The write is carried out, but its response is lost.
    LoseReply,
}

impl Faults {
    /// Creates a source of faults at these rates. The same seed and order of events give the same
    /// faults.
    pub fn new(rates: FaultRates, seed: u64) -> Self {
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        Self { rates: watch::Sender::new(rates), random, injected: Mutex::default() }
    }

    /// Counts injected faults of a kind.
    pub fn count(&self, kind: InjectedFault, number: usize) {
        if number > 0 {
            *locked(&self.injected).entry(kind).or_default() += number as u64;
        }
    }

    /// Returns the number of injected faults since the start.
    pub fn injected(&self) -> InjectedFaults {
        locked(&self.injected).clone()
    }

    /// Returns the present rates.
    pub fn rates(&self) -> FaultRates {
        *self.rates.borrow()
    }

    /// Changes the rates. A change of `index_lag_ms` has no effect: the lag is fixed when a stack
    /// starts.
    pub fn set(&self, rates: FaultRates) {
        self.rates.send_replace(rates);
    }

    /// Returns a receiver that is notified of every change of the rates.
    pub fn changes(&self) -> watch::Receiver<FaultRates> {
        self.rates.subscribe()
    }

    /// Returns `true` with this probability.
    pub fn happens(&self, rate: f64) -> bool {
        rate > 0.0 && self.draw() < rate
    }

    /// Returns a random number below `end`, which must be above 0.
    pub fn below(&self, end: usize) -> usize {
        locked(&self.random).random_range(0..end)
    }

    fn draw(&self) -> f64 {
        locked(&self.random).random()
    }

    /// Chooses the fault of a write.
    pub fn write_fault(&self) -> WriteFault {
        let FaultRates { throttled_write, lost_reply, .. } = self.rates();
        if throttled_write + lost_reply == 0.0 {
            return WriteFault::None;
        }
        match self.draw() {
            drawn if drawn < throttled_write => {
                self.count(InjectedFault::ThrottledWrite, 1);
                WriteFault::Throttle
            }
            drawn if drawn < throttled_write + lost_reply => WriteFault::LoseReply,
            _ => WriteFault::None,
        }
    }

    /// Returns the delays of the deliveries of a notification to a subscriber, in milliseconds. A
    /// lost notification has none, a repeated one two.
    pub fn deliveries(&self) -> Vec<u64> {
        let FaultRates { lost_notification, repeated_notification, notification_delay_ms, .. } = self.rates();
        if lost_notification + repeated_notification == 0.0 && notification_delay_ms == 0 {
            return vec![0];
        }
        if self.draw() < lost_notification {
            return Vec::new();
        }
        let count = 1 + usize::from(self.draw() < repeated_notification);
        let mut random = locked(&self.random);
        (0..count).map(|_| random.random_range(0..=notification_delay_ms)).collect()
    }

    /// Returns `true` if a transaction is torn.
    pub fn tears_transaction(&self) -> bool {
        let rate = self.rates().torn_transaction;
        rate > 0.0 && self.draw() < rate
    }

    /// Returns a random seed.
    pub(crate) fn draw_seed(&self) -> u64 {
        locked(&self.random).random()
    }

    /// Returns `true` if a batch is lost.
    pub fn loses_batch(&self) -> bool {
        self.happens(self.rates().lost_batch)
    }

    /// Returns `true` if a batch is delivered twice.
    pub fn duplicates_batch(&self) -> bool {
        let happens = self.happens(self.rates().duplicate_batch);
        self.count(InjectedFault::DuplicateBatch, usize::from(happens));
        happens
    }

    /// Returns `true` if a request to Kinesis fails.
    pub fn fails_stream_request(&self) -> bool {
        let happens = self.happens(self.rates().failed_stream_request);
        self.count(InjectedFault::FailedStreamRequest, usize::from(happens));
        happens
    }

    /// Waits for the additional time of a request to DynamoDB. Returns `true` if the request is lost.
    pub async fn delays_or_loses_table_request(&self) -> bool {
        let FaultRates { lost_table_request, table_delay_ms, .. } = self.rates();
        if table_delay_ms > 0 {
            self.count(InjectedFault::DelayedTableRequest, 1);
            tokio::time::sleep(Duration::from_millis(table_delay_ms)).await;
        }
        let is_lost = self.happens(lost_table_request);
        self.count(InjectedFault::LostTableRequest, usize::from(is_lost));
        is_lost
    }
}
