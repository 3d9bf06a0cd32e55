//! Reads many rows of the ledger, one after the other.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_core::metered_key::{Breakdown, MeteredKey};
use metering_core::ports::PortError;
use metering_core::row_key::{partition_key_of_customer, sort_key_range_of_months};
use metering_core::window::UtcDay;

use crate::error::port_error;
use crate::key_items::Item;
use crate::ledger_items::{Hours, LedgerItem, rows_of_days};

/// The rows to read.
#[derive(Debug, Clone, Copy)]
pub enum RowsOf<'a> {
    /// The rows of a key.
    Key(&'a MeteredKey),
    /// The rows of all keys of a customer.
    Customer(&'a str),
    /// The rows of all keys. They are read by a scan of the whole table, in which the rows of a
    /// customer follow one another.
    All,
}

/// Reads the rows of the days from `from` to `to`, both included. All rows are read with eventual
/// consistency, those of a key or a customer with strong consistency.
/// The rows with the calls of all keys together are left out.
///
/// # Errors
/// Fails if the ledger cannot be read or has a malformed row, or `visit` fails.
pub async fn visit_rows<E: From<PortError>>(
    client: &Client,
    table: &str,
    rows: RowsOf<'_>,
    [from, to]: [UtcDay; 2],
    mut visit: impl FnMut(&Breakdown, &Hours) -> Result<(), E>,
) -> Result<(), E> {
    let operation = || format!("reading the usage from table {table}");
    let mut visit_item = |item: &Item| {
        let (breakdown, hours) = read(item).ok_or_else(|| PortError::Refused {
            operation: operation(),
            source: format!(
                "the row {:?} of {:?} has no usable key, hours or total",
                item.get("sk"),
                item.get("pk")
            )
            .into(),
        })?;
        let is_wanted = match rows {
            RowsOf::Key(key) => breakdown.key == *key,
            RowsOf::Customer(_) => true,
            RowsOf::All => !breakdown.key.is_totals(),
        };
        if is_wanted && (from..=to).contains(&breakdown.day) { visit(&breakdown, &hours) } else { Ok(()) }
    };
    let [first, last] = sort_key_range_of_months(from, to).map(AttributeValue::S);
    let queries = match rows {
        RowsOf::Key(key) => rows_of_days(client, table, key, [from, to]).collect(),
        RowsOf::Customer(customer_id) => {
            let partition = AttributeValue::S(partition_key_of_customer(customer_id));
            let query = client.query().table_name(table).expression_attribute_values(":pk", partition);
            let query = query.key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to");
            vec![query.expression_attribute_values(":from", first).expression_attribute_values(":to", last)]
        }
        RowsOf::All => {
            let scan = client.scan().table_name(table).filter_expression("sk BETWEEN :from AND :to");
            let scan =
                scan.expression_attribute_values(":from", first).expression_attribute_values(":to", last);
            let mut items = scan.into_paginator().items().send();
            while let Some(item) = items.next().await {
                visit_item(&item.map_err(|error| port_error(operation(), error))?)?;
            }
            Vec::new()
        }
    };
    for query in queries {
        let mut items = query.consistent_read(true).into_paginator().items().send();
        while let Some(item) = items.next().await {
            visit_item(&item.map_err(|error| port_error(operation(), error))?)?;
        }
    }
    Ok(())
}

fn read(item: &Item) -> Option<(Breakdown, Hours)> {
    let row = LedgerItem(item);
    row.total()?;
    Some((row.row_key()?.breakdown, row.hours().ok()?))
}
