//! The reports that are kept in memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use system_clock::monotonic_us;
use tokio::runtime::Handle;
use tokio::sync::watch;
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
    slots: Mutex<VecDeque<Arc<Slot>>>,
}

impl Snapshots {
    /// Returns no reports. They will be read by tasks of a runtime.
    pub fn new(readers: Handle) -> Self {
        Self { readers, slots: Mutex::default() }
    }

    /// Returns the report that was read last, and reads it again if it is not current. Returns `None` while it is
    /// read for the first time.
    pub async fn get(&self, sources: &PageSources, query: &ReportQuery) -> Option<ReadReport> {
        let slot = self.slot(query);
        let mut latest = slot.latest.subscribe();
        let held = latest.borrow_and_update().clone();
        if held.as_ref().is_some_and(is_current) {
            return held;
        }
        start_reading(slot, sources.clone(), &self.readers);
        // A change, or the end of the patience.
        let _ = timeout(PATIENCE, latest.changed()).await;
        latest.borrow().clone()
    }

    /// Returns a report, however long it takes to read it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn wait_for(&self, sources: &PageSources, query: &ReportQuery) -> ReadReport {
        if let Some(report) = self.get(sources, query).await {
            return report;
        }
        let mut latest = self.slot(query).latest.subscribe();
        let read = latest.wait_for(Option::is_some).await;
        read.ok()
            .and_then(|read| read.clone())
            .unwrap_or_else(|| Err("the report was dropped; try again".to_owned()))
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

/// Reads a report in the background, unless that is in progress.
fn start_reading(slot: Arc<Slot>, sources: PageSources, readers: &Handle) {
    if slot.is_reading.swap(true, Ordering::AcqRel) {
        return;
    }
    readers.spawn(async move {
        let report = read(&sources, &slot.query).await.map(Arc::new);
        slot.is_reading.store(false, Ordering::Release);
        slot.latest.send_replace(Some(report));
    });
}
