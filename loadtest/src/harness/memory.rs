//! Memory of the processes of a local stack during a run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::harness::local::Control;

const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// Samples of resident memory, by kind of process.
#[derive(Debug, Default)]
pub struct Memory {
    by_name: Mutex<BTreeMap<String, Vec<MemorySample>>>,
}

/// The resident memory of the largest process of a kind.
#[derive(Debug, Clone, Copy)]
struct MemorySample {
    /// Seconds from the start of the run.
    at_s: f64,
    resident_kib: u64,
}

/// Change of the memory of a kind of process during a run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MemoryGrowth {
    /// Name of the function, or `local stack`.
    pub name: String,
    /// Median in the second quarter of the run, in MiB. The first quarter is the warm-up.
    pub second_quarter_mib: f64,
    /// Median in the last quarter of the run, in MiB.
    pub last_quarter_mib: f64,
    /// Maximum, in MiB.
    pub max_mib: f64,
}

impl MemoryGrowth {
    /// Returns the growth from the second quarter to the last, in percent.
    pub fn percent(&self) -> f64 {
        (self.last_quarter_mib / self.second_quarter_mib - 1.0) * 100.0
    }
}

impl Memory {
    /// Samples the memory at regular intervals, for ever.
    pub async fn watch(&self, control: &Control, start: Instant) {
        loop {
            if let Ok(processes) = control.processes().await {
                self.record("local stack", [processes.stack], start);
                for (name, ids) in processes.functions {
                    self.record(&name, ids, start);
                }
            }
            tokio::time::sleep(SAMPLE_INTERVAL).await;
        }
    }

    /// Records the memory of the largest process of a kind.
    fn record(&self, name: &str, ids: impl IntoIterator<Item = u32>, start: Instant) {
        let Some(resident_kib) = ids.into_iter().filter_map(resident_kib).max() else { return };
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = MemorySample { at_s: start.elapsed().as_secs_f64(), resident_kib };
        by_name.entry(name.to_owned()).or_default().push(sample);
    }

    /// Computes the growth in a run of this length, for the processes that existed throughout.
    pub fn growth(&self, duration_s: f64) -> Vec<MemoryGrowth> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let growth = by_name.iter().filter_map(|(name, samples)| {
            let quarter = |from: f64, to: f64| {
                let within = samples.iter().filter(|sample| (from..to).contains(&(sample.at_s / duration_s)));
                let mut within: Vec<u64> = within.map(|sample| sample.resident_kib).collect();
                within.sort_unstable();
                within.get(within.len() / 2).copied()
            };
            Some(MemoryGrowth {
                name: name.clone(),
                second_quarter_mib: mib(quarter(0.25, 0.5)?),
                last_quarter_mib: mib(quarter(0.75, 1.0)?),
                max_mib: mib(samples.iter().map(|sample| sample.resident_kib).max()?),
            })
        });
        growth.collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "KiB of a process fit")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}

fn resident_kib(process: u32) -> Option<u64> {
    status_kib(process, "VmRSS:")
}

/// Returns the highest resident memory that a process has had, in KiB; `None` if it has ended.
pub fn peak_resident_kib(process: u32) -> Option<u64> {
    status_kib(process, "VmHWM:")
}

fn status_kib(process: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_from_the_second_quarter_to_the_last() {
        let memory = Memory::default();
        let samples = (0..100).map(|second| MemorySample {
            at_s: f64::from(second),
            resident_kib: if second < 75 { 1_024 } else { 2_048 },
        });
        memory.by_name.lock().unwrap().insert("p".to_owned(), samples.collect());
        let growth = memory.growth(100.0);
        assert!((growth[0].percent() - 100.0).abs() < 1e-9 && (growth[0].max_mib - 2.0).abs() < 1e-9);
        assert!(resident_kib(std::process::id()).unwrap() > 0);
    }
}
