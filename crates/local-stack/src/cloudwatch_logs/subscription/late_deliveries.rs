//! Records that are delivered much later than others.
//!
//! CloudWatch Logs retries a delivery for up to a day and delivers later events in the meantime. The
//! records wait on disk, so that a stack that is killed loses none.

use std::sync::Arc;
use std::time::Duration;

use system_clock::now_ms;
use tokio::sync::watch;

use crate::cloudwatch_logs::log_group::{LogGroup, WaitingRecord};

/// The records that wait for a late delivery.
pub(super) struct LateDeliveries {
    log_group: Arc<LogGroup>,
    waiting: watch::Sender<usize>,
}

impl LateDeliveries {
    /// Opens the records that an earlier run left.
    pub fn open(log_group: Arc<LogGroup>) -> rusqlite::Result<Self> {
        let waiting = watch::Sender::new(log_group.waiting_records()?);
        Ok(Self { log_group, waiting })
    }

    /// Returns the number of waiting records, and its changes.
    pub fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    /// Adds records, which wait from now on.
    pub fn add(&self, records: &[Vec<u8>]) -> rusqlite::Result<()> {
        if !records.is_empty() {
            self.log_group.add_waiting(records, now_ms())?;
            self.waiting.send_modify(|waiting| *waiting += records.len());
        }
        Ok(())
    }

    /// Returns the first record when it has waited for `delay_ms` milliseconds.
    pub async fn next_due(&self, delay_ms: u64) -> rusqlite::Result<WaitingRecord> {
        let mut waiting = self.waiting.subscribe();
        loop {
            waiting.borrow_and_update();
            let Some(record) = self.log_group.first_waiting()? else {
                // The sender is a field of `self`, so this does not fail.
                let _ = waiting.changed().await;
                continue;
            };
            let due_ms = record.since_ms.saturating_add_unsigned(delay_ms);
            let left_ms = u64::try_from(due_ms - now_ms()).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(left_ms)).await;
            return Ok(record);
        }
    }

    /// Removes a record that was delivered.
    pub fn delivered(&self, id: i64) -> rusqlite::Result<()> {
        self.log_group.remove_waiting(id)?;
        self.waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
        Ok(())
    }
}
