//! Checks what the progress of the stream promises: that the calls that reached the stream before
//! a time are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use memory_ports::Store;
use memory_ports::delivery::StreamRecord;

use crate::api_log::ApiLog;
use crate::auditor::{QuarantineReader, calls_in, counted, key_hour};

/// The stream records of each call with a request id.
#[derive(Debug, Clone, Default)]
pub struct Promises {
    /// The last arrival of each call, by its number, in milliseconds since 1970.
    last_arrival_ms: BTreeMap<usize, i64>,
    /// Calls of which no promise is kept: a record with them was given up, or they expired in quarantine.
    excepted: BTreeSet<usize>,
    quarantine: QuarantineReader,
}

impl Promises {
    /// Adds a record that reached the stream.
    pub fn add_record(&mut self, record: &StreamRecord) {
        for call in calls_in(&record.data) {
            let last_ms = self.last_arrival_ms.entry(call).or_insert(record.arrived_at_ms);
            *last_ms = (*last_ms).max(record.arrived_at_ms);
        }
    }

    /// Excepts the calls of records that Lambda gave up.
    pub fn give_up(&mut self, records: &[StreamRecord], batch: Range<usize>) {
        self.excepted.extend(records[batch].iter().flat_map(|record| calls_in(&record.data)));
    }

    /// Lets items of the store expire, and excepts the calls that expire in quarantine.
    pub fn expire(&mut self, store: &mut Store, now_ms: i64) {
        let before = self.quarantine.read(store).calls;
        store.expire(now_ms);
        let after = self.quarantine.read(store).calls;
        self.excepted.extend(before.difference(&after));
    }

    /// Checks that each billable call whose records all arrived before `before_ms` is counted or in
    /// quarantine.
    pub fn check(&mut self, log: &ApiLog, store: &Store, before_ms: i64) -> Result<(), String> {
        let kept = self.quarantine.read(store).calls;
        let mut due: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (&number, &last_ms) in &self.last_arrival_ms {
            let call = &log.calls[number];
            let is_promised = last_ms < before_ms && !self.excepted.contains(&number);
            if is_promised && call.is_billable && !kept.contains(&number) {
                due.entry(key_hour(call.account(), call.requested_at_ms)).or_default().push(number);
            }
        }
        let counted = counted(store);
        for (key_hour, calls) in due {
            let counted = counted.get(&key_hour).copied().unwrap_or(0);
            if counted < calls.len() as u64 {
                return Err(format!(
                    "{key_hour:?}: these calls reached the stream before {before_ms}, which is promised to be counted, and {counted} are: {calls:?}"
                ));
            }
        }
        Ok(())
    }
}
