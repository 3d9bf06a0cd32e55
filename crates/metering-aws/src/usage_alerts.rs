//! Alerts about monthly limits, sent once per key, month and threshold to an SNS topic.
//!
//! An instance claims the alert in a table, publishes it, and marks it as sent.
//! If the instance ends in between, another one takes over the claim after
//! [`CLAIM_MS`]. An alert may then be published twice, but is never lost. Its id
//! lets a subscriber recognise the second one.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use metering_core::ports::{PortError, UsageAlert, UsageAlerts};
use serde_json::json;

use crate::error::port_error;
use crate::topic::Topic;

/// Age from which on a claim without a sent message can be taken over, in milliseconds.
const CLAIM_MS: i64 = 60_000;
/// Retention of sent alerts, in seconds: 62 days.
const RETENTION_S: i64 = 62 * 24 * 3_600;

/// The result of claiming an alert.
enum AlertClaim {
    /// This instance has to send the alert.
    Granted,
    /// Another instance has claimed the alert and not yet sent it.
    BeingSent,
    /// The alert was sent already.
    Sent,
}

/// A sender of alerts.
#[derive(Debug, Clone)]
pub struct SnsUsageAlerts {
    client: Client,
    table: String,
    topic: Topic,
}

impl SnsUsageAlerts {
    /// Returns a sender to a topic, with the claims of alerts in `table`.
    pub fn new(client: Client, table: impl Into<String>, topic: Topic) -> Self {
        Self { client, table: table.into(), topic }
    }

    async fn claim(&self, id: &str, now_ms: i64) -> Result<AlertClaim, PortError> {
        let number = |value: i64| AttributeValue::N(value.to_string());
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", AttributeValue::S(id.to_owned()))
            .item("claimedAtMs", number(now_ms))
            .item(crate::schema::TTL_ATTRIBUTE, number(now_ms / 1000 + RETENTION_S))
            .condition_expression(
                "attribute_not_exists(pk) OR (attribute_not_exists(sentAtMs) AND claimedAtMs < :old)",
            )
            .expression_attribute_values(":old", number(now_ms - CLAIM_MS))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(AlertClaim::Granted) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                let sent = refused.item.as_ref().is_some_and(|item| item.contains_key("sentAtMs"));
                Ok(if sent { AlertClaim::Sent } else { AlertClaim::BeingSent })
            }
            _ => Err(port_error(format!("claiming an alert in table {}", self.table), error)),
        }
    }

    async fn mark_sent(&self, id: &str, now_ms: i64) -> Result<(), PortError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(id.to_owned()))
            .update_expression("SET sentAtMs = :now")
            .expression_attribute_values(":now", AttributeValue::N(now_ms.to_string()));
        let operation = || format!("marking an alert as sent in table {}", self.table);
        request.send().await.map(|_| ()).map_err(|error| port_error(operation(), error))
    }
}

impl UsageAlerts for SnsUsageAlerts {
    async fn notify(&self, alert: &UsageAlert, now_ms: i64) -> Result<bool, PortError> {
        let month = &alert.month.first_day().to_string()[..7];
        let percent = alert.threshold.percent();
        let id = format!("{}#{month}#{percent}", alert.key_id);
        match self.claim(&id, now_ms).await? {
            AlertClaim::Granted => {}
            AlertClaim::BeingSent => return Ok(false),
            AlertClaim::Sent => return Ok(true),
        }
        let message = json!({
            "alert_id": id, "api_key_id": alert.key_id, "owner": alert.owner, "month": month,
            "threshold_percent": percent, "usage_limit": alert.quota.limit, "current_usage": alert.quota.used,
            "usage_resets_at_ms": alert.quota.resets_at_ms,
        });
        let subject = format!("API key {} has used {percent} % of its limit", alert.key_id);
        // A subject has at most 100 characters (SNS API reference, Publish).
        let subject: String =
            subject.chars().filter(|char| char.is_ascii_graphic() || *char == ' ').take(100).collect();
        self.topic.publish(&subject, &message.to_string()).await.map_err(|error| PortError::Retryable {
            operation: "publishing an alert".to_owned(),
            source: Box::new(error),
        })?;
        self.mark_sent(&id, now_ms).await?;
        Ok(true)
    }
}
