//! The reports that are kept in memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use system_clock::monotonic_us;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::super::sources::PageSources;
use super::query::ReportQuery;
use super::read::{Report, read};
use crate::sync::locked;

/// Number of reports that are kept. The one that was asked for longest ago is dropped first.
const KEPT_REPORTS: usize = 8;
/// Time for which a report is current, as a multiple of the time that its reading took.
const LIFETIME_FACTOR: u64 = 20;
/// Time for which a request waits for a current report, before it gets the last one.
const PATIENCE: Duration = Duration::from_millis(40);

/// Number of reports that are read at the same time. Each reading scans the ledger.
const READINGS_AT_ONCE: usize = 2;

/// A report, or why it could not be read.
type ReadReport = Result<Arc<Report>, String>;

#[derive(Debug)]
struct Slot {
    query: ReportQuery,
    latest: watch::Sender<Option<ReadReport>>,
    is_reading: AtomicBool,
}

/// Reports by what they are about, the one that was asked for last at the end.
#[derive(Debug)]
pub struct Snapshots {
    /// Where reports are read. The threads that answer requests stay free.
    readers: Handle,
    readings: Arc<Semaphore>,
    slots: Mutex<VecDeque<Arc<Slot>>>,
}

impl Snapshots {
    /// Returns no reports. They will be read by tasks of a runtime.
    pub fn new(readers: Handle) -> Self {
        Self { readers, readings: Arc::new(Semaphore::new(READINGS_AT_ONCE)), slots: Mutex::default() }
    }

    /// Returns the report that was read last, and reads it again if it is not current. Returns `None` while it is
    /// read for the first time.
    pub async fn get(&self, sources: &PageSources, query: &ReportQuery) -> Option<ReadReport> {
        self.get_from(&self.slot(query), sources).await
    }

    /// Returns a report, however long it takes to read it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn wait_for(&self, sources: &PageSources, query: &ReportQuery) -> ReadReport {
        // The slot is looked up once: other reports may displace it meanwhile.
        let slot = self.slot(query);
        if let Some(report) = self.get_from(&slot, sources).await {
            return report;
        }
        let mut latest = slot.latest.subscribe();
        let read = latest.wait_for(Option::is_some).await;
        read.ok().and_then(|read| read.clone()).unwrap_or_else(cut_short)
    }

    async fn get_from(&self, slot: &Arc<Slot>, sources: &PageSources) -> Option<ReadReport> {
        let mut latest = slot.latest.subscribe();
        let held = latest.borrow_and_update().clone();
        if held.as_ref().is_some_and(is_current) {
            return held;
        }
        self.start_reading(slot, sources.clone());
        // A change, or the end of the patience.
        let _ = timeout(PATIENCE, latest.changed()).await;
        latest.borrow().clone()
    }

    /// Reads a report in the background, unless that is in progress.
    fn start_reading(&self, slot: &Arc<Slot>, sources: PageSources) {
        if slot.is_reading.swap(true, Ordering::AcqRel) {
            return;
        }
        let readings = self.readings.clone();
        let mut reading = Reading { slot: slot.clone(), report: cut_short() };
        self.readers.spawn(async move {
            let _place = readings.acquire().await;
            let report = read(&sources, &reading.slot.query).await;
            reading.end(report);
        });
    }

    fn slot(&self, query: &ReportQuery) -> Arc<Slot> {
        let mut slots = locked(&self.slots);
        let known = slots.iter().position(|slot| slot.query == *query);
        let slot = known.and_then(|place| slots.remove(place)).unwrap_or_else(|| {
            let (latest, _) = watch::channel(None);
            Arc::new(Slot { query: query.clone(), latest, is_reading: AtomicBool::new(false) })
        });
        slots.push_back(slot.clone());
        while slots.len() > KEPT_REPORTS {
            slots.pop_front();
        }
        slot
    }
}

fn is_current(read: &ReadReport) -> bool {
    read.as_ref().is_ok_and(|report| monotonic_us() < report.read_at_us + LIFETIME_FACTOR * report.took_us)
}

fn cut_short() -> ReadReport {
    Err("the reading of the report was cut short; try again".to_owned())
}

/// A reading in progress. Its end, which may be a panic, sends the report.
#[derive(Debug)]
struct Reading {
    slot: Arc<Slot>,
    report: ReadReport,
}

impl Reading {
    /// Has the report sent when the reading is dropped.
    fn end(&mut self, report: Result<Report, String>) {
        self.report = report.map(Arc::new);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.slot.latest.send_replace(Some(self.report.clone()));
        self.slot.is_reading.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::dashboard::finance::RangeParameters;

    #[test]
    fn a_reading_that_panics_is_over_and_an_error() {
        let query = ReportQuery::new(&RangeParameters::default(), "").unwrap();
        let (latest, _) = watch::channel(None);
        let slot = Arc::new(Slot { query, latest, is_reading: AtomicBool::new(true) });
        let reading = Reading { slot: slot.clone(), report: cut_short() };
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _reading = reading;
            panic!("the reading failed");
        }));
        assert!(panicked.is_err());
        assert!(!slot.is_reading.load(Ordering::Acquire));
        assert!(slot.latest.borrow().as_ref().is_some_and(Result::is_err));
    }
}
