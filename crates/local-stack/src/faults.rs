//! Faults on purpose, from a seed.

use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::sync::locked;

/// How often which fault happens; each a probability from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FaultRates {
    /// A write to DynamoDB is answered with a throttle and not carried out.
    pub throttled_write: f64,
    /// A write to DynamoDB is carried out, and the connection closed without an answer.
    pub lost_reply: f64,
    /// The subscription delivers a batch a second time, under another sequence number.
    pub duplicate_batch: f64,
    /// The subscription delivers the events of a batch a second time, cut at
    /// other boundaries, some of them together with events of the batch before.
    /// CloudWatch Logs promises nothing about how it cuts what it sends again.
    pub regrouped_batch: f64,
    /// A record of the subscription (a second delivery counts as one) waits
    /// for `late_batch_delay_ms`, while later ones go on.
    pub late_batch: f64,
    /// Delay of a late record, in milliseconds. It applies to records that wait
    /// already: with 0, they are delivered at once.
    pub late_batch_delay_ms: u64,
    /// The subscription never delivers a batch, as when it was switched off for a while.
    pub lost_batch: f64,
    /// How much later than usual the subscription delivers, in milliseconds.
    pub delivery_delay_ms: u64,
    /// A notification is never delivered to a subscriber.
    pub lost_notification: f64,
    /// A notification is delivered to a subscriber a second time.
    pub repeated_notification: f64,
    /// The longest that the delivery of a notification takes, in milliseconds.
    pub notification_delay_ms: u64,
    /// The writes of a transaction become visible one after the other.
    pub torn_transaction: f64,
    /// By how much the index of keys lags at most, in milliseconds.
    pub index_lag_ms: u64,
    /// `ReceiveMessage` chooses among the messages of a queue at random.
    pub shuffled_queue: f64,
    /// `ReceiveMessage` with short polling does not see a message that is there.
    pub missed_message: f64,
    /// A message stays visible after it was received, and is handed out again.
    pub repeated_message: f64,
    /// A message comes again although `DeleteMessage` succeeded.
    pub undeleted_message: f64,
}

/// A source of faults.
#[derive(Debug)]
pub struct Faults {
    rates: watch::Sender<FaultRates>,
    random: Mutex<StdRng>,
}

/// What happens to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// Nothing.
    None,
    /// It is refused as too much.
    Throttle,
    /// It is carried out, but nobody hears of it.
    LoseReply,
}

impl Faults {
    /// Faults at these rates, the same for the same seed and order of events.
    pub fn new(rates: FaultRates, seed: u64) -> Self {
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        Self { rates: watch::Sender::new(rates), random }
    }

    /// What goes wrong at present.
    pub fn rates(&self) -> FaultRates {
        *self.rates.borrow()
    }

    /// Changes what goes wrong from now on. The lag of the index of keys is
    /// fixed when a stack starts.
    pub fn set(&self, rates: FaultRates) {
        self.rates.send_replace(rates);
    }

    /// Tells of every change of the rates.
    pub fn changes(&self) -> watch::Receiver<FaultRates> {
        self.rates.subscribe()
    }

    /// Draws whether something with this probability happens.
    pub fn happens(&self, rate: f64) -> bool {
        rate > 0.0 && self.draw() < rate
    }

    /// Draws a number below `end`, which is above 0.
    pub fn below(&self, end: usize) -> usize {
        locked(&self.random).random_range(0..end)
    }

    fn draw(&self) -> f64 {
        locked(&self.random).random()
    }

    /// Draws the fate of a write.
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

    /// Draws how often a notification is delivered to a subscriber, and after
    /// how many milliseconds each time.
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

    /// Draws whether a transaction is torn.
    pub fn tears_transaction(&self) -> bool {
        let rate = self.rates().torn_transaction;
        rate > 0.0 && self.draw() < rate
    }

    /// Draws a seed.
    pub(crate) fn draw_seed(&self) -> u64 {
        locked(&self.random).random()
    }

    /// Draws whether a batch is never delivered.
    pub fn loses_batch(&self) -> bool {
        self.happens(self.rates().lost_batch)
    }

    /// Draws whether a batch is delivered twice.
    pub fn duplicates_batch(&self) -> bool {
        self.happens(self.rates().duplicate_batch)
    }
}
