//! The tables, as the local stack and tests create them. On AWS the stack does.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};

/// The attribute by which DynamoDB lets rows expire, in seconds since 1970.
pub const TTL_ATTRIBUTE: &str = "ttl";

/// Creates the usage ledger unless it exists.
///
/// # Errors
/// When the table cannot be created.
pub async fn create_usage_ledger(client: &Client, table: &str) -> Result<(), SdkError<CreateTableError>> {
    create(client, table, &[("pk", KeyType::Hash), ("sk", KeyType::Range)]).await
}

/// Creates the table of claims unless it exists.
///
/// # Errors
/// When the table cannot be created.
pub async fn create_claims(client: &Client, table: &str) -> Result<(), SdkError<CreateTableError>> {
    create(client, table, &[("pk", KeyType::Hash)]).await
}

async fn create(
    client: &Client,
    table: &str,
    keys: &[(&str, KeyType)],
) -> Result<(), SdkError<CreateTableError>> {
    let mut request = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for (name, key_type) in keys {
        let attribute = AttributeDefinition::builder()
            .attribute_name(*name)
            .attribute_type(ScalarAttributeType::S)
            .build();
        let key = KeySchemaElement::builder().attribute_name(*name).key_type(key_type.clone()).build();
        request = request
            .attribute_definitions(attribute.map_err(SdkError::construction_failure)?)
            .key_schema(key.map_err(SdkError::construction_failure)?);
    }
    match request.send().await {
        Err(error)
            if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
        Ok(_) => {
            let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL_ATTRIBUTE).build();
            let ttl = ttl.map_err(SdkError::construction_failure)?;
            // A table without expiry counts just as well; nothing depends on it.
            let _ =
                client.update_time_to_live().table_name(table).time_to_live_specification(ttl).send().await;
            Ok(())
        }
    }
}
