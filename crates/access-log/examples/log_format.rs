//! Prints what a stage of API Gateway has to be set up with, as JSON.
//! `scripts/generate-access-log.sh` writes it to where the stack reads it.

use access_log::log_format::{ACCESS_LOG_FORMAT, SUBSCRIPTION_FILTER_PATTERN};
use serde_json::json;

fn main() {
    let document = json!({
        "format": ACCESS_LOG_FORMAT, "subscriptionFilterPattern": SUBSCRIPTION_FILTER_PATTERN,
    });
    println!("{document:#}");
}
