//! The output of `meter usage`, written while the ledger is read.

use std::io::{BufWriter, Write};

use jiff::civil::Date;
use metering_core::metered_key::{CANARY_KEY_ID, MeteredKey};
use metering_core::window::time_text;
use schemars::JsonSchema;
use serde::Serialize;

use usage_report::groups::{Amount, Finished, Group, Property};
use usage_report::weights::WeightLists;

use super::Arguments;
use crate::closed_output::{Output, stdout};
use crate::output::{print_json, printable_line, write_json};
use crate::table::Column::{self, Number, OptionalNumber, Text};
use crate::table::Table;

/// Size of the buffer of the output, in bytes.
const BUFFER_BYTES: usize = 1 << 16;

/// The usage of a key.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsageReport {
    /// Id of the customer; null if the key belongs to none.
    pub customer_id: Option<String>,
    /// Id of the key.
    pub api_key_id: String,
    /// First day, YYYY-MM-DD.
    pub from: String,
    /// Last day, YYYY-MM-DD.
    pub to: String,
    /// Time zone of the days, as in Europe/Berlin.
    pub time_zone: String,
    /// Counted calls in all periods.
    pub calls: u64,
    /// Credits of the calls, a decimal number as in "12.5"; null if there are no weights.
    pub credits: Option<String>,
    /// Length of the responses, in bytes; 0 if the access log does not have it.
    pub response_bytes: u64,
    /// Time before which everything that reached the stream is counted, in quarantine or given up; null if it is
    /// not known.
    pub as_of: Option<String>,
    /// `false` for the key of the canary, whose calls are not billed.
    pub billed: bool,
    /// Usage by period, in the order of time. Periods without calls are left out.
    pub usage: Vec<PeriodUsage>,
}

/// The usage of a key in one period.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PeriodUsage {
    /// Hour (`2026-11-25T10Z`), day (`2026-11-25`), month (`2026-11`) or all days (`2026-11-01/2026-11-25`).
    pub period: String,
    /// Counted calls in the period.
    pub calls: u64,
    /// Credits of the calls, a decimal number as in "12.5"; null if there are no weights.
    pub credits: Option<String>,
    /// Length of the responses, in bytes; 0 if the access log does not have it.
    pub response_bytes: u64,
}

/// The usage of a group in one period.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GroupUsage<'a> {
    /// Id of the customer; null if usage is not grouped by customer, or the key belongs to none.
    pub customer_id: Option<&'a str>,
    /// Id of the key; null if usage is not grouped by key. A key that belongs to no customer is its own.
    pub api_key_id: Option<&'a str>,
    /// Name of the route class; null if usage is not grouped by class, or no rule named the calls.
    pub route_class: Option<&'a str>,
    /// Hour (`2026-11-25T10Z`), day (`2026-11-25`), month (`2026-11`) or all days (`2026-11-01/2026-11-25`).
    pub period: &'a str,
    /// Counted calls in the period.
    pub calls: u64,
    /// Credits of the calls, a decimal number as in "12.5"; null if there are no weights.
    pub credits: Option<String>,
    /// Length of the responses, in bytes; 0 if the access log does not have it.
    pub response_bytes: u64,
}

impl<'a> GroupUsage<'a> {
    fn new(group: &'a Group, period: &'a str, amount: Amount) -> Self {
        let Group { customer_id, api_key_id, route_class } = group;
        Self {
            customer_id: customer_id.as_deref(),
            api_key_id: api_key_id.as_deref(),
            route_class: route_class.as_deref(),
            period,
            calls: amount.calls,
            credits: amount.credits_text(),
            response_bytes: amount.response_bytes,
        }
    }
}

enum Form {
    /// A table for people, with the total in its last line.
    Text(Table),
    /// A line for each group and period.
    Json(BufWriter<Output>),
    Csv(Box<csv::Writer<Output>>),
    /// One document about a key.
    Report(UsageReport),
}

/// Writes the usage as it is read.
pub struct Writer {
    form: Form,
    /// The key that the report is about.
    key: Option<MeteredKey>,
    total: Amount,
    columns: Vec<Property>,
    /// Time before which everything that reached the stream is counted, in milliseconds since 1970.
    as_of_ms: Option<i64>,
}

impl Writer {
    /// Begins the output.
    pub fn new(
        arguments: &Arguments,
        key: Option<&MeteredKey>,
        by: &[Property],
        [from, to]: [Date; 2],
        as_of_ms: Option<i64>,
        weights: &WeightLists,
    ) -> anyhow::Result<Self> {
        let columns = columns(by);
        let form = match key {
            Some(key) if arguments.json => Form::Report(UsageReport {
                customer_id: key.customer_id.as_deref().map(str::to_owned),
                api_key_id: key.api_key_id.to_string(),
                from: from.to_string(),
                to: to.to_string(),
                time_zone: arguments.time_zone.clone(),
                calls: 0,
                credits: None,
                response_bytes: 0,
                as_of: as_of_ms.map(time_text),
                billed: &*key.api_key_id != CANARY_KEY_ID,
                usage: Vec::new(),
            }),
            None if arguments.json => Form::Json(BufWriter::with_capacity(BUFFER_BYTES, stdout())),
            _ if arguments.csv => {
                let mut csv = csv::WriterBuilder::new().buffer_capacity(BUFFER_BYTES).from_writer(stdout());
                let mut names: Vec<&str> = columns.iter().map(|property| name(*property)).collect();
                if key.is_some() {
                    names.push(name(Property::Key));
                }
                csv.write_record(names.iter().chain(&["period", "calls", "credits", "response_bytes"]))?;
                Form::Csv(Box::new(csv))
            }
            _ => {
                let of = match (key, &arguments.customer) {
                    (Some(key), _) => printable_line(&key.api_key_id),
                    (None, Some(customer)) => format!("the customer {customer}"),
                    (None, None) => "all customers".to_owned(),
                };
                println!("Usage of {of} from {from} to {to} ({})", arguments.time_zone);
                Form::Text(Table::new(table_columns(&columns)))
            }
        };
        Ok(Self { form, key: key.cloned(), total: Amount::of_no_calls(weights), columns, as_of_ms })
    }

    /// Writes finished groups.
    pub fn write(&mut self, finished: &Finished<'_>) -> anyhow::Result<()> {
        for (group, period, amount) in finished.sums() {
            self.total += amount;
            let cells = self.columns.iter().map(|property| cell(group, *property));
            match &mut self.form {
                Form::Text(table) => table.row(cells.map(str::to_owned).chain(line(period, amount)))?,
                Form::Json(output) => write_json(output, &GroupUsage::new(group, period, amount))?,
                Form::Csv(csv) => {
                    let key = self.key.as_ref().map(|key| &*key.api_key_id);
                    let calls = amount.calls.to_string();
                    let credits = amount.credits_text().unwrap_or_default();
                    let bytes = amount.response_bytes.to_string();
                    csv.write_record(cells.chain(key).chain([period, &calls, &credits, &bytes]))?;
                }
                Form::Report(report) => {
                    let Amount { calls, response_bytes, .. } = amount;
                    let (period, credits) = (period.to_owned(), amount.credits_text());
                    report.usage.push(PeriodUsage { period, calls, credits, response_bytes });
                }
            }
        }
        Ok(())
    }

    /// Ends the output.
    pub fn finish(self) -> anyhow::Result<()> {
        let total = self.total;
        match self.form {
            Form::Text(mut table) => {
                let cells = self.columns.iter().map(|_| String::new());
                table.row(cells.chain(line("total", total)))?;
                table.finish()?;
                if let Some(as_of_ms) = self.as_of_ms {
                    println!(
                        "Calls that reached the stream before {} are counted, in quarantine or given up.",
                        time_text(as_of_ms)
                    );
                }
                if self.key.is_some_and(|key| &*key.api_key_id == CANARY_KEY_ID) {
                    println!("The calls of the canary are not billed.");
                }
            }
            Form::Json(mut output) => output.flush()?,
            Form::Csv(mut csv) => csv.flush()?,
            Form::Report(report) => {
                let Amount { calls, response_bytes, .. } = total;
                print_json(&UsageReport { calls, credits: total.credits_text(), response_bytes, ..report })?;
            }
        }
        Ok(())
    }
}

/// Returns the columns of a table for people.
fn table_columns(groups: &[Property]) -> Vec<Column> {
    let group = |property: &Property| match property {
        Property::Customer => Text("customer"),
        Property::Key => Text("key"),
        Property::Class => Text("class"),
    };
    let amounts =
        [Text("period"), Number("calls"), OptionalNumber("credits"), OptionalNumber("response bytes")];
    groups.iter().map(group).chain(amounts).collect()
}

/// Returns a period and its amount as cells of a table for people.
fn line(period: &str, amount: Amount) -> [String; 4] {
    let bytes = Some(amount.response_bytes).filter(|bytes| *bytes > 0).map(|bytes| bytes.to_string());
    let credits = amount.credits_text().unwrap_or_default();
    [period.to_owned(), amount.calls.to_string(), credits, bytes.unwrap_or_default()]
}

/// Returns the columns of the groups. A key that belongs to no customer is shown in the column of keys.
fn columns(by: &[Property]) -> Vec<Property> {
    let is_shown = |property: &Property| {
        by.contains(property) || (*property == Property::Key && by.contains(&Property::Customer))
    };
    [Property::Customer, Property::Key, Property::Class].into_iter().filter(is_shown).collect()
}

fn name(property: Property) -> &'static str {
    match property {
        Property::Customer => "customer_id",
        Property::Key => "api_key_id",
        Property::Class => "route_class",
    }
}

fn cell(group: &Group, property: Property) -> &str {
    let cell = match property {
        Property::Customer => &group.customer_id,
        Property::Key => &group.api_key_id,
        Property::Class => &group.route_class,
    };
    cell.as_deref().unwrap_or_default()
}
