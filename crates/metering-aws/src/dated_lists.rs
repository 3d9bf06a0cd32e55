//! Lists that apply from a time on, in the table of the claims.
//!
//! | attribute | type | value |
//! | --- | --- | --- |
//! | `pk` | S | what the lists are of, such as `route-classes` |
//! | `sk` | S | the time from which the list applies, in milliseconds since 1970, 15 digits |
//! | `classes`, `weights` | S | the list, as its type writes it |

use std::fmt::Display;
use std::str::FromStr;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_core::ports::PortError;

use crate::error::port_error;
use crate::key_items::Item;
use crate::schema::NEW_CONDITION;

/// A kind of dated lists.
#[derive(Debug)]
pub(crate) struct DatedLists {
    /// The partition of the lists.
    pub partition: &'static str,
    /// The attribute that has a list.
    pub attribute: &'static str,
    /// The contents of the lists in words, for errors.
    pub noun: &'static str,
}

impl DatedLists {
    /// Reads all lists with the times from which they apply, strongly consistently.
    pub async fn read<T: FromStr>(&self, client: &Client, table: &str) -> Result<Vec<(i64, T)>, PortError> {
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

    /// Adds a list, which replaces the list `replaced` if there is one. Returns `false` if there is another
    /// list from this time on.
    pub async fn add(
        &self,
        client: &Client,
        table: &str,
        from_ms: i64,
        list: &impl Display,
        replaced: Option<&(dyn Display + Sync)>,
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

    /// Removes the list that applies from a time on.
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

    fn list<T: FromStr>(&self, item: &Item) -> Option<(i64, T)> {
        let text = |name: &str| item.get(name)?.as_s().ok();
        Some((text("sk")?.parse().ok()?, text(self.attribute)?.parse().ok()?))
    }
}

fn sort_key(from_ms: i64) -> AttributeValue {
    AttributeValue::S(format!("{from_ms:015}"))
}
