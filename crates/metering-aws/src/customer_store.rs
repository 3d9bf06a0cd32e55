//! Customers in the table of the keys, as items `customer#<id>`.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use metering_core::customer::{CustomerRecord, NotACustomerId, check_customer_id};
use metering_core::ports::PortError;

use crate::error::port_error;
use crate::key_items::{Item, labels_value, read_labels};
use crate::schema::NEW_CONDITION;

/// Begins the partition key of a customer.
const PREFIX: &str = "customer#";

/// A request for a customer that failed.
#[derive(Debug, thiserror::Error)]
pub enum CustomerError {
    /// The text is not the id of a customer.
    #[error(transparent)]
    Id(#[from] NotACustomerId),
    /// A customer with this id exists.
    #[error("there is a customer {customer_id} already; `meter customers update {customer_id}` changes it")]
    Taken {
        /// The id of the customer.
        customer_id: String,
    },
    /// No customer has this id.
    #[error("there is no customer {customer_id}; `meter customers create {customer_id}` creates it")]
    NoSuchCustomer {
        /// The id that was asked for.
        customer_id: String,
    },
    /// The table cannot be read or written.
    #[error(transparent)]
    Table(#[from] PortError),
}

/// The customers in a table.
#[derive(Debug, Clone)]
pub struct CustomerStore {
    client: Client,
    table: String,
}

impl CustomerStore {
    /// Returns the customers in the table of the keys.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Creates a customer.
    ///
    /// # Errors
    /// When the id is taken or no id of a customer, or the table cannot be written.
    pub async fn create(&self, customer: &CustomerRecord) -> Result<(), CustomerError> {
        check_customer_id(&customer.customer_id)?;
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(customer)))
            .condition_expression(NEW_CONDITION);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Err(CustomerError::Taken { customer_id: customer.customer_id.clone() })
            }
            Err(error) => Err(port_error(self.operation("writing"), error).into()),
        }
    }

    /// Reads a customer.
    ///
    /// # Errors
    /// When no customer has this id, or the table cannot be read.
    pub async fn get(&self, customer_id: &str) -> Result<CustomerRecord, CustomerError> {
        let request =
            self.client.get_item().table_name(&self.table).key("pk", pk(customer_id)).consistent_read(true);
        let reply = request.send().await.map_err(|error| port_error(self.operation("reading"), error))?;
        match reply.item {
            Some(item) => Ok(self.read(&item)?),
            None => Err(CustomerError::NoSuchCustomer { customer_id: customer_id.to_owned() }),
        }
    }

    /// Reads all customers, in the order of their ids. Scans the table.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(&self) -> Result<Vec<CustomerRecord>, PortError> {
        let mut items = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .filter_expression("begins_with(pk, :customers)")
            .expression_attribute_values(":customers", pk(""))
            .into_paginator()
            .items()
            .send();
        let mut customers = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error(self.operation("reading"), error))?;
            customers.push(self.read(&item)?);
        }
        customers.sort_by(|left, right| left.customer_id.cmp(&right.customer_id));
        Ok(customers)
    }

    /// Changes the name of a customer, and sets labels beside those that it has.
    ///
    /// # Errors
    /// When no customer has this id, or the table cannot be written.
    pub async fn update(
        &self,
        customer_id: &str,
        name: Option<&str>,
        labels: &BTreeMap<String, String>,
    ) -> Result<CustomerRecord, CustomerError> {
        let mut sets = Vec::new();
        let mut request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", pk(customer_id))
            .condition_expression("attribute_exists(pk)")
            .return_values(ReturnValue::AllNew);
        if let Some(name) = name {
            sets.push("#name = :name".to_owned());
            request = request
                .expression_attribute_names("#name", "name")
                .expression_attribute_values(":name", AttributeValue::S(name.to_owned()));
        }
        for (number, (label, value)) in labels.iter().enumerate() {
            sets.push(format!("labels.#label{number} = :label{number}"));
            request = request
                .expression_attribute_names(format!("#label{number}"), label)
                .expression_attribute_values(format!(":label{number}"), AttributeValue::S(value.clone()));
        }
        if sets.is_empty() {
            return self.get(customer_id).await;
        }
        match request.update_expression(format!("SET {}", sets.join(", "))).send().await {
            Ok(reply) => Ok(self.read(&reply.attributes.unwrap_or_default())?),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Err(CustomerError::NoSuchCustomer { customer_id: customer_id.to_owned() })
            }
            Err(error) => Err(port_error(self.operation("writing"), error).into()),
        }
    }

    fn operation(&self, action: &str) -> String {
        format!("{action} the customers in table {}", self.table)
    }

    fn read(&self, item: &Item) -> Result<CustomerRecord, PortError> {
        from_item(item).ok_or_else(|| PortError::Refused {
            operation: self.operation("reading"),
            source: format!("the item {:?} is not a customer", item.get("pk")).into(),
        })
    }
}

fn pk(customer_id: &str) -> AttributeValue {
    AttributeValue::S(format!("{PREFIX}{customer_id}"))
}

fn to_item(customer: &CustomerRecord) -> Item {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    Item::from([
        ("pk".to_owned(), pk(&customer.customer_id)),
        ("name".to_owned(), text(&customer.name)),
        ("labels".to_owned(), labels_value(&customer.labels)),
        ("createdAtMs".to_owned(), AttributeValue::N(customer.created_at_ms.to_string())),
    ])
}

fn from_item(item: &Item) -> Option<CustomerRecord> {
    let text = |value: &AttributeValue| value.as_s().ok().cloned();
    Some(CustomerRecord {
        customer_id: text(item.get("pk")?)?.strip_prefix(PREFIX)?.to_owned(),
        name: text(item.get("name")?)?,
        labels: read_labels(item.get("labels")?)?,
        created_at_ms: item.get("createdAtMs")?.as_n().ok()?.parse().ok()?,
    })
}
