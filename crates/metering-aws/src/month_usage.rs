//! The usage of a key in a month, read from the ledger for monthly limits.

use aws_sdk_dynamodb::Client;
use metering_core::metered_key::MeteredKey;
use metering_core::ports::{PortError, UsageTotals};
use metering_core::quota::MonthUsage;
use metering_core::window::{UtcDay, UtcMonth};

use crate::error::port_error;
use crate::ledger_items::{LedgerItem, TOTAL, rows_of_days};

/// Reads the monthly totals of a ledger.
#[derive(Debug, Clone)]
pub struct DynamoUsageTotals {
    client: Client,
    table: String,
}

impl DynamoUsageTotals {
    /// Returns the totals of the ledger in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl UsageTotals for DynamoUsageTotals {
    /// Reads with eventual consistency, at half the price of consistent reads:
    /// the ledger is some seconds behind the calls anyway.
    async fn month_usage(
        &self,
        key: &MeteredKey,
        month: UtcMonth,
        known: Option<MonthUsage>,
        today: UtcDay,
    ) -> Result<MonthUsage, PortError> {
        let operation = || format!("reading the usage of a month from table {}", self.table);
        let (days, mut usage) = MonthUsage::begin_read(month, known, today);
        let keys: Vec<MeteredKey> = key.counted_as().collect();
        let queries = keys.iter().flat_map(|key| {
            rows_of_days(&self.client, &self.table, key, days).map(move |query| (key, query))
        });
        for (key, query) in queries {
            let query =
                query.projection_expression("pk, sk, #total").expression_attribute_names("#total", TOTAL);
            let mut rows = query.into_paginator().items().send();
            while let Some(row) = rows.next().await {
                let row = row.map_err(|error| port_error(operation(), error))?;
                let row = LedgerItem(&row);
                let (row_key, total) = row.row_key().zip(row.total()).ok_or_else(|| PortError::Refused {
                    operation: operation(),
                    source: "a row of the ledger has no usable primary key or no total".into(),
                })?;
                if row_key.key() == key {
                    usage.add(row_key.day(), total);
                }
            }
        }
        Ok(usage)
    }
}
