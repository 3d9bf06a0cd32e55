//! Deletion of expired items.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, BillingMode};
use local_stack::stack::{CLAIMS_TABLE, LocalStack};
use system_clock::now_ms;

use crate::probe_stack::options;

async fn put(client: &Client, table: &str, key: &str, ttl: Option<AttributeValue>) {
    let mut item = HashMap::new();
    let keys = client.describe_table().table_name(table).send().await.unwrap().table.unwrap();
    for definition in keys.attribute_definitions() {
        let value = match definition.attribute_type().as_str() {
            "N" => AttributeValue::N("7".to_owned()),
            _ => AttributeValue::S(key.to_owned()),
        };
        item.insert(definition.attribute_name().to_owned(), value);
    }
    item.insert("name".to_owned(), AttributeValue::S(key.to_owned()));
    if let Some(ttl) = ttl {
        item.insert("ttl".to_owned(), ttl);
    }
    client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

async fn names(client: &Client, table: &str) -> Vec<String> {
    let items = client.scan().table_name(table).send().await.unwrap().items.unwrap();
    let mut names: Vec<String> =
        items.iter().filter_map(|item| item.get("name")?.as_s().ok().cloned()).collect();
    names.sort();
    names
}

fn seconds_from_now(seconds: i64) -> AttributeValue {
    AttributeValue::N((now_ms() / 1_000 + seconds).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_past_its_time_in_a_table_with_ttl_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path())).await.unwrap();
    let client = &stack.ledger_client;
    put(client, CLAIMS_TABLE, "past", Some(seconds_from_now(-10))).await;
    put(client, CLAIMS_TABLE, "future", Some(seconds_from_now(3_600))).await;
    put(client, CLAIMS_TABLE, "none", None).await;
    put(client, CLAIMS_TABLE, "text", Some(AttributeValue::S("1".to_owned()))).await;
    let without = table_without_ttl(client).await;
    put(client, &without, "past", Some(seconds_from_now(-10))).await;
    assert_eq!(names(client, CLAIMS_TABLE).await, ["future", "none", "past", "text"]);
    assert_eq!(stack.expiry.sweep().await.unwrap(), 1);
    assert_eq!(names(client, CLAIMS_TABLE).await, ["future", "none", "text"]);
    assert_eq!(names(client, &without).await, ["past"]);
    stack.shut_down().await;
}

/// Creates a table like that of the claims, but without TTL.
async fn table_without_ttl(client: &Client) -> String {
    let claims = client.describe_table().table_name(CLAIMS_TABLE).send().await.unwrap().table.unwrap();
    let create = client.create_table().table_name("without-ttl").billing_mode(BillingMode::PayPerRequest);
    let create = create.set_attribute_definitions(claims.attribute_definitions);
    create.set_key_schema(claims.key_schema).send().await.unwrap();
    "without-ttl".to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_sweeps_by_itself_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.ttl_sweep_interval_ms = 20;
    let stack = LocalStack::start(options).await.unwrap();
    put(&stack.ledger_client, CLAIMS_TABLE, "past", Some(seconds_from_now(-10))).await;
    while !names(&stack.ledger_client, CLAIMS_TABLE).await.is_empty() {
        tokio::task::yield_now().await;
    }
    stack.shut_down().await;
}
