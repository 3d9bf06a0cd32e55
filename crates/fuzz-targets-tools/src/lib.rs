//! Fuzz targets of what the command `meter` and the local stack read from outside.
//!
//! They are apart from those of the functions, because they link the AWS SDK. A build of the targets of
//! the functions needs about a third of the crates. The test `fuzz_corpora_tools` checks the corpora.

mod filter_pattern;
mod insights_query;
mod keys_file;
mod pieces;
mod replay_file;
mod small_stack;

use fuzz_targets::harness::Target;

/// The targets, in the order in which `scripts/fuzz.sh` runs them.
pub const TARGETS: &[Target] = &[
    Target { name: "keys_file", check: keys_file::check },
    Target { name: "pieces", check: pieces::check },
    Target { name: "replay_file", check: replay_file::check },
    Target { name: "filter_pattern", check: filter_pattern::check },
    Target { name: "subscription_filter", check: filter_pattern::check_subscription },
    Target { name: "insights_query", check: insights_query::check },
];
