//! The log of failed requests, from which an operator learns what needs a repair.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use std::sync::{Arc, Mutex};

use common::*;
use memory_ports::MemoryPorts;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The levels of all events, in order.
#[derive(Clone, Default)]
struct Levels(Arc<Mutex<Vec<Level>>>);

impl Subscriber for Levels {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(*event.metadata().level());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_request_that_is_made_again_is_a_warning_and_one_that_is_invalid_is_an_error() {
    let ports = MemoryPorts::default();
    ports.store().failing_keys.insert("blocked".to_owned());
    ports.store().refused_keys.insert("refused".to_owned());
    let levels = Levels::default();
    let _logging = tracing::subscriber::set_default(levels.clone());
    for (shard, key, expected) in
        [(0, "k", &[][..]), (1, "blocked", &[Level::WARN]), (2, "refused", &[Level::ERROR])]
    {
        deliver(&consumer(&ports), shard, &[record(10, envelope(1, &[call(key, NOW_MS)]))]).await;
        assert_eq!(std::mem::take(&mut *levels.0.lock().unwrap()), expected, "{key}");
    }
}
