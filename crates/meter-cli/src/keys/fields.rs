//! The descriptive fields of a key, as arguments and as output.

use std::collections::BTreeMap;

use anyhow::bail;
use metering_core::api_key::KeyRecord;
use metering_core::metered_key::{MAX_KEY_ID_BYTES, has_form_of_id};
use schemars::JsonSchema;
use serde::Serialize;

use super::duration::time_ms;
use super::texts::{label, one_line};
use crate::output::time_text;

/// Descriptive fields of a key that is created or changed.
#[derive(clap::Args)]
pub struct Fields {
    /// Descriptive name
    #[arg(long, value_parser = one_line)]
    pub name: Option<String>,
    /// Plan under which the key is sold
    #[arg(long, value_parser = one_line)]
    pub plan: Option<String>,
    /// Billed calls that are allowed in a UTC month [default: unlimited]
    #[arg(long, value_name = "CALLS")]
    pub monthly_limit: Option<u64>,
    /// Time at which the key expires: a day or a time [default: never]
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    pub expires: Option<i64>,
    /// Label with any further information; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
}

impl Fields {
    /// Returns `true` if no field is given.
    pub fn is_empty(&self) -> bool {
        let Self { name, plan, monthly_limit, expires, label } = self;
        name.is_none() && plan.is_none() && monthly_limit.is_none() && expires.is_none() && label.is_empty()
    }

    /// Refuses a time of expiry that has passed.
    pub fn check_expiry(&self, now_ms: i64) -> anyhow::Result<()> {
        if let Some(expires_ms) = self.expires.filter(|expires_ms| *expires_ms <= now_ms) {
            bail!("--expires {} has passed; give a time in the future", time_text(expires_ms));
        }
        Ok(())
    }

    /// Writes the given fields into a key.
    pub fn apply(&self, key: &mut KeyRecord) {
        if let Some(name) = &self.name {
            key.name.clone_from(name);
        }
        if let Some(plan) = &self.plan {
            key.plan.clone_from(plan);
        }
        if self.monthly_limit.is_some() {
            key.monthly_limit = self.monthly_limit;
        }
        if self.expires.is_some() {
            key.expires_at_ms = self.expires;
        }
        key.labels.extend(self.label.iter().cloned());
    }
}

/// Refuses ids under which usage could not be counted.
pub fn check_key_id(key_id: &str) -> anyhow::Result<()> {
    if key_id.is_empty() || key_id.len() > MAX_KEY_ID_BYTES {
        bail!("a key id has 1 to {MAX_KEY_ID_BYTES} bytes");
    }
    if !has_form_of_id(key_id) {
        bail!("a key id has letters, digits, '-', '_' and '.' only, and is not a mere '-'");
    }
    Ok(())
}

/// A key without anything of its secrets.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Key {
    /// Id under which usage is counted.
    api_key_id: String,
    /// Id of the customer who pays for its calls; null if it belongs to none.
    customer_id: Option<String>,
    /// Owner of the key.
    owner: String,
    /// Descriptive name; empty if there is none.
    name: String,
    /// Plan under which the key is sold; empty if there is none.
    plan: String,
    /// Billed calls that are allowed in a UTC month; null if there is no limit.
    monthly_limit: Option<u64>,
    /// Time at which the key expires, as RFC 3339; null if it does not.
    expires_at: Option<String>,
    /// Labels by name.
    labels: BTreeMap<String, String>,
    /// Time of creation, as RFC 3339.
    created_at: String,
    /// Time of deletion, as RFC 3339; null if the key was not deleted.
    deleted_at: Option<String>,
    /// End of the validity of the secret that the last rotation replaced, as RFC 3339; null if there is none.
    previous_secret_valid_until: Option<String>,
}

impl Key {
    pub fn new(key: &KeyRecord) -> Self {
        Self {
            api_key_id: key.key_id.clone(),
            customer_id: key.customer_id.clone(),
            owner: key.owner.clone(),
            name: key.name.clone(),
            plan: key.plan.clone(),
            monthly_limit: key.monthly_limit,
            expires_at: key.expires_at_ms.map(time_text),
            labels: key.labels.clone(),
            created_at: time_text(key.created_at_ms),
            deleted_at: key.deleted_at_ms.map(time_text),
            previous_secret_valid_until: key.previous.as_ref().map(|secret| time_text(secret.valid_until_ms)),
        }
    }
}

/// Returns the state of a key: `active`, `expired` or `deleted`.
pub fn state(key: &KeyRecord, now_ms: i64) -> &'static str {
    if key.deleted_at_ms.is_some() {
        "deleted"
    } else if key.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= now_ms) {
        "expired"
    } else {
        "active"
    }
}

/// Formats labels for display.
pub fn labels_text(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}
