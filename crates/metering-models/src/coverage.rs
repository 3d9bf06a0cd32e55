//! The events that a check of a model came across.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use metering_core::batch_run::{Reply, Request};
use metering_core::ports::{LedgerReply, WriteReply};

use crate::storage::Operation;

/// An event that a model has to come across, or it checks less than it seems to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A row fenced an update off.
    Fenced,
    /// A head was written by another invocation first.
    HeadConflict,
    /// A page was written by another invocation first.
    PageConflict,
    /// A row counts a given-up record.
    RowCounts,
    /// A row does not count a given-up record.
    RowDoesNotCount,
    /// A row refused an update.
    RowRefused,
    /// A part of a record was put into quarantine.
    Kept,
    /// An operation was carried out after it was reported as failed.
    CarriedOutLate,
    GivenUpPutBack,
    QuarantinedPutBack,
    /// A state was continued without faults.
    Settled,
}

const EVENTS: [Event; 11] = [
    Event::Fenced,
    Event::HeadConflict,
    Event::PageConflict,
    Event::RowCounts,
    Event::RowDoesNotCount,
    Event::RowRefused,
    Event::Kept,
    Event::CarriedOutLate,
    Event::GivenUpPutBack,
    Event::QuarantinedPutBack,
    Event::Settled,
];

/// The number of times that a check came across each event.
#[derive(Debug, Default)]
pub struct Coverage([AtomicU64; EVENTS.len()]);

impl Coverage {
    pub fn add(&self, event: Event) {
        self.0[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self, event: Event) -> u64 {
        self.0[event as usize].load(Ordering::Relaxed)
    }

    /// Adds the event that a reply is, if it is one.
    pub fn reply(&self, operation: &Operation, reply: &Reply) {
        let event = match (operation, reply) {
            (_, Reply::Ledger(LedgerReply::Fenced(_))) => Event::Fenced,
            (Operation::Tables(Request::WriteHead(_)), Reply::Write(WriteReply::Conflict)) => {
                Event::HeadConflict
            }
            (Operation::Tables(Request::WritePage(_)), Reply::Write(WriteReply::Conflict)) => {
                Event::PageConflict
            }
            (_, Reply::Released(true)) => Event::RowCounts,
            (_, Reply::Released(false)) => Event::RowDoesNotCount,
            (_, Reply::Invalid) => Event::RowRefused,
            (Operation::Keep(_), _) => Event::Kept,
            _ => return,
        };
        self.add(event);
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = EVENTS.map(|event| format!("{event:?} {}", self.count(event)));
        formatter.write_str(&counts.join(", "))
    }
}
