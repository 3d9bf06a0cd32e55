//! The calls of the access log by key, with their numbers by hour and their fingerprints by day.

use std::collections::HashSet;

use access_log::{Decoder, Limits};
use metering_core::call_id::{CallId, CallIdHasherBuilder};
use metering_core::metered_key::MeteredKey;
use metering_core::ports::PortError;
use metering_core::reconciliation::{DailyIdentities, HourlyCalls};
use metering_core::window::{CallWindow, hour_start_ms};

use crate::call_log::CallLog;
use crate::logged_events::{Judge, LoggedCall, read_events};

/// The calls of the access log.
#[derive(Debug, Default)]
pub struct LoggedCalls {
    /// Number of calls by key and hour.
    pub by_hour: HourlyCalls,
    /// Calls by key and day.
    pub by_day: DailyIdentities,
    /// Number of calls without a request id. They are identified by the ids of their log events, of
    /// which AWS does not document that they are those of the delivery.
    pub without_request_id: u64,
    known: HashSet<CallId, CallIdHasherBuilder>,
}

/// Reads the calls with a request time in `from_ms..to_ms`, in milliseconds since 1970, one event
/// after the other. A call that is logged twice is one call.
///
/// Some 30 bytes of each call are kept in memory, so a long span is read day by day.
///
/// # Errors
/// Fails if the access log cannot be read.
pub async fn logged_calls(
    log: &CallLog,
    judge: &Judge,
    from_ms: i64,
    to_ms: i64,
) -> Result<LoggedCalls, PortError> {
    let mut decoder = Decoder::new(Limits::default());
    let mut logged = LoggedCalls::default();
    log.events(from_ms, to_ms, async |log_group, events| {
        for call in
            read_events(&mut decoder, judge, log_group, &events).into_iter().flat_map(|read| read.calls)
        {
            if (from_ms..to_ms).contains(&call.requested_at_ms) {
                logged.add(call);
            }
        }
        Ok(())
    })
    .await?;
    Ok(logged)
}

impl LoggedCalls {
    fn add(&mut self, call: LoggedCall) {
        // Only a call whose time has a day is read as billable.
        let Ok(CallWindow { day, .. }) = CallWindow::at(call.requested_at_ms) else { return };
        if self.known.insert(call.id) {
            let hour = (call.key.clone(), hour_start_ms(call.requested_at_ms));
            *self.by_hour.entry(hour).or_default() += 1;
            self.without_request_id += u64::from(!call.has_request_id);
            self.by_day.entry((call.key, day)).or_default().add(call.id);
        }
    }

    /// Returns the keys, each once.
    pub fn keys(&self) -> Vec<MeteredKey> {
        let mut keys: Vec<MeteredKey> = self.by_day.keys().map(|(key, _)| key.clone()).collect();
        keys.dedup();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metering_core::claims::layout::SliceKey;
    use metering_core::fingerprint::CountedCalls;
    use metering_core::window::HOUR_MS;

    #[test]
    fn a_call_belongs_to_its_key_hour_and_day_and_a_repeated_line_adds_nothing() {
        // Two hours before a midnight.
        let hour_ms = 1_795_557_600_000;
        let call = |request_id: &str, key: &str, requested_at_ms: i64| LoggedCall {
            event: 0,
            id: CallId::new(request_id, requested_at_ms),
            key: MeteredKey::without_customer(key),
            slice: SliceKey { start_ms: 0, group: 0 },
            requested_at_ms,
            has_request_id: true,
        };
        let calls = [
            call("a", "key", hour_ms),
            call("b", "key", hour_ms + HOUR_MS),
            call("c", "other", hour_ms),
            call("a", "key", hour_ms),
            call("d", "key", hour_ms + 2 * HOUR_MS),
        ];
        let mut logged = LoggedCalls::default();
        calls.iter().cloned().for_each(|call| logged.add(call));
        let count = |calls: &[&LoggedCall]| {
            let mut counted = CountedCalls::default();
            for call in calls {
                counted.add(call.id);
            }
            counted
        };
        let [first, second, other, _, next_day] = &calls;
        let day = |key: &str, day: &str| (MeteredKey::without_customer(key), day.parse().unwrap());
        let expected = DailyIdentities::from([
            (day("key", "2026-11-24"), count(&[first, second])),
            (day("key", "2026-11-25"), count(&[next_day])),
            (day("other", "2026-11-24"), count(&[other])),
        ]);
        assert_eq!(
            (logged.keys(), &logged.by_day),
            (["key", "other"].map(MeteredKey::without_customer).to_vec(), &expected)
        );
        let hours: Vec<u64> = logged.by_hour.values().copied().collect();
        assert_eq!(hours, [1, 1, 1, 1]);
    }
}
