//! The memory of the processes of a local stack, over a run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::harness::local::Control;

const INTERVAL: Duration = Duration::from_secs(5);

/// Resident memory by process, in KiB, at times in seconds from the start.
#[derive(Debug, Default)]
pub struct Memory {
    by_name: Mutex<BTreeMap<String, Vec<(f64, u64)>>>,
}

/// How the memory of a kind of process developed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Growth {
    /// The process.
    pub name: String,
    /// Median of the second quarter of the run, in MiB: what comes before is warming up.
    pub second_quarter_mib: f64,
    /// Median of the last quarter, in MiB.
    pub last_quarter_mib: f64,
    /// The most, in MiB.
    pub most_mib: f64,
}

impl Growth {
    /// From the second quarter to the last, in percent.
    pub fn percent(&self) -> f64 {
        (self.last_quarter_mib / self.second_quarter_mib - 1.0) * 100.0
    }
}

impl Memory {
    /// Looks at the memory again and again, for ever.
    pub async fn watch(&self, control: &Control, start: Instant) {
        loop {
            if let Ok(processes) = control.processes().await {
                self.note("local stack", [processes.stack], start);
                for (name, ids) in processes.functions {
                    self.note(&name, ids, start);
                }
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Notes the largest process of a kind.
    fn note(&self, name: &str, ids: impl IntoIterator<Item = u32>, start: Instant) {
        let Some(most_kib) = ids.into_iter().filter_map(resident_kib).max() else { return };
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.entry(name.to_owned()).or_default().push((start.elapsed().as_secs_f64(), most_kib));
    }

    /// How it developed in a run of this length, for processes that were there throughout.
    pub fn growth(&self, duration_s: f64) -> Vec<Growth> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let growth = by_name.iter().filter_map(|(name, values)| {
            let quarter = |from: f64, to: f64| {
                let within = values.iter().filter(|(at_s, _)| (from..to).contains(&(at_s / duration_s)));
                let mut within: Vec<u64> = within.map(|(_, kib)| *kib).collect();
                within.sort_unstable();
                within.get(within.len() / 2).copied()
            };
            Some(Growth {
                name: name.clone(),
                second_quarter_mib: mib(quarter(0.25, 0.5)?),
                last_quarter_mib: mib(quarter(0.75, 1.0)?),
                most_mib: mib(values.iter().map(|(_, kib)| *kib).max()?),
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
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_from_the_second_quarter_to_the_last() {
        let memory = Memory::default();
        let values =
            (0..100).map(|second| (f64::from(second), if second < 75 { 1_024 } else { 2_048 })).collect();
        memory.by_name.lock().unwrap().insert("p".to_owned(), values);
        let growth = memory.growth(100.0);
        assert!((growth[0].percent() - 100.0).abs() < 1e-9 && (growth[0].most_mib - 2.0).abs() < 1e-9);
        assert!(resident_kib(std::process::id()).unwrap() > 0);
    }
}
