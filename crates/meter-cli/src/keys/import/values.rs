//! The values of a row. Error messages quote no value, because it may be a secret.

use std::collections::BTreeMap;

use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::customer::check_customer_id;
use serde_json::Value;

use super::fields::Field;
use crate::keys::duration::time_ms;
use crate::keys::fields::check_key_id;

/// A row, read or rejected.
#[derive(Debug)]
pub struct Row {
    /// Line of the file, counted from 1.
    pub line: usize,
    /// The key, or the reason why the row is rejected.
    pub key: Result<DescribedRow, String>,
}

/// The content of a file.
#[derive(Debug, Default)]
pub struct File {
    /// Rows in the order of the file.
    pub rows: Vec<Row>,
    /// Names of unknown columns or members, which were ignored.
    pub unknown: Vec<String>,
}

/// The value of an optional field in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Setting<T> {
    /// The row does not have the field, which stays unchanged.
    #[default]
    Keep,
    /// The row sets the field, or clears it with `None`.
    Set(Option<T>),
}

/// A key as a row describes it. Fields that the row does not have stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribedRow {
    /// The id, if the row has one.
    pub key_id: Option<String>,
    /// The digest of the secret, if the row has one.
    pub digest: Option<KeyDigest>,
    /// `true` if the row describes a deleted key.
    pub is_deleted: bool,
    /// The customer, if the row has one. It is set when the key is created.
    pub customer_id: Option<String>,
    owner: Option<String>,
    name: Option<String>,
    plan: Option<String>,
    monthly_limit: Setting<u64>,
    expires_at_ms: Setting<i64>,
    labels: Option<BTreeMap<String, String>>,
    description: Option<String>,
}

impl DescribedRow {
    /// Returns the id in the row, or an id derived from the secret. Equal secrets give equal ids, and the id
    /// does not reveal the hash of the secret.
    pub fn id(&self) -> String {
        let derived = |digest: &KeyDigest| {
            let hash = KeyDigest::of_bytes(digest.to_string().as_bytes()).to_string();
            format!("key-{}", &hash[..20])
        };
        self.key_id.clone().or_else(|| self.digest.as_ref().map(derived)).unwrap_or_default()
    }

    /// Writes the fields of the row into a key.
    pub fn apply(&self, key: &mut KeyRecord) {
        let set = |target: &mut String, value: &Option<String>| {
            if let Some(value) = value {
                target.clone_from(value);
            }
        };
        if self.customer_id.is_some() {
            key.customer_id.clone_from(&self.customer_id);
        }
        set(&mut key.owner, &self.owner);
        set(&mut key.name, &self.name);
        set(&mut key.plan, &self.plan);
        if let Setting::Set(limit) = self.monthly_limit {
            key.monthly_limit = limit;
        }
        if let Setting::Set(expires_at_ms) = self.expires_at_ms {
            key.expires_at_ms = expires_at_ms;
        }
        if let Some(labels) = &self.labels {
            key.labels.clone_from(labels);
        }
        if let Some(description) = self.description.as_ref().filter(|text| !text.is_empty()) {
            key.labels.insert("description".to_owned(), description.clone());
        }
    }

    /// Reads a row. Error messages name the fields as the file does.
    ///
    /// # Errors
    /// When a value cannot be read, or a required field is missing.
    pub fn read(cells: &[Cell<'_>]) -> Result<Self, String> {
        let mut row = Self::default();
        let mut secrets = 0;
        for cell in cells {
            match cell.field {
                Field::KeyId => row.key_id = cell.nonempty_text()?,
                Field::CustomerId => row.customer_id = cell.customer_id()?,
                Field::Owner => {
                    row.owner = row.owner.take().filter(|owner| !owner.is_empty()).or(cell.text()?);
                }
                Field::Name => row.name = cell.text()?,
                Field::Plan => row.plan = cell.list()?,
                Field::MonthlyLimit => row.monthly_limit = Setting::Set(cell.limit()?),
                Field::ExpiresAt => {
                    row.expires_at_ms = Setting::Set(cell.time()?);
                }
                Field::Labels => row.labels = Some(cell.labels()?),
                Field::Description => row.description = cell.text()?,
                Field::Enabled => cell.check_enabled()?,
                Field::DeletedAt => row.is_deleted |= cell.has_time_of_deletion()?,
                Field::State => row.is_deleted |= cell.is_deleted_state()?,
                Field::Sha256 | Field::Secret => {
                    if let Some(digest) = cell.digest()? {
                        row.digest = Some(digest);
                        secrets += 1;
                    }
                }
                Field::Ignored => {}
            }
        }
        if secrets > 1 {
            return Err("it has both sha256 and api_key; give one of them".to_owned());
        }
        row.complete(cells)
    }

    /// Checks that the required fields are there. Files of API Gateway have no owner, so that the name of the
    /// key is used as its owner.
    fn complete(mut self, cells: &[Cell<'_>]) -> Result<Self, String> {
        let has = |names: &[&str]| {
            cells.iter().any(|cell| names.iter().any(|name| cell.name.eq_ignore_ascii_case(name)))
        };
        if self.digest.is_none() && has(&["stageKeys", "createdDate"]) {
            return Err("it has no value; run `aws apigateway get-api-keys` with --include-values".to_owned());
        }
        if self.key_id.is_none() && self.digest.is_none() {
            return Err("it has neither sha256 nor api_key".to_owned());
        }
        check_key_id(&self.id()).map_err(|problem| problem.to_string())?;
        if self.owner.is_none() {
            self.owner.clone_from(&self.customer_id);
        }
        if self.owner.is_none() && has(&["key", "value"]) {
            self.owner.clone_from(&self.name);
        }
        if self.owner.is_none() && self.digest.is_some() {
            return Err("it has no owner".to_owned());
        }
        Ok(self)
    }
}

/// Texts that exports and spreadsheets write in the place of a secret.
const PLACEHOLDERS: [&str; 13] = [
    "null",
    "(null)",
    "\\N",
    "none",
    "nil",
    "undefined",
    "n/a",
    "#n/a",
    "na",
    "nan",
    "redacted",
    "hidden",
    "masked",
];

/// Returns `true` for a text that is not a secret: a placeholder, a masked secret, only signs such as `-`, a
/// number that a spreadsheet has shortened, such as `1.2E+19`, or a text with the apostrophe of a spreadsheet.
fn is_placeholder(text: &str) -> bool {
    let is_masked = text.contains("***") || text.contains("•••");
    let is_number =
        text.contains(['E', 'e']) && text.contains('+') && text.replace(',', ".").parse::<f64>().is_ok();
    let is_word = PLACEHOLDERS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let has_letter = text.chars().any(char::is_alphanumeric);
    is_masked || is_number || is_word || !has_letter || text.starts_with('\'')
}

/// A value of a row.
pub struct Cell<'a> {
    pub field: Field,
    /// Name of the field in the file.
    pub name: &'a str,
    /// The JSON value; a string if the file is CSV.
    pub value: &'a Value,
}

impl Cell<'_> {
    fn text(&self) -> Result<Option<String>, String> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(format!("{} is not a text", self.name)),
        }
    }

    /// Returns the text unless it is empty.
    fn nonempty_text(&self) -> Result<Option<String>, String> {
        Ok(self.text()?.filter(|text| !text.is_empty()))
    }

    fn customer_id(&self) -> Result<Option<String>, String> {
        let Some(id) = self.nonempty_text()? else { return Ok(None) };
        check_customer_id(&id).map_err(|problem| problem.to_string())?;
        Ok(Some(id))
    }

    /// Returns a text, or several texts separated by commas, such as the ids of usage plans.
    fn list(&self) -> Result<Option<String>, String> {
        let Value::Array(values) = self.value else { return self.text() };
        let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
        texts.map(|texts| Some(texts.join(","))).ok_or_else(|| format!("{} is not a text", self.name))
    }

    fn digest(&self) -> Result<Option<KeyDigest>, String> {
        let Some(text) = self.nonempty_text()? else { return Ok(None) };
        match self.field {
            Field::Sha256 => {
                text.parse().map(Some).map_err(|_| "sha256 is not 64 hexadecimal digits".to_owned())
            }
            _ if is_placeholder(&text) => {
                Err(format!("{} is a placeholder or a number, and not a secret", self.name))
            }
            _ => KeyDigest::of_secret(&text).map(Some).map_err(|problem| problem.to_string()),
        }
    }

    /// Returns `true` for a text that is not a placeholder.
    fn has_time_of_deletion(&self) -> Result<bool, String> {
        Ok(self.nonempty_text()?.is_some_and(|text| !is_placeholder(&text)))
    }

    /// Returns `true` for a deleted key, and refuses a state in which a key is not admitted.
    fn is_deleted_state(&self) -> Result<bool, String> {
        match self.text()?.unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "active" | "enabled" | "expired" => Ok(false),
            "deleted" => Ok(true),
            _ => Err(format!(
                "{} is neither active, expired nor deleted, but an imported key is admitted; remove the row",
                self.name
            )),
        }
    }

    /// Parses a time. The message of [`time_ms`] is not used, because it quotes the text.
    fn time(&self) -> Result<Option<i64>, String> {
        let wrong =
            |_| format!("{} is not a time; write it as 2027-01-31 or 2027-01-31T12:00:00Z", self.name);
        self.nonempty_text()?.map(|text| time_ms(&text).map_err(wrong)).transpose()
    }

    fn limit(&self) -> Result<Option<u64>, String> {
        let wrong = || format!("{} is not a whole number", self.name);
        match self.value {
            Value::Null => Ok(None),
            Value::String(digits) if digits.is_empty() => Ok(None),
            Value::String(digits) => digits.parse().map(Some).map_err(|_| wrong()),
            number => number.as_u64().map(Some).ok_or_else(wrong),
        }
    }

    /// Parses an object of texts, or in CSV `name=value;name=value`.
    fn labels(&self) -> Result<BTreeMap<String, String>, String> {
        let labels = self.named_values()?;
        if labels.contains_key("") {
            return Err(format!("{} has a label without a name", self.name));
        }
        Ok(labels)
    }

    fn named_values(&self) -> Result<BTreeMap<String, String>, String> {
        let wrong = || format!("{} is neither an object of texts nor NAME=VALUE;NAME=VALUE", self.name);
        match self.value {
            Value::Null => Ok(BTreeMap::new()),
            Value::Object(labels) => labels
                .iter()
                .map(|(name, value)| Ok((name.clone(), value.as_str().ok_or_else(wrong)?.to_owned())))
                .collect(),
            Value::String(text) => text
                .split(';')
                .filter(|label| !label.trim().is_empty())
                .map(|label| label.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
                .collect::<Option<_>>()
                .ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    /// Rejects a disabled key, which would be admitted after the import.
    fn check_enabled(&self) -> Result<(), String> {
        let is_enabled = match self.value {
            Value::Null => Some(true),
            Value::Bool(is_enabled) => Some(*is_enabled),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            _ => None,
        };
        match is_enabled {
            Some(true) => Ok(()),
            Some(false) => Err(format!(
                "{} is false, but an imported key is admitted; remove the row, or enable the key in the file",
                self.name
            )),
            None => Err(format!("{} is neither true nor false", self.name)),
        }
    }
}
