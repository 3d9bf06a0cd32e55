//! The dated lists of weights in the table of the claims.

use std::fmt::Display;

use aws_sdk_dynamodb::Client;
use deployment::settings::CLASS_WEIGHTS_PARTITION;
use metering_core::ports::PortError;
use usage_report::weights::{ClassWeights, WeightLists};

use crate::dated_lists::DatedLists;

const LISTS: DatedLists =
    DatedLists { partition: CLASS_WEIGHTS_PARTITION, attribute: "weights", noun: "weights" };

/// Reads all lists, strongly consistently.
///
/// # Errors
/// Fails if the table cannot be read or has a malformed list.
pub async fn read(client: &Client, table: &str) -> Result<WeightLists, PortError> {
    LISTS.read(client, table).await.map(WeightLists::from_stored)
}

/// Adds a list that applies from `from_ms` on, in milliseconds since 1970, in place of the list
/// `replaced` if there is one. Returns `false` if there is another list from this time on.
///
/// # Errors
/// Fails if the table cannot be written.
pub async fn add(
    client: &Client,
    table: &str,
    from_ms: i64,
    weights: &ClassWeights,
    replaced: Option<&ClassWeights>,
) -> Result<bool, PortError> {
    let replaced = replaced.map(|weights| weights as &(dyn Display + Sync));
    LISTS.add(client, table, from_ms, weights, replaced).await
}

/// Removes the list that applies from `from_ms` on, in milliseconds since 1970.
///
/// # Errors
/// Fails if the table cannot be written.
pub async fn remove(client: &Client, table: &str, from_ms: i64) -> Result<(), PortError> {
    LISTS.remove(client, table, from_ms).await
}
