//! The dated lists of route classes in the table of the claims.

use aws_sdk_dynamodb::Client;
use metering_core::class_lists::ClassLists;
use metering_core::ports::PortError;
use metering_core::route_class::RouteClasses;

use crate::dated_lists::DatedLists;

const LISTS: DatedLists =
    DatedLists { partition: "route-classes", attribute: "classes", noun: "route classes" };

/// Reads all lists, strongly consistently.
///
/// # Errors
/// Fails if the table cannot be read or has a malformed list.
pub async fn read(client: &Client, table: &str) -> Result<ClassLists, PortError> {
    LISTS.read(client, table).await.map(ClassLists::from_stored)
}

/// Adds a list that applies from `from_ms` on, in milliseconds since 1970. Returns `false` if there
/// is another list from this time on.
///
/// # Errors
/// Fails if the table cannot be written.
pub async fn add(
    client: &Client,
    table: &str,
    from_ms: i64,
    classes: &RouteClasses,
) -> Result<bool, PortError> {
    LISTS.add(client, table, from_ms, classes, None).await
}

/// Removes the list that applies from `from_ms` on, in milliseconds since 1970.
///
/// # Errors
/// Fails if the table cannot be written.
pub async fn remove(client: &Client, table: &str, from_ms: i64) -> Result<(), PortError> {
    LISTS.remove(client, table, from_ms).await
}
