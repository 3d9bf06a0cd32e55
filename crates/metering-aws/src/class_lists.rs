//! The dated lists of route classes in the table of the claims.
//!
//! | attribute | type | value |
//! | --- | --- | --- |
//! | `pk` | S | `route-classes` |
//! | `sk` | S | the time from which the list applies, in milliseconds since 1970, 15 digits |
//! | `classes` | S | the list, as [`RouteClasses`] writes it |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_core::class_lists::ClassLists;
use metering_core::ports::PortError;
use metering_core::route_class::RouteClasses;

use crate::error::port_error;
use crate::key_items::Item;
use crate::schema::NEW_CONDITION;

const PARTITION: &str = "route-classes";

/// Reads all lists, strongly consistently.
///
/// # Errors
/// Fails if the table cannot be read or has a malformed list.
pub async fn read(client: &Client, table: &str) -> Result<ClassLists, PortError> {
    let operation = || format!("reading the route classes from table {table}");
    let mut items = client
        .query()
        .table_name(table)
        .consistent_read(true)
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(PARTITION.to_owned()))
        .into_paginator()
        .items()
        .send();
    let mut lists = Vec::new();
    while let Some(item) = items.next().await {
        let item = item.map_err(|error| port_error(operation(), error))?;
        lists.push(list(&item).ok_or_else(|| PortError::Refused {
            operation: operation(),
            source: format!("the list {:?} cannot be read", item.get("sk")).into(),
        })?);
    }
    Ok(ClassLists::from_stored(lists))
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
    let result = client
        .put_item()
        .table_name(table)
        .item("pk", AttributeValue::S(PARTITION.to_owned()))
        .item("sk", sort_key(from_ms))
        .item("classes", AttributeValue::S(classes.to_string()))
        .condition_expression(NEW_CONDITION)
        .send()
        .await;
    match result {
        Ok(_) => Ok(true),
        Err(error)
            if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) =>
        {
            Ok(false)
        }
        Err(error) => Err(port_error(format!("adding route classes to table {table}"), error)),
    }
}

/// Removes the list that applies from `from_ms` on, in milliseconds since 1970.
///
/// # Errors
/// Fails if the table cannot be written.
pub async fn remove(client: &Client, table: &str, from_ms: i64) -> Result<(), PortError> {
    let request = client
        .delete_item()
        .table_name(table)
        .key("pk", AttributeValue::S(PARTITION.to_owned()))
        .key("sk", sort_key(from_ms));
    let reply = request.send().await;
    reply.map_err(|error| port_error(format!("removing route classes from table {table}"), error))?;
    Ok(())
}

fn sort_key(from_ms: i64) -> AttributeValue {
    AttributeValue::S(format!("{from_ms:015}"))
}

fn list(item: &Item) -> Option<(i64, RouteClasses)> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    Some((text("sk")?.parse().ok()?, text("classes")?.parse().ok()?))
}
