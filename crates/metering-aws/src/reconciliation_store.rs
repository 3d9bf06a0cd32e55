//! What the reconciler remembers from run to run, in the table of claims.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_core::ports::{ComparedHours, PortError};
use metering_core::reconciliation::{OpenDifference, ReconciledHour};
use metering_core::unbilled::UnbilledRoutes;
use metering_core::window::DAY_MS;

use crate::error::port_error;
use crate::key_items::Item;
use crate::tables::TTL_ATTRIBUTE;

const PARTITION: &str = "reconciliation";
const HOUR_PREFIX: &str = "hour#";
const SETTINGS: &str = "settings";

/// How long a compared hour is remembered, in milliseconds: as long as a call
/// of it could still be put back.
const RETENTION_MS: i64 = 43 * DAY_MS;

/// What the reconciler compares, for whoever compares beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcilerSettings {
    /// The log groups of the metered APIs.
    pub log_groups: Vec<String>,
    /// Routes whose calls are not counted.
    pub unbilled: UnbilledRoutes,
    /// The first hour that is compared, in milliseconds since 1970: earlier
    /// calls may be in the access log that nobody was to count.
    pub since_ms: i64,
}

/// An item that does not have the form of the store.
#[derive(Debug, thiserror::Error)]
#[error("the item {sort_key:?} of the reconciliation has no usable {attribute:?}")]
struct MalformedItem {
    sort_key: String,
    attribute: &'static str,
}

/// The store.
#[derive(Debug, Clone)]
pub struct ReconciliationStore {
    client: Client,
    table: String,
}

impl ReconciliationStore {
    /// A store in the table of claims.
    pub fn new(client: Client, claims_table: impl Into<String>) -> Self {
        Self { client, table: claims_table.into() }
    }

    fn operation(&self, what: &str) -> String {
        format!("{what} in the table {}", self.table)
    }

    /// The settings of the last run; `None` before the first one.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn settings(&self) -> Result<Option<ReconcilerSettings>, PortError> {
        let operation = || self.operation("reading the settings of the reconciler");
        let reply = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(PARTITION))
            .key("sk", text(SETTINGS))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(operation(), error))?;
        let Some(item) = reply.item else { return Ok(None) };
        let settings = settings_of(&item)
            .map_err(|error| PortError::Refused { operation: operation(), source: Box::new(error) })?;
        Ok(Some(settings))
    }

    /// Writes the settings of a run.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn write_settings(&self, settings: &ReconcilerSettings) -> Result<(), PortError> {
        let groups = settings.log_groups.iter().map(|group| text(group.clone())).collect();
        let item = HashMap::from([
            ("pk".to_owned(), text(PARTITION)),
            ("sk".to_owned(), text(SETTINGS)),
            ("log_groups".to_owned(), AttributeValue::L(groups)),
            ("unbilled".to_owned(), text(settings.unbilled.to_string())),
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
    async fn hours(&self, from_ms: i64, to_ms: i64) -> Result<BTreeMap<i64, ReconciledHour>, PortError> {
        let operation = || self.operation("reading compared hours");
        let mut items = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(PARTITION))
            .expression_attribute_values(":from", text(hour_sk(from_ms)))
            .expression_attribute_values(":to", text(hour_sk(to_ms - 1)))
            .into_paginator()
            .items()
            .send();
        let mut hours = BTreeMap::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error(operation(), error))?;
            let (start_ms, hour) = hour_of(&item)
                .map_err(|error| PortError::Refused { operation: operation(), source: Box::new(error) })?;
            hours.insert(start_ms, hour);
        }
        Ok(hours)
    }

    async fn write_hour(&self, start_ms: i64, hour: &ReconciledHour) -> Result<(), PortError> {
        let mut item = HashMap::from([
            ("pk".to_owned(), text(PARTITION)),
            ("sk".to_owned(), text(hour_sk(start_ms))),
            ("logged".to_owned(), number(hour.logged)),
            ("accepted".to_owned(), number(hour.accepted)),
            ("by_key".to_owned(), AttributeValue::Bool(hour.is_compared_by_key)),
            (TTL_ATTRIBUTE.to_owned(), number((start_ms + RETENTION_MS) / 1_000)),
        ]);
        if let Some(open) = hour.open {
            item.insert("open_missing".to_owned(), number(open.missing));
            item.insert("open_surplus".to_owned(), number(open.surplus));
            item.extend(open.counted.map(|counted| ("open_counted".to_owned(), number(counted))));
        }
        self.put(item, "writing a compared hour").await
    }
}

/// Sorts as the hours do.
fn hour_sk(start_ms: i64) -> String {
    format!("{HOUR_PREFIX}{:015}", start_ms.max(0))
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

struct Reader<'i>(&'i Item);

impl Reader<'_> {
    fn malformed(&self, attribute: &'static str) -> MalformedItem {
        let sort_key = self.0.get("sk").and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        MalformedItem { sort_key, attribute }
    }

    fn number<T: std::str::FromStr>(&self, attribute: &'static str) -> Result<T, MalformedItem> {
        let digits = self.0.get(attribute).and_then(|value| value.as_n().ok());
        digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.malformed(attribute))
    }
}

fn settings_of(item: &Item) -> Result<ReconcilerSettings, MalformedItem> {
    let reader = Reader(item);
    let groups = item.get("log_groups").and_then(|value| value.as_l().ok());
    let groups = groups.ok_or_else(|| reader.malformed("log_groups"))?;
    let unbilled = item.get("unbilled").and_then(|value| value.as_s().ok());
    Ok(ReconcilerSettings {
        log_groups: groups.iter().filter_map(|group| group.as_s().ok()).cloned().collect(),
        unbilled: unbilled
            .and_then(|unbilled| unbilled.parse().ok())
            .ok_or_else(|| reader.malformed("unbilled"))?,
        since_ms: reader.number("since_ms")?,
    })
}

fn hour_of(item: &Item) -> Result<(i64, ReconciledHour), MalformedItem> {
    let reader = Reader(item);
    let start = item.get("sk").and_then(|value| value.as_s().ok());
    let start = start.and_then(|sort_key| sort_key.strip_prefix(HOUR_PREFIX)?.parse().ok());
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
