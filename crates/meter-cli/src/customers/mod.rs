//! `meter customers`: creates, shows and changes customers, who pay for the calls of their keys.

mod change;
mod merge_check;
mod show;

use std::collections::BTreeMap;

use clap::Subcommand;
use metering_core::customer::CustomerRecord;
use schemars::JsonSchema;
use serde::Serialize;

pub use merge_check::MergeCheck;
pub use show::CustomerWithKeys;

use crate::output::time_text;

/// Arguments of `meter customers`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Create a customer, to whom keys can belong from then on
    Create(change::CreateArguments),
    /// List all customers with the number of their keys
    List(show::ListArguments),
    /// Show one customer with its keys
    Show(show::ShowArguments),
    /// Change the name or the labels of a customer
    Update(change::UpdateArguments),
    /// Show what two customers have, and what it takes to have one in their place
    MergeCheck(merge_check::Arguments),
}

/// A customer as the commands print it, without its keys.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Customer {
    /// Id under which the usage of its keys is counted.
    pub customer_id: String,
    /// Display name; empty if there is none.
    pub name: String,
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// Time of creation, as RFC 3339.
    pub created_at: String,
}

impl Customer {
    /// Returns the output for a customer.
    pub fn new(customer: &CustomerRecord) -> Self {
        Self {
            customer_id: customer.customer_id.clone(),
            name: customer.name.clone(),
            labels: customer.labels.clone(),
            created_at: time_text(customer.created_at_ms),
        }
    }
}

/// Runs a subcommand of `meter customers`.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::Create(arguments) => change::create(arguments).await,
        Action::List(arguments) => show::list(arguments).await,
        Action::Show(arguments) => show::show(arguments).await,
        Action::Update(arguments) => change::update(arguments).await,
        Action::MergeCheck(arguments) => merge_check::run(arguments).await,
    }
}
