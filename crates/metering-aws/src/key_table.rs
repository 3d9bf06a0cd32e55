//! Finds API keys by the digests of their secrets, for the authorizer.

use aws_sdk_dynamodb::Client;
use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::ports::{KeyTable, PortError};

use crate::error::port_error;
use crate::key_items::{self, Item};
use crate::schema::HASHED_KEY_INDEX;

/// A reader of the table of keys.
#[derive(Debug, Clone)]
pub struct DynamoKeyTable {
    client: Client,
    table: String,
}

impl DynamoKeyTable {
    /// Returns the reader of `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Reads a key by its id, with strong consistency.
    ///
    /// # Errors
    /// Fails if the item cannot be read or is malformed.
    pub async fn key(&self, key_id: &str) -> Result<Option<KeyRecord>, PortError> {
        let item = self.item(key_items::key_pk(key_id)).await?;
        item.map(|item| self.read(&item)).transpose()
    }

    /// Returns the id of the key to which a secret belongs or belonged.
    pub(crate) async fn pointer(&self, digest: &KeyDigest) -> Result<Option<String>, PortError> {
        let pointer = self.item(key_items::pointer_pk(digest)).await?;
        Ok(pointer.and_then(|pointer| pointer.get("keyId")?.as_s().ok().cloned()))
    }

    async fn item(&self, pk: aws_sdk_dynamodb::types::AttributeValue) -> Result<Option<Item>, PortError> {
        let request = self.client.get_item().table_name(&self.table).key("pk", pk).consistent_read(true);
        match request.send().await {
            Ok(reply) => Ok(reply.item),
            Err(error) => Err(port_error(self.operation(), error)),
        }
    }

    fn operation(&self) -> String {
        format!("reading the keys in table {}", self.table)
    }

    fn read(&self, item: &Item) -> Result<KeyRecord, PortError> {
        key_items::from_item(item)
            .map_err(|error| PortError::Refused { operation: self.operation(), source: Box::new(error) })
    }
}

impl KeyTable for DynamoKeyTable {
    async fn find_by_index(&self, digest: &KeyDigest) -> Result<Option<KeyRecord>, PortError> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(HASHED_KEY_INDEX)
            .key_condition_expression("hashedKey = :digest")
            .expression_attribute_values(
                ":digest",
                aws_sdk_dynamodb::types::AttributeValue::S(digest.to_string()),
            )
            .limit(1);
        let reply = request.send().await.map_err(|error| port_error(self.operation(), error))?;
        reply.items().first().map(|item| self.read(item)).transpose()
    }

    async fn find_consistently(&self, digest: &KeyDigest) -> Result<Option<KeyRecord>, PortError> {
        match self.pointer(digest).await? {
            Some(key_id) => self.key(&key_id).await,
            None => Ok(None),
        }
    }
}
