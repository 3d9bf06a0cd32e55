//! `meter customers create` and `meter customers update`.

use anyhow::bail;
use metering_core::customer::CustomerRecord;
use system_clock::now_ms;

use super::Customer;
use crate::keys::{label, one_line};
use crate::output::print_json;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter customers create`.
#[derive(clap::Args)]
pub struct CreateArguments {
    /// Id under which the usage of the customer's keys is counted
    customer: String,
    #[command(flatten)]
    fields: Fields,
}

/// Arguments of `meter customers update`.
#[derive(clap::Args)]
pub struct UpdateArguments {
    /// Id of the customer
    customer: String,
    #[command(flatten)]
    fields: Fields,
}

#[derive(clap::Args)]
struct Fields {
    /// Descriptive name
    #[arg(long, value_parser = one_line)]
    name: Option<String>,
    /// Label with any further information; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Print JSON, as described in docs/JSON.md
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

pub async fn create(CreateArguments { customer, fields }: CreateArguments) -> anyhow::Result<()> {
    let customer = CustomerRecord {
        customer_id: customer,
        name: fields.name.unwrap_or_default(),
        labels: fields.label.into_iter().collect(),
        created_at_ms: now_ms(),
    };
    Target::find(&fields.target).await?.meter.customers().create(&customer).await?;
    if fields.json {
        return print_json(&Customer::new(&customer));
    }
    let id = &customer.customer_id;
    println!("Created the customer {id}. `meter keys create --customer {id}` creates a key for it.");
    Ok(())
}

pub async fn update(UpdateArguments { customer, fields }: UpdateArguments) -> anyhow::Result<()> {
    if fields.name.is_none() && fields.label.is_empty() {
        bail!("there is nothing to change; give --name or --label");
    }
    let labels = fields.label.into_iter().collect();
    let customers = Target::find(&fields.target).await?.meter.customers();
    let customer = customers.update(&customer, fields.name.as_deref(), &labels).await?;
    if fields.json {
        return print_json(&Customer::new(&customer));
    }
    println!("Updated the customer {}.", customer.customer_id);
    Ok(())
}
