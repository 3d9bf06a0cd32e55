//! The receiver of the events of a file.

use serde_json::Value;

use super::packing::{Event, Packer};

/// A receiver of the events of a file.
pub trait Sink {
    /// Adds an event in this line of the file.
    fn event(&mut self, event: Event<'_>, line: u64) -> anyhow::Result<()>;
    /// Adds the payload of a stream record.
    fn record(&mut self, data: Vec<u8>, line: u64) -> anyhow::Result<()>;
    /// Records a value that is not part of an access log.
    fn set_aside(&mut self, line: u64, why: String);
}

impl<T: FnMut(Vec<u8>) -> anyhow::Result<()>> Sink for Packer<T> {
    fn event(&mut self, event: Event<'_>, line: u64) -> anyhow::Result<()> {
        Self::event(self, event, line)
    }

    fn record(&mut self, data: Vec<u8>, line: u64) -> anyhow::Result<()> {
        Self::record(self, data, line)
    }

    fn set_aside(&mut self, line: u64, why: String) {
        self.tally.set_aside(line, why);
    }
}

/// Returns the first member with one of these names.
pub fn member<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| value.get(name))
}
