//! The subscriptions of created log groups. All of them deliver to the stream of the usage meter.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::error::{LogsError, unreadable};
use super::filters::put_subscription_filter;
use super::groups::LogGroups;
use crate::cloudwatch_logs::log_group::LogGroup;
use crate::cloudwatch_logs::subscription::{Subscription, SubscriptionSettings};
use crate::faults::Faults;
use crate::sync::locked;

/// The stream to which subscriptions deliver, and how.
#[derive(Debug, Clone)]
pub struct Destination {
    pub client: aws_sdk_kinesis::Client,
    pub stream_arn: String,
    pub settings: SubscriptionSettings,
    pub faults: Arc<Faults>,
    /// Name of a log group whose subscription this service does not run.
    pub excluded_log_group: String,
}

/// The progress of a subscription.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub log_group: Arc<LogGroup>,
    /// Id of the last event up to which all events are delivered.
    pub delivered: watch::Receiver<i64>,
    /// Number of records that wait for a late delivery.
    pub late: watch::Receiver<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    destination: Option<Destination>,
    deliveries: Vec<Delivery>,
    /// The tasks end when the service is dropped.
    running: JoinSet<()>,
}

impl State {
    fn start(&mut self, destination: &Destination, log_group: Arc<LogGroup>) -> rusqlite::Result<()> {
        let Destination { client, settings, faults, .. } = destination.clone();
        let subscription = Subscription::new(log_group.clone(), client, settings, faults)?;
        let (delivered, late) = (subscription.delivered(), subscription.late());
        self.deliveries.push(Delivery { log_group, delivered, late });
        self.running.spawn(subscription.run());
        Ok(())
    }
}

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Starts the subscriptions of the log groups that have a filter.
    pub fn start(&self, destination: Destination, groups: &[Arc<LogGroup>]) -> rusqlite::Result<()> {
        let mut state = self.lock();
        for group in groups {
            if group.name() != destination.excluded_log_group && group.subscription_filter().is_some() {
                state.start(&destination, group.clone())?;
            }
        }
        state.destination = Some(destination);
        Ok(())
    }

    pub fn deliveries(&self) -> Vec<Delivery> {
        self.lock().deliveries.clone()
    }

    /// `PutSubscriptionFilter`. The first filter of a log group delivers only later events.
    pub fn put(&self, groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
        let mut state = self.lock();
        let Some(destination) = state.destination.clone() else {
            return Err(LogsError::new(
                "InvalidOperationException",
                "this service has no stream for subscriptions",
            ));
        };
        if let Some(group) = put_subscription_filter(groups, request, &destination.stream_arn)? {
            let last = *group.last_id().borrow();
            group.plan_delivery(last).map_err(unreadable)?;
            group.confirm_delivery(last).map_err(unreadable)?;
            state.start(&destination, group).map_err(unreadable)?;
        }
        Ok(json!({}))
    }
}
