//! The API, its access log and the subscription.

use access_log::envelope_writer::{EnvelopeHeader, gzip, log_event};
use rand::Rng;

use super::callers::AnsweredCall;
use super::{Delivery, KeySource, Simulation};
use crate::api_log::{Content, DAY_MS, HOUR_MS, LOG_STREAM, LogEvent, NOT_MODIFIED};
use crate::faults::Fault;

const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];
const STATUSES: [u16; 5] = [200, 201, 299, NOT_MODIFIED, 500];

impl Simulation<'_> {
    /// The API answers some calls, and the subscription forms a record of their lines.
    pub(super) fn produce(&mut self) {
        let mut count = if self.is_crowded { 150 } else { self.random.random_range(1..6) };
        if self.key_source == KeySource::Authorizer {
            count = count.min(self.callers.answered.len());
        }
        if count == 0 {
            return;
        }
        let mut events = Vec::new();
        for _ in 0..count {
            let content = self.draw_content();
            events.push(self.log.new_event(content));
            if let Content::Call(number) = content
                && self.log.calls[number].has_request_id
                && self.injects(Fault::LineTwice, 0.03)
            {
                events.push(self.log.new_event(content));
            }
        }
        self.auditor.add_new_calls(&self.log);
        self.trace(|| format!("the API logs {} events from {} on", events.len(), events[0].id));
        if self.injects(Fault::Garbage, 0.03) {
            let garbage = self.draw_garbage();
            self.undelivered.push(Delivery { data: garbage, events: Vec::new() });
        }
        self.subscribe(&events);
    }

    fn draw_content(&mut self) -> Content {
        if self.random.random_bool(0.05) {
            return Content::Unreadable(self.log.log_unreadable_line());
        }
        let AnsweredCall { key_id, status } = self.next_answered_call();
        let requested_at_ms = self.draw_request_time();
        let has_request_id = self.is_crowded || self.random.random_bool(0.8);
        let key_id = key_id.unwrap_or_else(|| "-".to_owned());
        Content::Call(self.log.log_call(&key_id, status, requested_at_ms, has_request_id))
    }

    /// Returns the next call that the authorizer decided on, or draws a call.
    fn next_answered_call(&mut self) -> AnsweredCall {
        if let Some(call) = self.callers.answered.pop() {
            return call;
        }
        let has_key = self.random.random_bool(0.85);
        let key_id = match self.key_source {
            KeySource::OnePerCall => format!("k{}", self.log.calls.len()),
            KeySource::Few | KeySource::Authorizer => KEYS[self.pick(KEYS.len())].to_owned(),
        };
        AnsweredCall { key_id: has_key.then_some(key_id), status: self.draw_status() }
    }

    pub(super) fn draw_status(&mut self) -> u16 {
        STATUSES[self.pick(STATUSES.len())]
    }

    fn draw_request_time(&mut self) -> i64 {
        if self.is_crowded {
            return super::BEGINNING_MS;
        }
        if self.injects(Fault::LeadingClock, 0.03) {
            return self.now_ms + self.random.random_range(HOUR_MS / 2..HOUR_MS * 3 / 2);
        }
        match self.random.random_range(0..20) {
            0 => self.now_ms - 20 * DAY_MS,
            1 => self.now_ms - self.random.random_range(0..3 * HOUR_MS),
            // Few slices, so that several records have calls in the same slice.
            _ => self.now_ms - self.now_ms.rem_euclid(60_000) + self.random.random_range(0..10) * 1_000,
        }
    }

    /// Returns bytes that look like calls, none of which may be counted.
    fn draw_garbage(&mut self) -> Vec<u8> {
        let number = self.random.random_range(0..1_000_000);
        let line = format!(
            "{{\"extendedRequestId\":\"garbage-{number}\",\"apiKeyId\":\"a\",\"requestTimeEpoch\":\"{}\",\"status\":\"200\"}}",
            self.now_ms
        );
        let header = EnvelopeHeader { is_control_message: true, ..LOG_STREAM };
        let text = header.write(&log_event("1", 1, &line));
        if self.random.random_bool(0.5) {
            text.into_bytes()
        } else {
            text.as_bytes()[..text.len() - 2].to_vec()
        }
    }

    /// Delivers log events in a record, and may lose, repeat or regroup them as CloudWatch Logs may.
    fn subscribe(&mut self, events: &[LogEvent]) {
        let can_be_backfilled = |event: &LogEvent| match event.content {
            Content::Call(number) => self.log.calls[number].has_request_id,
            Content::Unreadable(_) => false,
        };
        if events.iter().all(can_be_backfilled) && self.injects(Fault::LostRecord, 0.1) {
            return;
        }
        self.queue_record(events);
        if self.injects(Fault::DuplicateRecord, 0.1) {
            self.queue_record(events);
        }
        if events.len() > 1 && self.injects(Fault::RegroupedRecord, 0.15) {
            let (earlier, later) = events.split_at(self.random.random_range(1..events.len()));
            self.queue_record(earlier);
            self.queue_record(later);
        }
    }

    /// Queues a record with these events for delivery.
    fn queue_record(&mut self, events: &[LogEvent]) {
        let text = self.log.encode_record(events);
        let data = if self.random.random_bool(0.25) { gzip(&text) } else { text };
        self.undelivered.push(Delivery { data, events: events.to_vec() });
    }
}
