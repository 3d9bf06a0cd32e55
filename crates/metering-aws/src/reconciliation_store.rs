//! The state of the reconciler between runs, in the table of claims.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use deployment::settings::COMPARED_HOURS_PARTITION;
use metering_core::billing_rules::BillingRules;
use metering_core::ports::{ComparedHours, PortError};
use metering_core::reconciliation::{OpenDifference, ReconciledHour};
use metering_core::status_ranges::StatusRanges;
use metering_core::window::DAY_MS;

use crate::claim_items::{MalformedClaim, Reader, item, number, text};
use crate::claim_store::items_between;
use crate::error::port_error;
use crate::key_items::Item;

const HOUR_PREFIX: &str = "hour#";
const SETTINGS: &str = "settings";

/// Retention of a compared hour, in milliseconds. Until then, a call of the hour
/// can still be put back.
const RETENTION_MS: i64 = 43 * DAY_MS;

/// The settings of the reconciler, stored for `meter reconcile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcilerSettings {
    /// The log groups of the metered APIs.
    pub log_groups: Vec<String>,
    /// The statuses and routes whose calls are counted.
    pub rules: BillingRules,
    /// The first hour that is compared, in milliseconds since 1970. Earlier calls
    /// may be in the access log without having been metered.
    pub since_ms: i64,
}

/// The store of the reconciler's state.
#[derive(Debug, Clone)]
pub struct ReconciliationStore {
    client: Client,
    table: String,
}

impl ReconciliationStore {
    /// Returns the store in the table of claims.
    pub fn new(client: Client, claims_table: impl Into<String>) -> Self {
        Self { client, table: claims_table.into() }
    }

    fn operation(&self, what: &str) -> String {
        format!("{what} in the table {}", self.table)
    }

    fn malformed(&self, what: &str, source: MalformedClaim) -> PortError {
        PortError::Refused { operation: self.operation(what), source: Box::new(source) }
    }

    /// Reads the settings of the last run; `None` before the first run.
    ///
    /// # Errors
    /// Fails if the table cannot be read.
    pub async fn settings(&self) -> Result<Option<ReconcilerSettings>, PortError> {
        let what = "reading the settings of the reconciler";
        let reply = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(COMPARED_HOURS_PARTITION))
            .key("sk", text(SETTINGS))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(self.operation(what), error))?;
        let settings = reply.item.map(|item| read_settings(&item)).transpose();
        settings.map_err(|error| self.malformed(what, error))
    }

    async fn write_settings(&self, settings: &ReconcilerSettings) -> Result<(), PortError> {
        let groups = settings.log_groups.iter().map(|group| text(group.clone())).collect();
        let item = HashMap::from([
            ("pk".to_owned(), text(COMPARED_HOURS_PARTITION)),
            ("sk".to_owned(), text(SETTINGS)),
            ("log_groups".to_owned(), AttributeValue::L(groups)),
            ("billed_statuses".to_owned(), text(settings.rules.billed_statuses.to_string())),
            ("unbilled".to_owned(), text(settings.rules.unbilled.to_string())),
            ("since_ms".to_owned(), number(settings.since_ms)),
        ]);
        self.put(item, "writing the settings of the reconciler").await
    }

    async fn put(&self, item: Item, what: &str) -> Result<(), PortError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request.send().await.map(|_| ()).map_err(|error| port_error(self.operation(what), error))
    }
}

impl ComparedHours for ReconciliationStore {
    async fn start_run(
        &self,
        log_groups: &[String],
        rules: &BillingRules,
        first_ms: i64,
    ) -> Result<i64, PortError> {
        let known = self.settings().await?;
        let since_ms = known.as_ref().map_or(first_ms, |settings| settings.since_ms);
        let settings = ReconcilerSettings { log_groups: log_groups.to_vec(), rules: rules.clone(), since_ms };
        if known.as_ref() != Some(&settings) {
            self.write_settings(&settings).await?;
        }
        Ok(since_ms)
    }

    async fn hours(&self, from_ms: i64, to_ms: i64) -> Result<BTreeMap<i64, ReconciledHour>, PortError> {
        let what = "reading compared hours";
        let range = (hour_sk(from_ms), hour_sk(to_ms - 1));
        let items =
            items_between(&self.client, &self.table, COMPARED_HOURS_PARTITION.to_owned(), range).await;
        let items = items.map_err(|error| port_error(self.operation(what), error))?;
        let hours = items.iter().map(hour_of).collect::<Result<_, _>>();
        hours.map_err(|error| self.malformed(what, error))
    }

    async fn write_hour(&self, start_ms: i64, hour: &ReconciledHour) -> Result<(), PortError> {
        let attributes = [
            ("logged", number(hour.logged)),
            ("accepted", number(hour.accepted)),
            ("by_key", AttributeValue::Bool(hour.is_compared_by_key)),
        ];
        let mut item =
            item(COMPARED_HOURS_PARTITION.to_owned(), hour_sk(start_ms), start_ms + RETENTION_MS, attributes);
        if let Some(open) = hour.open {
            item.insert("open_missing".to_owned(), number(open.missing));
            item.insert("open_surplus".to_owned(), number(open.surplus));
            item.extend(open.counted.map(|counted| ("open_counted".to_owned(), number(counted))));
        }
        self.put(item, "writing a compared hour").await
    }
}

/// Returns the sort key of an hour. Sort keys are in the order of the hours.
fn hour_sk(start_ms: i64) -> String {
    format!("{HOUR_PREFIX}{:015}", start_ms.max(0))
}

fn read_settings(item: &Item) -> Result<ReconcilerSettings, MalformedClaim> {
    let reader = Reader(item);
    let groups = item.get("log_groups").and_then(|value| value.as_l().ok());
    let groups = groups.ok_or_else(|| reader.malformed("log_groups"))?;
    let setting = |name| item.get(name).and_then(|value| value.as_s().ok());
    Ok(ReconcilerSettings {
        log_groups: groups.iter().filter_map(|group| group.as_s().ok()).cloned().collect(),
        rules: BillingRules {
            // Earlier versions billed 200 to 299, and did not say so.
            billed_statuses: match item.get("billed_statuses") {
                None => StatusRanges::default(),
                Some(_) => setting("billed_statuses")
                    .and_then(|statuses| statuses.parse().ok())
                    .ok_or_else(|| reader.malformed("billed_statuses"))?,
            },
            unbilled: setting("unbilled")
                .and_then(|unbilled| unbilled.parse().ok())
                .ok_or_else(|| reader.malformed("unbilled"))?,
        },
        since_ms: reader.number("since_ms")?,
    })
}

fn hour_of(item: &Item) -> Result<(i64, ReconciledHour), MalformedClaim> {
    let reader = Reader(item);
    let start = reader.sort_key().strip_prefix(HOUR_PREFIX).and_then(|digits| digits.parse().ok());
    let open = if item.contains_key("open_missing") {
        Some(OpenDifference {
            counted: item.get("open_counted").map(|_| reader.number("open_counted")).transpose()?,
            missing: reader.number("open_missing")?,
            surplus: reader.number("open_surplus")?,
        })
    } else {
        None
    };
    let hour = ReconciledHour {
        logged: reader.number("logged")?,
        accepted: reader.number("accepted")?,
        is_compared_by_key: item.get("by_key").and_then(|value| value.as_bool().ok()) == Some(&true),
        open,
    };
    Ok((start.ok_or_else(|| reader.malformed("sk"))?, hour))
}
