//! The stack sets stages up with the same format that the decoder reads.

use access_log::log_format::{ACCESS_LOG_FORMAT, SUBSCRIPTION_FILTER_PATTERN};
use serde_json::Value;

#[test]
fn the_stacks_file_is_that_of_this_version() {
    let file = include_str!("../../../stack/lib/access-log.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let hint = "write it again with scripts/generate-access-log.sh";
    assert_eq!(file["format"], ACCESS_LOG_FORMAT, "{hint}");
    assert_eq!(file["subscriptionFilterPattern"], SUBSCRIPTION_FILTER_PATTERN, "{hint}");
}
