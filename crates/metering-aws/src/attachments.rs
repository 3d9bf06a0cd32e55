//! What `meter attach` changed of the stages of APIs, in the table of the claims, so that `meter detach` undoes it.
//!
//! | attribute | type | value |
//! | --- | --- | --- |
//! | `pk` | S | `attachments` |
//! | `sk` | S | `API#STAGE` |
//! | `log_destination`, `log_format` | S | the access log before; empty if the stage had none, absent if it was not changed |
//! | `log_group_arn` | S | the log group to which the stage was told to write; absent if it was not changed |
//! | `routes` | L | the ids of the routes that were given the authorizer |
//! | `creates_authorizer` | BOOL | `true` if the authorizer was created |
//! | `is_deployed` | BOOL | `true` if the stage was deployed after the routes were changed |

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_core::ports::PortError;

use crate::error::port_error;
use crate::key_items::Item;

const PARTITION: &str = "attachments";

/// The settings of a stage's access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// ARN of the log group or the delivery stream.
    pub destination_arn: String,
    /// Format of a line.
    pub format: String,
}

/// The changes of one stage of an API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Access log before it was changed, `Some(None)` if the stage had none; `None` if it was not changed.
    pub access_log_before: Option<Option<AccessLog>>,
    /// ARN of the log group to which the stage was told to write.
    pub log_group_arn: Option<String>,
    /// Ids of the routes that were given the authorizer.
    pub routes: Vec<String>,
    /// `true` if the authorizer was created.
    pub creates_authorizer: bool,
    /// `true` if the stage was deployed after the last change of a route.
    pub is_deployed: bool,
}

impl Attachment {
    /// Returns `true` if nothing of the attachment is left.
    pub fn is_undone(&self) -> bool {
        *self == Self::default()
    }
}

/// The store of the attachments.
#[derive(Debug, Clone)]
pub struct AttachmentStore {
    client: Client,
    table: String,
}

impl AttachmentStore {
    /// Returns the attachments in the table of the claims.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Reads what was changed of a stage, strongly consistently; `None` if nothing was.
    ///
    /// # Errors
    /// Fails if the table cannot be read.
    pub async fn read(&self, api_id: &str, stage: &str) -> Result<Option<Attachment>, PortError> {
        let [pk, sk] = key(api_id, stage);
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let reply = request.key("pk", pk).key("sk", sk).send().await;
        let reply = reply.map_err(|error| port_error(self.operation("reading", api_id), error))?;
        Ok(reply.item.as_ref().map(attachment))
    }

    /// Reads what was changed of the other stages of an API, strongly consistently, by the name of the stage.
    ///
    /// # Errors
    /// Fails if the table cannot be read.
    pub async fn of_other_stages(
        &self,
        api_id: &str,
        stage: &str,
    ) -> Result<Vec<(String, Attachment)>, PortError> {
        let prefix = format!("{api_id}#");
        let request = self.client.query().table_name(&self.table).consistent_read(true);
        let request = request.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)");
        let request = request.expression_attribute_values(":pk", text(PARTITION));
        let mut items =
            request.expression_attribute_values(":prefix", text(&prefix)).into_paginator().items().send();
        let mut others = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error(self.operation("reading", api_id), error))?;
            let name = item.get("sk").and_then(|sk| sk.as_s().ok()).and_then(|sk| sk.strip_prefix(&prefix));
            others
                .extend(name.filter(|name| *name != stage).map(|name| (name.to_owned(), attachment(&item))));
        }
        Ok(others)
    }

    /// Writes what was changed of a stage.
    ///
    /// # Errors
    /// Fails if the table cannot be written.
    pub async fn write(&self, api_id: &str, stage: &str, attachment: &Attachment) -> Result<(), PortError> {
        let request = self.client.put_item().table_name(&self.table);
        let reply = request.set_item(Some(item(key(api_id, stage), attachment))).send().await;
        reply.map(|_| ()).map_err(|error| port_error(self.operation("writing", api_id), error))
    }

    /// Deletes the record of a stage, after its changes were undone.
    ///
    /// # Errors
    /// Fails if the table cannot be written.
    pub async fn delete(&self, api_id: &str, stage: &str) -> Result<(), PortError> {
        let [pk, sk] = key(api_id, stage);
        let reply =
            self.client.delete_item().table_name(&self.table).key("pk", pk).key("sk", sk).send().await;
        reply.map(|_| ()).map_err(|error| port_error(self.operation("deleting", api_id), error))
    }

    fn operation(&self, what: &str, api_id: &str) -> String {
        format!("{what} the attachment of the API {api_id} in table {}", self.table)
    }
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn key(api_id: &str, stage: &str) -> [AttributeValue; 2] {
    [text(PARTITION), text(format!("{api_id}#{stage}"))]
}

fn item([pk, sk]: [AttributeValue; 2], attachment: &Attachment) -> Item {
    let routes = attachment.routes.iter().map(text).collect();
    let mut item = HashMap::from([
        ("pk".to_owned(), pk),
        ("sk".to_owned(), sk),
        ("routes".to_owned(), AttributeValue::L(routes)),
        ("creates_authorizer".to_owned(), AttributeValue::Bool(attachment.creates_authorizer)),
        ("is_deployed".to_owned(), AttributeValue::Bool(attachment.is_deployed)),
    ]);
    if let Some(before) = &attachment.access_log_before {
        let [destination, format] =
            before.as_ref().map_or(["", ""], |log| [&log.destination_arn, &log.format]);
        item.insert("log_destination".to_owned(), text(destination));
        item.insert("log_format".to_owned(), text(format));
    }
    item.extend(attachment.log_group_arn.as_ref().map(|arn| ("log_group_arn".to_owned(), text(arn))));
    item
}

fn attachment(item: &Item) -> Attachment {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let access_log_before = text("log_destination").map(|destination_arn| {
        let format = text("log_format").unwrap_or_default();
        Some(AccessLog { destination_arn, format }).filter(|log| !log.destination_arn.is_empty())
    });
    let routes = item.get("routes").and_then(|value| value.as_l().ok());
    let routes = routes.into_iter().flatten().filter_map(|value| value.as_s().ok()).cloned().collect();
    let is = |name: &str| item.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or_default();
    Attachment {
        access_log_before,
        log_group_arn: text("log_group_arn"),
        routes,
        creates_authorizer: is("creates_authorizer"),
        is_deployed: is("is_deployed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_read_as_it_was_written() {
        let log = AccessLog {
            destination_arn: "arn:aws:logs:r:1:log-group:theirs".to_owned(),
            format: "{}".to_owned(),
        };
        for access_log_before in [None, Some(None), Some(Some(log))] {
            for is_set in [false, true] {
                let routes = vec!["r1/GET".to_owned(), "r2/ANY".to_owned()];
                let written = Attachment {
                    access_log_before: access_log_before.clone(),
                    log_group_arn: is_set.then(|| "arn:aws:logs:r:1:log-group:ours".to_owned()),
                    routes,
                    creates_authorizer: is_set,
                    is_deployed: !is_set,
                };
                assert_eq!(attachment(&item(key("api", "v1"), &written)), written);
                assert!(!written.is_undone());
            }
        }
    }
}
