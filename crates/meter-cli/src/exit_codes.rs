//! Exit codes of `meter`. Scripts may rely on them.

/// The command has done what it was asked to do.
pub const SUCCESS: u8 = 0;
/// The command failed, or found what it checks for: a difference, a rejected row, a false assumption, a file
/// that is not an access log. Standard error has the reason.
pub const FAILURE: u8 = 1;
/// The arguments are wrong. Nothing was done.
pub const USAGE: u8 = 2;
/// A signal has stopped `meter replay` or `meter traffic`: the value that shells use for Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// The reader of standard output has closed it: the value that shells use for SIGPIPE.
pub const CLOSED_OUTPUT: u8 = 141;

/// The section of the help text that lists the exit codes.
pub const HELP: &str = "\
Exit codes:
    0  The command has done what it was asked to do
    1  The command failed, or found what it checks for: a difference, a rejected row, a false assumption,
       a file that is not an access log. Standard error has the reason
    2  The arguments are wrong. Nothing was done
  130  A signal has stopped `meter replay` or `meter traffic`
  141  The reader of standard output has closed it, as `head` does

JSON output: docs/JSON.md lists the fields of each command with --json.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_text_lists_each_exit_code() {
        let listed: Vec<u8> =
            HELP.lines().filter_map(|line| line.trim_start().split_once("  ")?.0.parse().ok()).collect();
        assert_eq!(listed, [SUCCESS, FAILURE, USAGE, INTERRUPTED, CLOSED_OUTPUT]);
    }
}
