//! `meter customers merge-check`.

use schemars::JsonSchema;
use serde::Serialize;

use super::Customer;
use super::show::keys_of;
use crate::output::{count, print_json};
use crate::target::{Target, TargetArguments};

/// Arguments of `meter customers merge-check`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Id of the customer whose keys would be replaced
    from: String,
    /// Id of the customer who would stay
    into: String,
    /// Print JSON, as described in docs/schemas/meter-customers-merge-check.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A comparison of two customers, before one takes the place of both.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MergeCheck {
    /// Customer whose keys would be replaced.
    pub from: Customer,
    /// Customer who would stay.
    pub into: Customer,
    /// Ids of the keys in use that would have to be replaced by new keys.
    pub keys_to_replace: Vec<String>,
    /// Number of keys in use of the customer who would stay.
    pub keys_that_stay: usize,
    /// Names of labels that both have, with different values.
    pub different_labels: Vec<String>,
}

/// Shows both customers. It changes nothing.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { from, into, json, target } = arguments;
    anyhow::ensure!(from != into, "{from} and {into} are one customer");
    let target = Target::find(&target).await?;
    let customers = target.meter.customers();
    let (from, into) = (customers.get(&from).await?, customers.get(&into).await?);
    let in_use = async |customer_id: &str| {
        let mut keys = keys_of(&target, customer_id).await?;
        keys.retain(|key| key.deleted_at_ms.is_none());
        anyhow::Ok(keys)
    };
    let differs = |(label, value): (&String, &String)| {
        into.labels.get(label).is_some_and(|other| other != value).then(|| label.clone())
    };
    let check = MergeCheck {
        keys_to_replace: in_use(&from.customer_id).await?.into_iter().map(|key| key.key_id).collect(),
        keys_that_stay: in_use(&into.customer_id).await?.len(),
        different_labels: from.labels.iter().filter_map(differs).collect(),
        from: Customer::new(&from),
        into: Customer::new(&into),
    };
    if json {
        return print_json(&check);
    }
    check.print();
    Ok(())
}

impl MergeCheck {
    fn print(&self) {
        let (from, into) = (&self.from.customer_id, &self.into.customer_id);
        println!("{from} ({}) has {} in use.", self.from.name, count(self.keys_to_replace.len(), "key"));
        println!("{into} ({}) has {} in use.", self.into.name, count(self.keys_that_stay, "key"));
        if !self.different_labels.is_empty() {
            println!("Labels with different values: {}.", self.different_labels.join(", "));
        }
        println!(
            "\nUsage stays with the customer that the access log names, so what {from} has used stays with {from}."
        );
        for key in &self.keys_to_replace {
            println!(
                "Replace {key}: meter keys create --customer {into}, then meter keys delete {key} when its holder uses the new key"
            );
        }
    }
}
