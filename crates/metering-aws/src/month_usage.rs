//! The calls of a key's month, read from the ledger.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_core::ports::{PortError, UsageTotals};
use metering_core::quota::MonthUsage;
use metering_core::window::{UtcDay, UtcMonth};

use crate::error::port_error;
use crate::key_items::Item;

/// The ledger, to add up months.
#[derive(Debug, Clone)]
pub struct DynamoUsageTotals {
    client: Client,
    table: String,
}

impl DynamoUsageTotals {
    /// The totals of a ledger.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl UsageTotals for DynamoUsageTotals {
    /// Reads with eventual consistency, at half the price: the ledger is some
    /// seconds behind the calls anyway. Yesterday is read again, since late
    /// records still arrive for it.
    async fn month_usage(
        &self,
        key_id: &str,
        month: UtcMonth,
        known: Option<MonthUsage>,
        today: UtcDay,
    ) -> Result<MonthUsage, PortError> {
        let operation = || format!("reading the usage of a month from table {}", self.table);
        let from = known.map_or(month.first_day(), |known| known.settled_before);
        let settled_before = today.plus_days(-1).clamp(from, month.next().first_day());
        let mut rows = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .projection_expression("sk, #total")
            .expression_attribute_names("#total", "total")
            .expression_attribute_values(":pk", AttributeValue::S(key_id.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(format!("{from}#")))
            // Sort keys are `day#shard`; '$' is the character after '#'.
            .expression_attribute_values(
                ":to",
                AttributeValue::S(format!("{}$", month.next().first_day().plus_days(-1))),
            )
            .into_paginator()
            .items()
            .send();
        let mut usage =
            MonthUsage { month, settled_before, settled: known.map_or(0, |known| known.settled), recent: 0 };
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| port_error(operation(), error))?;
            let (day, total) = day_and_total(&row).ok_or_else(|| PortError::Refused {
                operation: operation(),
                source: "a row of the ledger has no day or no total".into(),
            })?;
            *if day < settled_before { &mut usage.settled } else { &mut usage.recent } += total;
        }
        Ok(usage)
    }
}

fn day_and_total(row: &Item) -> Option<(UtcDay, u64)> {
    let day = row.get("sk")?.as_s().ok()?.split('#').next()?.parse().ok()?;
    Some((day, row.get("total")?.as_n().ok()?.parse().ok()?))
}
