//! The option `--dry-run` of commands that change something.

/// The argument of commands that change something.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct DryRun {
    /// Show what the command would do, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Returns what stands before the participle of a change that was or was not made.
pub fn would_be(is_made: bool) -> &'static str {
    if is_made { "" } else { "would be " }
}

impl DryRun {
    /// Returns `true` if nothing may be changed.
    pub fn is_on(self) -> bool {
        self.dry_run
    }

    /// Returns `is` or, if nothing is changed, `would_be`.
    pub fn words(self, is: &'static str, would_be: &'static str) -> &'static str {
        if self.dry_run { would_be } else { is }
    }
}
