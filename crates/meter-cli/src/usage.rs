//! `meter usage`: shows the usage of a key by hour, day or month.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, bail};
use clap::ValueEnum;
use metering_aws::usage_report::usage_of_key;
use metering_core::metered_key::CANARY_KEY_ID;
use metering_core::metered_key::MeteredKey;
use metering_core::usage_history::KeyUsage;
use metering_core::window::{CallWindow, UtcDay};
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use crate::output::write_json;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter usage`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Id of the key
    key: String,
    /// First day (UTC), YYYY-MM-DD [default: the first of this month]
    #[arg(long, value_name = "DAY")]
    from: Option<UtcDay>,
    /// Last day (UTC), YYYY-MM-DD [default: today]
    #[arg(long, value_name = "DAY")]
    to: Option<UtcDay>,
    /// Period for which calls are added up
    #[arg(long, value_enum, default_value_t = Period::Day)]
    by: Period,
    /// Print JSON, as described in docs/schemas/meter-usage.json
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV with the columns api_key_id, period and calls
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Period {
    Hour,
    Day,
    Month,
}

/// The usage of a key.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsageReport {
    /// Id of the key.
    pub api_key_id: String,
    /// First day (UTC), YYYY-MM-DD.
    pub from: String,
    /// Last day (UTC), YYYY-MM-DD.
    pub to: String,
    /// Successful calls in all periods.
    pub calls: u64,
    /// `false` for the key of the canary, whose calls are not billed.
    pub billed: bool,
    /// Usage by period, in the order of time. Periods without calls are left out.
    pub usage: Vec<PeriodUsage>,
}

/// The usage of a key in one period.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PeriodUsage {
    /// Hour (`2026-11-25T10Z`), day (`2026-11-25`) or month (`2026-11`), in UTC.
    pub period: String,
    /// Successful calls in the period.
    pub calls: u64,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let today = CallWindow::at(now_ms())?.day;
    let to = arguments.to.unwrap_or(today);
    let from = arguments.from.unwrap_or_else(|| to.first_of_month());
    if from > to {
        bail!("--from {from} is after --to {to}");
    }
    let target = Target::find(&arguments.target).await?;
    let key = MeteredKey::without_customer(arguments.key.as_str());
    let usage = usage_of_key(&target.dynamodb, &target.meter.names.usage_table, &key, from, to)
        .await
        .with_context(|| format!("the usage of {} cannot be read; is the system running?", arguments.key))?;
    let periods = by_period(&usage, arguments.by);
    let total: u64 = periods.values().sum();
    let mut output = std::io::stdout().lock();
    if arguments.json {
        let usage = periods.into_iter().map(|(period, calls)| PeriodUsage { period, calls }).collect();
        let (from, to) = (from.to_string(), to.to_string());
        let billed = arguments.key != CANARY_KEY_ID;
        let usage = UsageReport { api_key_id: arguments.key, from, to, calls: total, billed, usage };
        write_json(&mut output, &usage)?;
    } else if arguments.csv {
        let mut writer = csv::Writer::from_writer(output);
        writer.write_record(["api_key_id", "period", "calls"])?;
        for (period, calls) in &periods {
            writer.write_record([&arguments.key, period, &calls.to_string()])?;
        }
        writer.flush()?;
    } else {
        writeln!(output, "Usage of {} from {from} to {to} (UTC)", arguments.key)?;
        for (period, calls) in &periods {
            writeln!(output, "  {period:<16} {calls:>12}")?;
        }
        writeln!(output, "  {:<16} {total:>12}", "total")?;
        if arguments.key == CANARY_KEY_ID {
            writeln!(output, "The calls of the canary are not billed.")?;
        }
    }
    Ok(())
}

fn by_period(usage: &KeyUsage, by: Period) -> BTreeMap<String, u64> {
    let mut periods = BTreeMap::new();
    for (day, day_usage) in usage {
        for (hour, calls) in day_usage.hours.iter().enumerate().filter(|(_, calls)| **calls > 0) {
            let period = match by {
                Period::Hour => format!("{day}T{hour:02}Z"),
                Period::Day => day.to_string(),
                Period::Month => day.to_string()[..7].to_owned(),
            };
            *periods.entry(period).or_insert(0) += calls;
        }
    }
    periods
}
