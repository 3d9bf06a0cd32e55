//! `meter keys list` and `meter keys show`.

use std::io::Write;

use system_clock::now_ms;

use super::fields::{Key, labels_text, state};
use crate::closed_output::stdout;
use crate::output::{count, print_json, printable_line, time_text, write_json};
use crate::table::Column::{Number, Text};
use crate::table::Table;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter keys list`.
#[derive(clap::Args)]
pub struct ListArguments {
    /// List only the keys of this customer
    #[arg(long)]
    customer: Option<String>,
    /// List only the keys of this owner
    #[arg(long)]
    owner: Option<String>,
    /// Include deleted keys
    #[arg(long)]
    all: bool,
    /// Print each key as a line of JSON (docs/schemas/meter-keys-list.json)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// Arguments of `meter keys show`.
#[derive(clap::Args)]
pub struct ShowArguments {
    /// Id of the key
    key: String,
    /// Print JSON, as described in docs/schemas/meter-keys-show.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

pub async fn list(arguments: ListArguments) -> anyhow::Result<()> {
    let mut keys = Target::find(&arguments.target).await?.key_store().list().await?;
    keys.retain(|key| {
        (arguments.all || key.deleted_at_ms.is_none())
            && arguments.owner.as_ref().is_none_or(|owner| *owner == key.owner)
            && (arguments.customer.is_none() || arguments.customer == key.customer_id)
    });
    let mut output = stdout();
    if arguments.json {
        return keys.iter().try_for_each(|key| write_json(&mut output, &Key::new(key)));
    }
    let columns =
        [Text("key"), Text("owner"), Text("name"), Text("plan"), Number("monthly limit"), Text("state")];
    let mut table = Table::new(columns);
    for key in &keys {
        let limit = key.monthly_limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        let state = state(key, now_ms()).to_string();
        table.row([&key.key_id, &key.owner, &key.name, &key.plan, &limit, &state])?;
    }
    table.finish()?;
    writeln!(output, "{}", count(keys.len(), "key"))?;
    Ok(())
}

pub async fn show(arguments: ShowArguments) -> anyhow::Result<()> {
    let key = Target::find(&arguments.target).await?.key_store().get(&arguments.key).await?;
    if arguments.json {
        return print_json(&Key::new(&key));
    }
    let never = || "never".to_owned();
    println!("key            {}", key.key_id);
    println!("state          {}", state(&key, now_ms()));
    println!("customer       {}", key.customer_id.as_deref().unwrap_or("none"));
    println!("owner          {}", printable_line(&key.owner));
    println!("name           {}", printable_line(&key.name));
    println!("plan           {}", printable_line(&key.plan));
    println!(
        "monthly limit  {}",
        key.monthly_limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
    );
    println!("expires        {}", key.expires_at_ms.map_or_else(never, time_text));
    println!("labels         {}", printable_line(&labels_text(&key.labels)));
    println!("created        {}", time_text(key.created_at_ms));
    if let Some(deleted_at_ms) = key.deleted_at_ms {
        println!("deleted        {}", time_text(deleted_at_ms));
    }
    if let Some(previous) = &key.previous {
        println!("rotated        the previous secret is valid until {}", time_text(previous.valid_until_ms));
    }
    Ok(())
}
