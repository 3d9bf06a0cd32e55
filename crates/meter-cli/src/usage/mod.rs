//! `meter usage`: shows the usage of a key, a customer or all customers.

mod output;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::civil::Date;
use metering_aws::DynamoUsageSource;
use metering_aws::key_store::KeyStoreError;
use metering_core::metered_key::{CANARY_KEY_ID, MeteredKey};
use metering_core::ports::CountingProgress;
use system_clock::now_ms;
use usage_report::groups::{Property, Sums};
use usage_report::periods::{Period, Periods, time_zone};
use usage_report::source::{RowsOf, UsageSource};

#[cfg(test)]
pub use output::PeriodUsage;
pub use output::{GroupUsage, UsageReport};

use crate::output::printable_line;
use crate::target::{Target, TargetArguments};
use output::Writer;

/// Arguments of `meter usage`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Id of the key
    #[arg(required_unless_present_any = ["customer", "all"], conflicts_with_all = ["customer", "all"])]
    key: Option<String>,
    /// All keys of this customer
    #[arg(long, conflicts_with = "all")]
    customer: Option<String>,
    /// All customers and keys but the canary. Scans the ledger
    #[arg(long)]
    all: bool,
    /// First day, YYYY-MM-DD [default: the first of the month of the last day]
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Date>,
    /// Last day, YYYY-MM-DD [default: today]
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<Date>,
    /// Period for which calls are added up
    #[arg(long, value_enum, default_value_t = Period::Day)]
    by: Period,
    /// Properties by which calls are grouped, separated by commas [default: customer,key]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PROPERTIES", conflicts_with = "key")]
    group_by: Vec<Property>,
    /// Time zone of days and months, as in Europe/Berlin. It has to be whole hours from UTC
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Print JSON: for a key as in docs/schemas/meter-usage.json, else a line for each group and period as
    /// in docs/schemas/meter-usage-groups.json
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV: a row for each group and period
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    target: TargetArguments,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let zone = time_zone(&arguments.time_zone)?;
    let today = zone.to_datetime(Timestamp::from_millisecond(now_ms())?).date();
    let to = arguments.to.unwrap_or(today);
    let from = arguments.from.unwrap_or_else(|| to.first_of_month());
    if from > to {
        bail!("--from {from} is after --to {to}");
    }
    let periods = Periods::new([from, to], zone, arguments.by)?;
    let target = Target::find(&arguments.target).await?;
    let by = match arguments.group_by.as_slice() {
        _ if arguments.key.is_some() => Vec::new(),
        [] => vec![Property::Customer, Property::Key],
        by => by.to_vec(),
    };
    let known_key = match &arguments.key {
        Some(id) => find_key(&target, id).await?,
        None => None,
    };
    // A key that is not known any more may still have usage.
    let key = known_key.clone().or_else(|| arguments.key.clone().map(MeteredKey::without_customer));
    let counted_as: Vec<MeteredKey> = key.iter().flat_map(MeteredKey::counted_as).collect();
    let parts: Vec<RowsOf<'_>> = match &arguments.customer {
        _ if key.is_some() => counted_as.iter().map(RowsOf::Key).collect(),
        Some(customer_id) => vec![RowsOf::Customer(customer_id)],
        None => vec![RowsOf::All],
    };
    let shows_as_of = if arguments.json { key.is_some() } else { !arguments.csv && !arguments.all };
    let as_of_ms = if shows_as_of { as_of_ms(&target).await } else { None };
    let names = &target.meter.names;
    let source = DynamoUsageSource::new(target.dynamodb.clone(), &names.usage_table, &names.claims_table);
    let weights = source.weights().await.context("the weights cannot be read; is the system running?")?;
    let mut writer = Writer::new(&arguments, key.as_ref(), &by, [from, to], as_of_ms, &weights)?;
    let mut sums = Sums::new(&periods, &weights, by);
    for rows in parts {
        let visited = source.visit_rows::<anyhow::Error>(rows, periods.utc_days(), |row| {
            // The calls of the canary are not billed. They are shown for its key alone.
            let is_shown = arguments.key.is_some() || &*row.breakdown.key.api_key_id != CANARY_KEY_ID;
            if is_shown { writer.write(&sums.add(row)) } else { Ok(()) }
        });
        visited.await.context("the usage cannot be read; is the system running?")?;
    }
    writer.write(&sums.finish())?;
    if let Some(id) = arguments.key.as_ref().filter(|_| known_key.is_none()) {
        eprintln!("warning: there is no key {}; `meter keys list --all` shows the keys", printable_line(id));
    }
    writer.finish()
}

/// Returns the time before which everything that reached the stream is counted. The ledger has to be read
/// later, and consistently.
async fn as_of_ms(target: &Target) -> Option<i64> {
    let read = async { anyhow::Ok(target.progress().await?.counted_before_ms().await?) };
    read.await.unwrap_or_else(|error| {
        eprintln!("warning: it is not known up to when calls are counted: {error:#}");
        None
    })
}

fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| format!("{text:?} is not a day; write it as YYYY-MM-DD, as in 2026-11-24"))
}

/// Returns a key with its customer; `None` if there is no such key.
async fn find_key(target: &Target, id: &str) -> anyhow::Result<Option<MeteredKey>> {
    match target.key_store().get(id).await {
        Ok(key) => Ok(Some(key.metered_key())),
        Err(KeyStoreError::NoSuchKey { .. }) => Ok(None),
        Err(error) => Err(error).context("the key cannot be read; is the system running?"),
    }
}
