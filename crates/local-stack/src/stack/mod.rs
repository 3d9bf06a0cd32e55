//! The whole usage meter on one machine: its parts are started, connected and stopped together.

pub mod backend;
mod backlog;
mod canary;
mod control;
pub mod demo_keys;
mod error;
mod functions;
mod options;
pub mod portal_key;
mod ports;
mod resources;
mod schedule;
pub mod secret_file;
mod servers;
mod services;
mod start;

use std::fs::File;
use std::sync::Arc;

use deployment::Endpoints;
use metering_aws::KeyAdmin;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use deployment::names::local::{
    ACCESS_LOG_GROUP, ALERTS_TABLE, CLAIMS_TABLE, INVALIDATIONS_FAILED_QUEUE, INVALIDATIONS_TABLE,
    KEYS_TABLE, QUARANTINE_QUEUE, STREAM, USAGE_TABLE,
};
pub use error::StartError;
pub use options::{AccessLogFields, Canary, LocalOptions, UsageCanary, built_binaries};
pub use resources::given_up_bucket;

use crate::cloudwatch::metrics::MetricSink;
use crate::cloudwatch_logs::log_group::LogGroup;
use crate::dynamodb::expiry::Expiry;
use crate::faults::Faults;
use crate::kinesis::KinesisStore;
use crate::lambda::event_source_mapping::MappingSettings;
use crate::lambda::{EventSourceMapping, Function};
use crate::sns_sqs::notifications::Notifications;
use backlog::Backlog;
use demo_keys::DemoKey;
use error::part_error;

/// A running local stack.
pub struct LocalStack {
    /// The URLs and names of the running stack.
    pub endpoints: Endpoints,
    /// The demonstration keys of the data folder.
    pub keys: Vec<DemoKey>,
    /// Creates, changes and deletes keys through the AWS endpoint, without messages.
    pub key_admin: KeyAdmin,
    /// Delivers published messages to the functions that subscribe to their topic.
    pub notifications: Arc<Notifications>,
    /// The logs and metrics that the functions print.
    pub metrics: Arc<MetricSink>,
    /// The function `usage-consumer`.
    pub consumer: Arc<Function>,
    /// The function `api-authorizer`.
    pub authorizer: Arc<Function>,
    /// The function `invalidation-fanout`.
    pub fanout: Arc<Function>,
    pub usage_endpoint: Arc<Function>,
    /// The function `usage-portal`.
    pub portal: Arc<Function>,
    /// The function `usage-reconciler`.
    pub reconciler: Arc<Function>,
    /// The function `usage-canary`; `None` if the stack runs without it.
    pub canary: Option<Arc<Function>>,
    /// The log group of the access log.
    pub log_group: Arc<LogGroup>,
    /// The storage of Kinesis.
    pub kinesis: Arc<KinesisStore>,
    /// A Kinesis client, through the AWS endpoint.
    pub kinesis_client: aws_sdk_kinesis::Client,
    /// A DynamoDB client that bypasses the injected faults.
    pub ledger_client: aws_sdk_dynamodb::Client,
    /// The injected faults.
    pub faults: Arc<Faults>,
    /// Deletes the items whose time to live is over.
    pub expiry: Expiry,
    /// One sentence for each server that could not have its port of the last run again.
    pub moved: Vec<String>,
    backlog: Backlog,
    mapping_settings: MappingSettings,
    mapping: Option<EventSourceMapping>,
    servers: JoinSet<()>,
    stop_gateway: watch::Sender<bool>,
    lock: File,
}

impl LocalStack {
    fn start_mapping(&mut self) {
        let mapping = EventSourceMapping::start(
            self.kinesis_client.clone(),
            self.consumer.clone(),
            self.mapping_settings.clone(),
            self.backlog.checkpoints.clone(),
        );
        self.mapping = Some(mapping);
    }

    /// Delivers the whole stream to the consumer again, from `TRIM_HORIZON`.
    ///
    /// # Errors
    /// Returns an error if the checkpoints cannot be cleared.
    pub async fn replay_from_trim_horizon(&mut self) -> Result<(), StartError> {
        if let Some(mapping) = self.mapping.take() {
            mapping.stop().await;
        }
        self.backlog.checkpoints.clear().map_err(|error| part_error("the event source mapping", error))?;
        self.start_mapping();
        Ok(())
    }

    /// Waits until the consumer has processed all events that are logged now, and
    /// all records that are on the stream by then.
    ///
    /// # Errors
    /// Returns an error if the subscription or the event source mapping has stopped.
    pub async fn settled(&self) -> Result<(), StartError> {
        self.backlog.settled().await
    }

    /// Waits until the subscription has put the first `events` log events on the
    /// stream, or has set their records aside for a late delivery.
    ///
    /// # Errors
    /// Returns an error if the subscription has stopped.
    pub async fn delivered(&self, events: i64) -> Result<(), StartError> {
        self.backlog.delivered(events).await
    }

    /// Returns all functions, in the order of `deployment::functions`.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        let always = [
            &self.consumer,
            &self.authorizer,
            &self.fanout,
            &self.usage_endpoint,
            &self.portal,
            &self.reconciler,
        ];
        always.into_iter().chain(&self.canary)
    }

    /// Stops the stack. Calls in progress are answered and new ones refused.
    /// Events that are logged and not yet counted stay in the data folder for the next start.
    pub async fn shut_down(mut self) {
        let _ = self.stop_gateway.send(true);
        if let Some(mapping) = self.mapping.take() {
            mapping.stop().await;
        }
        self.functions().for_each(|function| function.shut_down());
        self.servers.shutdown().await;
        self.metrics.store().write_logged();
        // A process that another thread is just starting has inherited the open lock
        // file. Without this, the folder would stay locked until that process runs its binary.
        let _ = self.lock.unlock();
    }
}
