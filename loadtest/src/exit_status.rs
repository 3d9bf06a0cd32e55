//! The exit statuses of the command `loadtest`.

/// The run passed, or the command did what it was asked to do.
pub const PASSED: u8 = 0;
/// The command could not run, for example because a file cannot be read.
pub const CANNOT_RUN: u8 = 1;
/// The arguments are wrong. The argument parser exits with this status.
pub const WRONG_ARGUMENTS: u8 = 2;
/// The ledger and the clients have different counts.
pub const COUNTS_DIFFER: u8 = 10;
/// The load test could not send calls when they were due.
pub const HARNESS_TOO_SLOW: u8 = 11;
/// An objective of the profile was missed, or no rate passed.
pub const OBJECTIVE_MISSED: u8 = 12;

/// A fault of the profile had no effect.
pub const FAULT_NOT_INJECTED: u8 = 13;

/// A signal has stopped the run, and the counts until then agree, or it has stopped a search: the value that
/// shells use for Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Each exit status with its meaning, as the help text lists them.
pub const EXIT_STATUSES: [(u8, &str); 8] = [
    (PASSED, "passed"),
    (COUNTS_DIFFER, "the counts differ"),
    (FAULT_NOT_INJECTED, "a fault was not injected"),
    (HARNESS_TOO_SLOW, "the load test could not keep its rate"),
    (OBJECTIVE_MISSED, "an objective was missed, or no rate passed"),
    (CANNOT_RUN, "the load test could not run"),
    (WRONG_ARGUMENTS, "wrong arguments"),
    (INTERRUPTED, "stopped by a signal"),
];

/// Returns the sentence about exit statuses at the end of the help text.
pub fn help() -> String {
    let listed = EXIT_STATUSES.map(|(status, meaning)| format!("{status} {meaning}"));
    format!("Exit status: {}.", listed.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::verdict::Failure;

    /// The rows of the table of exit statuses in the documentation: status and name.
    fn documented() -> Vec<(String, String)> {
        let document = include_str!("../../docs/LOAD_TEST.md");
        let section = document.split("## Verdict").nth(1).unwrap().split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
        let rows = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
        rows.skip(2).map(|cells| (cells[0].to_owned(), cells[1].to_owned())).collect()
    }

    #[test]
    fn the_documentation_lists_each_status() {
        let failures = [
            Failure::CountsDiffer(String::new()),
            Failure::FaultNotInjected(String::new()),
            Failure::HarnessTooSlow(String::new()),
            Failure::ObjectiveMissed(String::new()),
        ];
        let mut expected = vec![(PASSED.to_string(), "PASSED".to_owned())];
        expected
            .extend(failures.map(|failure| (failure.exit_status().to_string(), failure.name().to_owned())));
        expected.extend(
            [CANNOT_RUN, WRONG_ARGUMENTS, INTERRUPTED].map(|status| (status.to_string(), String::new())),
        );
        assert_eq!(documented(), expected);
        assert_eq!(expected.len(), EXIT_STATUSES.len());
        for (status, _) in &expected {
            assert!(EXIT_STATUSES.iter().any(|(listed, _)| listed.to_string() == *status), "{status}");
        }
    }
}
