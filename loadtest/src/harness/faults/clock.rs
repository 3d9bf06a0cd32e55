//! Functions whose clocks are wrong.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use system_clock::now_ms;
use tokio::time::Instant;

use super::Ended;
use crate::fault::FaultyFunction;
use crate::harness::clock_files::ClockFiles;
use crate::harness::system_under_test::LocalAccess;

/// Time between the end of a jump and the read of the functions' output.
const READ_DELAY: Duration = Duration::from_millis(200);
/// Output of the functions in the data folder of a stack.
const OUTPUT: &str = "metrics.jsonl";

/// Sets the clock of a function until `ends`. The effects are lines of its output with the wrong time.
pub(super) async fn inject(
    local: &LocalAccess,
    function: FaultyFunction,
    jump_s: i32,
    ends: Instant,
) -> anyhow::Result<Ended> {
    local.own_stack("wrong clocks")?;
    let files = ClockFiles::new(&local.data_folder);
    let output = local.data_folder.join(OUTPUT);
    let from = std::fs::metadata(&output).map_or(0, |metadata| metadata.len());
    let began_ms = now_ms();
    files.set(function, jump_s)?;
    tokio::time::sleep_until(ends).await;
    files.set(function, 0)?;
    let at = Instant::now();
    tokio::time::sleep(READ_DELAY).await;
    let written = read_from(&output, from).with_context(|| format!("cannot read {}", output.display()))?;
    let jump = Jump { by_s: jump_s, began_ms, ended_ms: now_ms() };
    Ok(Ended { at, effects: written.lines().filter(|line| jump.is_in(line)).count() as u64 })
}

/// Reads a file from a position on.
fn read_from(file: &Path, position: u64) -> std::io::Result<String> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(position))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A jump of a clock.
struct Jump {
    by_s: i32,
    began_ms: i64,
    ended_ms: i64,
}

impl Jump {
    /// Returns `true` if a metric line has a time that no right clock showed during the jump.
    fn is_in(&self, line: &str) -> bool {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        let Some(at_ms) = line["_aws"]["Timestamp"].as_i64() else { return false };
        if self.by_s > 0 { at_ms > self.ended_ms } else { at_ms < self.began_ms + i64::from(self.by_s) * 500 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_time_is_one_that_no_right_clock_showed() {
        let line = |at_ms: i64| format!(r#"{{"_aws":{{"Timestamp":{at_ms}}}}}"#);
        let forwards = Jump { by_s: 90, began_ms: 1_000_000, ended_ms: 1_020_000 };
        assert!(forwards.is_in(&line(1_095_000)));
        assert!(!forwards.is_in(&line(1_010_000)) && !forwards.is_in("no JSON"));
        let backwards = Jump { by_s: -90, ..forwards };
        assert!(backwards.is_in(&line(915_000)));
        assert!(!backwards.is_in(&line(999_000)));
    }
}
