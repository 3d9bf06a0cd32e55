//! Injected faults, drawn from a seed.

use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::sync::locked;

/// The probability of each fault, from 0 to 1, and the delays of some of them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FaultRates {
    /// DynamoDB refuses a write with `ProvisionedThroughputExceededException`.
    pub throttled_write: f64,
    /// DynamoDB performs a write and closes the connection without a response.
    pub lost_reply: f64,
    /// The subscription delivers a batch a second time, with another sequence number.
    pub duplicate_batch: f64,
    /// The subscription delivers the events of a batch a second time with other boundaries, some of them
    /// together with events of the batch before. CloudWatch Logs documents no boundaries of repeated
    /// deliveries.
    pub regrouped_batch: f64,
    /// A record of the subscription, which may be a second delivery, waits for `late_batch_delay_ms`, while
    /// later records are delivered.
    pub late_batch: f64,
    /// Delay of a late record, in milliseconds. A change applies to records that already wait: `0` delivers
    /// them at once.
    pub late_batch_delay_ms: u64,
    /// The subscription never delivers a batch, as if it had been disabled for a while.
    pub lost_batch: f64,
    /// Additional delay of all deliveries of the subscription, in milliseconds.
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
    /// `ReceiveMessage` chooses among the messages of a queue at random.
    pub shuffled_queue: f64,
    /// `ReceiveMessage` with short polling does not see an available message.
    pub missed_message: f64,
    /// A received message stays visible and is received again.
    pub repeated_message: f64,
    /// A message stays in the queue although `DeleteMessage` succeeded.
    pub undeleted_message: f64,
}

/// The faults that are injected into the services.
#[derive(Debug)]
pub struct Faults {
    rates: watch::Sender<FaultRates>,
    random: Mutex<StdRng>,
}

/// The fault of a write to DynamoDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    None,
    /// The write is refused.
    Throttle,
    /// The write is performed, and its response is lost.
    LoseReply,
}

impl Faults {
    /// Returns faults with these rates. The same seed and the same order of draws give the same faults.
    pub fn new(rates: FaultRates, seed: u64) -> Self {
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        Self { rates: watch::Sender::new(rates), random }
    }

    /// Returns the present rates.
    pub fn rates(&self) -> FaultRates {
        *self.rates.borrow()
    }

    /// Changes the rates. The lag of the index of keys keeps the value that it had when the stack started.
    pub fn set(&self, rates: FaultRates) {
        self.rates.send_replace(rates);
    }

    /// Returns a receiver of changes of the rates.
    pub fn changes(&self) -> watch::Receiver<FaultRates> {
        self.rates.subscribe()
    }

    /// Draws an event: `true` with the probability `rate`.
    pub fn happens(&self, rate: f64) -> bool {
        rate > 0.0 && self.draw() < rate
    }

    /// Draws a number below `end`, which has to be above 0.
    pub fn below(&self, end: usize) -> usize {
        locked(&self.random).random_range(0..end)
    }

    fn draw(&self) -> f64 {
        locked(&self.random).random()
    }

    /// Draws the fault of a write.
    pub fn write_fault(&self) -> WriteFault {
        let FaultRates { throttled_write, lost_reply, .. } = self.rates();
        if throttled_write + lost_reply == 0.0 {
            return WriteFault::None;
        }
        match self.draw() {
            drawn if drawn < throttled_write => WriteFault::Throttle,
            drawn if drawn < throttled_write + lost_reply => WriteFault::LoseReply,
            _ => WriteFault::None,
        }
    }

    /// Draws the deliveries of a notification to a subscriber: the delay of each, in milliseconds.
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

    /// Draws `true` if a transaction is torn.
    pub fn tears_transaction(&self) -> bool {
        let rate = self.rates().torn_transaction;
        rate > 0.0 && self.draw() < rate
    }

    /// Draws a seed.
    pub(crate) fn draw_seed(&self) -> u64 {
        locked(&self.random).random()
    }

    /// Draws `true` if a batch is never delivered.
    pub fn loses_batch(&self) -> bool {
        self.happens(self.rates().lost_batch)
    }

    /// Draws `true` if a batch is delivered twice.
    pub fn duplicates_batch(&self) -> bool {
        self.happens(self.rates().duplicate_batch)
    }
}
