//! Lists that apply from a time on, in the table of the claims.
//!
//! | attribute | type | value |
//! | --- | --- | --- |
//! | `pk` | S | what the lists are of, such as `route-classes` |
//! | `sk` | S | the time from which the list applies, in milliseconds since 1970, 15 digits |
//! | `classes`, `weights` | S | the list, as its type writes it |

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use deployment::settings::CLASS_WEIGHTS_PARTITION;
use metering_core::ports::PortError;
use metering_core::route_class::RouteClasses;
use usage_report::weights::ClassWeights;

use crate::error::port_error;
use crate::key_items::Item;
use crate::schema::NEW_CONDITION;

/// The lists of route classes.
pub const CLASS_LISTS: DatedLists<RouteClasses> =
    DatedLists::new("route-classes", "classes", "route classes");
/// The lists of weights.
pub const WEIGHT_LISTS: DatedLists<ClassWeights> =
    DatedLists::new(CLASS_WEIGHTS_PARTITION, "weights", "weights");

/// A kind of dated lists, each of which is a `T`. All times are in milliseconds since 1970.
#[derive(Debug)]
pub struct DatedLists<T> {
    partition: &'static str,
    attribute: &'static str,
    /// The contents of the lists in words, for errors.
    noun: &'static str,
    list: PhantomData<fn() -> T>,
}

impl<T> DatedLists<T> {
    const fn new(partition: &'static str, attribute: &'static str, noun: &'static str) -> Self {
        Self { partition, attribute, noun, list: PhantomData }
    }
}

impl<T: FromStr + Display> DatedLists<T> {
    /// Reads all lists with the times from which they apply, strongly consistently.
    ///
    /// # Errors
    /// Fails if the table cannot be read or has a malformed list.
    pub async fn read(&self, client: &Client, table: &str) -> Result<Vec<(i64, T)>, PortError> {
        let operation = || format!("reading the {} from table {table}", self.noun);
        let mut items = client
            .query()
            .table_name(table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(self.partition.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut lists = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error(operation(), error))?;
            lists.push(self.list(&item).ok_or_else(|| PortError::Refused {
                operation: operation(),
                source: format!("the list {:?} cannot be read", item.get("sk")).into(),
            })?);
        }
        Ok(lists)
    }

    /// Adds a list that applies from `from_ms` on, in place of the list `replaced` if there is one. Returns
    /// `false` if there is another list from this time on.
    ///
    /// # Errors
    /// Fails if the table cannot be written.
    pub async fn add(
        &self,
        client: &Client,
        table: &str,
        from_ms: i64,
        list: &T,
        replaced: Option<&T>,
    ) -> Result<bool, PortError> {
        let request = client
            .put_item()
            .table_name(table)
            .item("pk", AttributeValue::S(self.partition.to_owned()))
            .item("sk", sort_key(from_ms))
            .item(self.attribute, AttributeValue::S(list.to_string()));
        let request = match replaced {
            None => request.condition_expression(NEW_CONDITION),
            Some(replaced) => request
                .condition_expression(format!("{} = :replaced", self.attribute))
                .expression_attribute_values(":replaced", AttributeValue::S(replaced.to_string())),
        };
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(port_error(format!("adding {} to table {table}", self.noun), error)),
        }
    }

    /// Removes the list that applies from `from_ms` on.
    ///
    /// # Errors
    /// Fails if the table cannot be written.
    pub async fn remove(&self, client: &Client, table: &str, from_ms: i64) -> Result<(), PortError> {
        let request = client
            .delete_item()
            .table_name(table)
            .key("pk", AttributeValue::S(self.partition.to_owned()))
            .key("sk", sort_key(from_ms));
        let reply = request.send().await;
        reply.map_err(|error| port_error(format!("removing {} from table {table}", self.noun), error))?;
        Ok(())
    }

    fn list(&self, item: &Item) -> Option<(i64, T)> {
        let text = |name: &str| item.get(name)?.as_s().ok();
        Some((text("sk")?.parse().ok()?, text(self.attribute)?.parse().ok()?))
    }
}

fn sort_key(from_ms: i64) -> AttributeValue {
    AttributeValue::S(format!("{from_ms:015}"))
}
