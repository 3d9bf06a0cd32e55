//! The customers that the rows of a file name.

use std::collections::BTreeSet;

use anyhow::Context;
use metering_aws::CustomerStore;
use metering_core::customer::CustomerRecord;
use system_clock::now_ms;

use super::values::Row;

/// Returns the ids of the customers that rows name and that do not exist.
pub async fn missing(rows: &[Row], customers: &CustomerStore) -> anyhow::Result<BTreeSet<String>> {
    let named = rows.iter().filter_map(|row| row.key.as_ref().ok()?.customer_id.clone());
    let mut missing: BTreeSet<String> = named.collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    for customer in customers.list().await.context("the customers cannot be read")? {
        missing.remove(&customer.customer_id);
    }
    Ok(missing)
}

pub async fn create(ids: &BTreeSet<String>, customers: &CustomerStore) -> anyhow::Result<()> {
    for customer_id in ids.clone() {
        let customer = CustomerRecord { customer_id, created_at_ms: now_ms(), ..CustomerRecord::default() };
        let id = &customer.customer_id;
        customers.create(&customer).await.with_context(|| format!("the customer {id} cannot be created"))?;
    }
    Ok(())
}
