//! The SNS message about the change of a key, which `metering-aws` publishes and `api-authorizer` reads.

use serde_json::{Value, json};

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidationMessage {
    pub api_key_id: String,
    /// The sequence number of the entry in the invalidation log.
    pub sequence: u64,
    /// The kind of change, for people: `deleted`, `rotated` or `updated`.
    pub change: String,
    /// The time of the change, in milliseconds since 1970.
    pub changed_at_ms: i64,
}

impl InvalidationMessage {
    /// Returns the message as JSON.
    pub fn to_json(&self) -> String {
        json!({
            "api_key_id": self.api_key_id, "sequence": self.sequence,
            "change": self.change, "changed_at_ms": self.changed_at_ms,
        })
        .to_string()
    }

    /// Parses a message. Returns `None` if the text is not one.
    pub fn from_json(text: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(text).ok()?;
        Some(Self {
            api_key_id: message["api_key_id"].as_str().filter(|id| !id.is_empty())?.to_owned(),
            sequence: message["sequence"].as_u64()?,
            change: message["change"].as_str().unwrap_or("changed").to_owned(),
            changed_at_ms: message["changed_at_ms"].as_i64().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_round_trips() {
        let change = "deleted".to_owned();
        let message =
            InvalidationMessage { api_key_id: "key \"1\"".to_owned(), sequence: 7, change, changed_at_ms: 5 };
        assert_eq!(InvalidationMessage::from_json(&message.to_json()), Some(message));
        assert_eq!(InvalidationMessage::from_json("{\"api_key_id\":\"\",\"sequence\":1}"), None);
    }
}
