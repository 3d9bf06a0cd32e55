//! Creation of the tables for the local stack and for tests. On AWS, the CDK
//! stack creates them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
};

use crate::schema::{HASHED_KEY_INDEX, TTL_ATTRIBUTE};

/// Creates the usage ledger unless it exists.
///
/// # Errors
/// Fails if the table cannot be created.
pub async fn create_usage_ledger(client: &Client, table: &str) -> Result<(), SdkError<CreateTableError>> {
    create(client, table, &[("pk", KeyType::Hash), ("sk", KeyType::Range)]).await
}

/// Creates the table of the claims unless it exists.
///
/// # Errors
/// Fails if the table cannot be created.
pub async fn create_claims(client: &Client, table: &str) -> Result<(), SdkError<CreateTableError>> {
    create(client, table, &[("pk", KeyType::Hash), ("sk", KeyType::Range)]).await
}

/// Creates the table of the keys, with its index, unless it exists.
///
/// # Errors
/// Fails if the table cannot be created.
pub async fn create_keys(client: &Client, table: &str) -> Result<(), SdkError<CreateTableError>> {
    send(client, table, request_for_keys(client, table)).await
}

/// Creates the table of the invalidation log unless it exists.
///
/// # Errors
/// Fails if the table cannot be created.
pub async fn create_invalidation_log(client: &Client, table: &str) -> Result<(), SdkError<CreateTableError>> {
    let keys =
        [("pk", KeyType::Hash, ScalarAttributeType::S), ("sk", KeyType::Range, ScalarAttributeType::N)];
    send(client, table, request(client, table, &keys)).await
}

/// Creates the table of the alerts that were sent unless it exists.
///
/// # Errors
/// Fails if the table cannot be created.
pub async fn create_alerts(client: &Client, table: &str) -> Result<(), SdkError<CreateTableError>> {
    create(client, table, &[("pk", KeyType::Hash)]).await
}

async fn create(
    client: &Client,
    table: &str,
    keys: &[(&str, KeyType)],
) -> Result<(), SdkError<CreateTableError>> {
    let keys: Vec<_> =
        keys.iter().map(|(name, key_type)| (*name, key_type.clone(), ScalarAttributeType::S)).collect();
    send(client, table, request(client, table, &keys)).await
}

fn definition(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()
}

fn key_schema(name: &str, key_type: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(key_type).build()
}

fn request(
    client: &Client,
    table: &str,
    keys: &[(&str, KeyType, ScalarAttributeType)],
) -> Result<CreateTableFluentBuilder, BuildError> {
    let mut request = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for (name, key_type, kind) in keys {
        request = request
            .attribute_definitions(definition(name, kind.clone())?)
            .key_schema(key_schema(name, key_type.clone())?);
    }
    Ok(request)
}

fn request_for_keys(client: &Client, table: &str) -> Result<CreateTableFluentBuilder, BuildError> {
    let index = GlobalSecondaryIndex::builder()
        .index_name(HASHED_KEY_INDEX)
        .key_schema(key_schema("hashedKey", KeyType::Hash)?)
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()?;
    let request = request(client, table, &[("pk", KeyType::Hash, ScalarAttributeType::S)])?;
    let hashed_key = definition("hashedKey", ScalarAttributeType::S)?;
    Ok(request.attribute_definitions(hashed_key).global_secondary_indexes(index))
}

async fn send(
    client: &Client,
    table: &str,
    request: Result<CreateTableFluentBuilder, BuildError>,
) -> Result<(), SdkError<CreateTableError>> {
    let request = request.map_err(SdkError::construction_failure)?;
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
            // Counting does not depend on expiry, so a failure is ignored.
            let _ =
                client.update_time_to_live().table_name(table).time_to_live_specification(ttl).send().await;
            Ok(())
        }
    }
}
