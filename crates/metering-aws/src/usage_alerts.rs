//! Alerts about limits: once per key, month and threshold, to an SNS topic.
//!
//! An instance first claims the alert in a table, then publishes, then marks
//! it as sent. If it dies in between, another takes the claim over after a
//! while: a message may then come twice, but none is lost. It bears an id by
//! which a subscriber can tell.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use metering_core::ports::{PortError, UsageAlert, UsageAlerts};
use serde_json::json;

use crate::error::port_error;
use crate::topic::Topic;

/// After how long a claim without a sent message can be taken over, in milliseconds.
const CLAIM_MS: i64 = 60_000;
/// How long it is remembered that an alert was sent, in seconds: 62 days.
const RETENTION_S: i64 = 62 * 24 * 3_600;

/// The answer to a claim.
enum AlertClaim {
    /// Send it.
    Granted,
    /// Another instance is about to, or has died.
    BeingSent,
    /// It was sent.
    Sent,
}

/// The alerts.
#[derive(Debug, Clone)]
pub struct SnsUsageAlerts {
    client: Client,
    table: String,
    topic: Topic,
}

impl SnsUsageAlerts {
    /// Alerts to a topic, with their claims in a table.
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
            .item(crate::tables::TTL_ATTRIBUTE, number(now_ms / 1000 + RETENTION_S))
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
