//! The adapters against an embedded DynamoDB and an embedded SQS.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod claimed_calls;
mod claims;
mod ledger;
mod quarantine;
mod same_as_memory;

use aws_sdk_dynamodb::Client;
use metering_aws::connection::{FUNCTION_RETRY_POLICY, load_local};
use metering_aws::tables;
use metering_core::claims::owner::{RecordName, ShardName};
use metering_core::sequence_number::SequenceNumber;

const LEDGER: &str = "ledger";
const CLAIMS: &str = "claims";
const NOW_MS: i64 = 1_795_509_270_000;

/// Starts an embedded DynamoDB with the tables of the consumer.
async fn dynamodb() -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    let client = Client::new(&load_local(&endpoint, FUNCTION_RETRY_POLICY).await);
    tables::create_usage_ledger(&client, LEDGER).await.unwrap();
    tables::create_claims(&client, CLAIMS).await.unwrap();
    client
}

fn number(digits: &str) -> SequenceNumber {
    SequenceNumber::parse(digits).unwrap()
}

fn shard() -> ShardName {
    ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000000")
}

fn record(digits: &str) -> RecordName {
    RecordName { shard: shard(), sequence_number: number(digits) }
}
