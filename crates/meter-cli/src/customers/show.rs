//! `meter customers list` and `meter customers show`.

use std::collections::BTreeMap;
use std::io::Write;

use metering_core::api_key::KeyRecord;
use schemars::JsonSchema;
use serde::Serialize;

use super::Customer;
use crate::closed_output::stdout;
use crate::keys::{Key, labels_text};
use crate::output::{count, print_json, printable_line, time_text, write_json};
use crate::table::Column::{Number, Text};
use crate::table::Table;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter customers list`.
#[derive(clap::Args)]
pub struct ListArguments {
    /// Print each customer as a line of JSON (docs/schemas/meter-customers-list.json)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// Arguments of `meter customers show`.
#[derive(clap::Args)]
pub struct ShowArguments {
    /// Id of the customer
    customer: String,
    /// Print JSON, as described in docs/schemas/meter-customers-show.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A customer with its keys.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CustomerWithKeys {
    #[serde(flatten)]
    pub customer: Customer,
    /// Keys of the customer, deleted ones included.
    pub keys: Vec<Key>,
}

pub async fn list(arguments: ListArguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.target).await?;
    let customers = target.meter.customers().list().await?;
    let mut output = stdout();
    if arguments.json {
        return customers.iter().try_for_each(|customer| write_json(&mut output, &Customer::new(customer)));
    }
    let mut keys: BTreeMap<String, usize> = BTreeMap::new();
    for key in target.key_store().list().await?.into_iter().filter(|key| key.deleted_at_ms.is_none()) {
        *keys.entry(key.customer_id.unwrap_or_default()).or_default() += 1;
    }
    let mut table = Table::new([Text("customer"), Text("name"), Number("keys")]);
    for customer in &customers {
        let keys = keys.get(&customer.customer_id).copied().unwrap_or(0).to_string();
        table.row([&customer.customer_id, &customer.name, &keys])?;
    }
    table.finish()?;
    writeln!(output, "{}", count(customers.len(), "customer"))?;
    if let Some(keys) = keys.get("") {
        writeln!(output, "{} of no customer", count(*keys, "key"))?;
    }
    Ok(())
}

pub async fn show(arguments: ShowArguments) -> anyhow::Result<()> {
    let target = Target::find(&arguments.target).await?;
    let customer = target.meter.customers().get(&arguments.customer).await?;
    let keys = keys_of(&target, &arguments.customer).await?;
    if arguments.json {
        let keys = keys.iter().map(Key::new).collect();
        return print_json(&CustomerWithKeys { customer: Customer::new(&customer), keys });
    }
    println!("customer  {}", customer.customer_id);
    println!("name      {}", printable_line(&customer.name));
    println!("labels    {}", printable_line(&labels_text(&customer.labels)));
    println!("created   {}", time_text(customer.created_at_ms));
    for key in &keys {
        let deleted = if key.deleted_at_ms.is_some() { "  deleted" } else { "" };
        println!("key       {}  {}{deleted}", key.key_id, printable_line(&key.name));
    }
    Ok(())
}

/// Returns the keys of a customer, deleted ones included.
pub async fn keys_of(target: &Target, customer_id: &str) -> anyhow::Result<Vec<KeyRecord>> {
    let mut keys = target.key_store().list().await?;
    keys.retain(|key| key.customer_id.as_deref() == Some(customer_id));
    Ok(keys)
}
