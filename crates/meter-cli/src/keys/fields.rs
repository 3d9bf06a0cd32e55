//! What is known of a key, as arguments and as output.

use std::collections::BTreeMap;

use anyhow::bail;
use metering_core::api_key::KeyRecord;
use metering_core::usage_record::MAX_KEY_ID_BYTES;
use serde_json::{Value, json};

use super::duration::{time_ms, time_text};

/// What can be said of a key when it is made.
#[derive(clap::Args)]
pub struct Fields {
    /// A name for people
    #[arg(long)]
    pub name: Option<String>,
    /// The plan that it is sold under
    #[arg(long)]
    pub plan: Option<String>,
    /// The successful calls that it may make in a UTC month [default: any number]
    #[arg(long, value_name = "CALLS")]
    pub monthly_limit: Option<u64>,
    /// When it stops: a day or a time [default: never]
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    pub expires: Option<i64>,
    /// Whatever else is to be known; can be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
}

impl Fields {
    /// Puts what was given into a key.
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

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is no label; write it as NAME=VALUE")),
    }
}

/// Refuses ids that usage could not be counted under.
pub fn check_key_id(key_id: &str) -> anyhow::Result<()> {
    if key_id.is_empty() || key_id.len() > MAX_KEY_ID_BYTES {
        bail!("a key id has 1 to {MAX_KEY_ID_BYTES} bytes");
    }
    // `-` stands for no key in an access log.
    if key_id == "-" || !key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        bail!("a key id has letters, digits, '-', '_' and '.' only, and is not a mere '-'");
    }
    Ok(())
}

/// A key as JSON; nothing of its secrets is in it.
pub fn key_json(key: &KeyRecord) -> Value {
    json!({
        "apiKeyId": key.key_id, "owner": key.owner, "name": key.name, "plan": key.plan,
        "monthlyLimit": key.monthly_limit, "expiresAt": key.expires_at_ms.map(time_text),
        "labels": key.labels, "createdAt": time_text(key.created_at_ms), "deletedAt": key.deleted_at_ms.map(time_text),
        "previousSecretValidUntil": key.previous.as_ref().map(|previous| time_text(previous.valid_until_ms)),
    })
}

/// The state of a key, in a word.
pub fn state(key: &KeyRecord, now_ms: i64) -> &'static str {
    if key.deleted_at_ms.is_some() {
        "deleted"
    } else if key.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= now_ms) {
        "expired"
    } else {
        "active"
    }
}

/// Labels as people read them.
pub fn labels_text(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}
