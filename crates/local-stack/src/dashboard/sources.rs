//! The sources of what the pages show.

use std::sync::Arc;

use metering_aws::{CustomerStore, KeyStore};
use metering_core::billing_rules::BillingRules;

use crate::cloudwatch::MetricStore;
use crate::cloudwatch::alarms::Measured;
use crate::cloudwatch_logs::service::LogsService;

/// The parts of a running stack that the pages read.
#[derive(Clone)]
pub struct PageSources {
    pub metrics: Arc<MetricStore>,
    pub logs: Arc<LogsService>,
    /// Client of the tables of the ledger and the claims.
    pub ledger: aws_sdk_dynamodb::Client,
    pub keys: KeyStore,
    pub customers: CustomerStore,
    /// The rules of the consumer by which calls are billed.
    pub rules: BillingRules,
    /// What the stack measures, and since when.
    pub measured: Measured,
}
