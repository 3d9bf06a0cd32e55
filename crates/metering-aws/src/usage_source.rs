//! Reads many rows of the ledger, one after the other, and the weights.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_core::ports::PortError;
use metering_core::row_key::{partition_key_of_customer, sort_key_range_of_months};
use metering_core::window::UtcDay;
use usage_report::source::{RowsOf, UsageRow, UsageSource};
use usage_report::weights::WeightLists;

use crate::dated_lists::WEIGHT_LISTS;
use crate::error::port_error;
use crate::key_items::Item;
use crate::ledger_items::{LedgerItem, rows_between, rows_of_days};

/// The ledger and the weights in their tables.
#[derive(Debug, Clone)]
pub struct DynamoUsageSource {
    client: Client,
    usage_table: String,
    claims_table: String,
}

impl DynamoUsageSource {
    /// Returns the ledger in `usage_table`, and the weights in the table of the claims.
    pub fn new(client: Client, usage_table: impl Into<String>, claims_table: impl Into<String>) -> Self {
        Self { client, usage_table: usage_table.into(), claims_table: claims_table.into() }
    }

    fn operation(&self) -> String {
        format!("reading the usage from table {}", self.usage_table)
    }

    fn read(&self, item: &Item) -> Result<UsageRow, PortError> {
        read(item).ok_or_else(|| PortError::Refused {
            operation: self.operation(),
            source: format!(
                "the row {:?} of {:?} has no usable key, hours or total",
                item.get("sk"),
                item.get("pk")
            )
            .into(),
        })
    }
}

impl UsageSource for DynamoUsageSource {
    async fn visit_rows<E: From<PortError> + Send>(
        &self,
        rows: RowsOf<'_>,
        [from, to]: [UtcDay; 2],
        mut visit: impl FnMut(&UsageRow) -> Result<(), E> + Send,
    ) -> Result<(), E> {
        let mut visit_item = |item: &Item| {
            let row = self.read(item)?;
            let is_wanted = match rows {
                RowsOf::Key(key) => row.breakdown.key == *key,
                RowsOf::Customer(_) => true,
                RowsOf::All => !row.breakdown.key.is_totals(),
            };
            if is_wanted { visit(&row) } else { Ok(()) }
        };
        let (client, table) = (&self.client, &self.usage_table);
        let months = sort_key_range_of_months(from, to);
        let queries = match rows {
            RowsOf::Key(key) => rows_of_days(client, table, key, [from, to]).collect(),
            RowsOf::Customer(customer_id) => {
                vec![rows_between(client, table, partition_key_of_customer(customer_id), months)]
            }
            RowsOf::All => {
                let [first, last] = months.map(AttributeValue::S);
                let scan = client.scan().table_name(table).filter_expression("sk BETWEEN :from AND :to");
                let scan =
                    scan.expression_attribute_values(":from", first).expression_attribute_values(":to", last);
                let mut items = scan.into_paginator().items().send();
                while let Some(item) = items.next().await {
                    visit_item(&item.map_err(|error| port_error(self.operation(), error))?)?;
                }
                Vec::new()
            }
        };
        for query in queries {
            let mut items = query.consistent_read(true).into_paginator().items().send();
            while let Some(item) = items.next().await {
                visit_item(&item.map_err(|error| port_error(self.operation(), error))?)?;
            }
        }
        Ok(())
    }

    async fn weights(&self) -> Result<WeightLists, PortError> {
        WEIGHT_LISTS.read(&self.client, &self.claims_table).await.map(WeightLists::from_stored)
    }
}

fn read(item: &Item) -> Option<UsageRow> {
    let row = LedgerItem(item);
    row.total()?;
    Some(UsageRow {
        breakdown: row.row_key()?.breakdown,
        hours: row.hours().ok()?,
        response_bytes: row.response_bytes().ok()?,
        last_call_ms: row.last_call_ms()?,
    })
}
