//! The subscriptions of created log groups, which feed the same stream.

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

/// Where subscriptions deliver to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// A client of the streams.
    pub client: aws_sdk_kinesis::Client,
    /// The ARN of the stream.
    pub stream_arn: String,
    /// How events are batched.
    pub settings: SubscriptionSettings,
    /// What goes wrong on purpose.
    pub faults: Arc<Faults>,
    /// The log group whose subscription somebody else runs.
    pub besides: String,
}

/// How far a subscription has come.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The log group.
    pub log_group: Arc<LogGroup>,
    /// Up to which event everything is delivered.
    pub delivered: watch::Receiver<i64>,
    /// How many records wait to be delivered late.
    pub late: watch::Receiver<usize>,
}

/// The subscriptions that run.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    destination: Option<Destination>,
    deliveries: Vec<Delivery>,
    /// They end with the service.
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

    /// Starts the subscriptions of log groups that have a filter.
    pub fn begin(&self, destination: Destination, groups: &[Arc<LogGroup>]) -> rusqlite::Result<()> {
        let mut state = self.lock();
        for group in groups {
            if group.name() != destination.besides && group.subscription_filter().is_some() {
                state.start(&destination, group.clone())?;
            }
        }
        state.destination = Some(destination);
        Ok(())
    }

    pub fn deliveries(&self) -> Vec<Delivery> {
        self.lock().deliveries.clone()
    }

    /// `PutSubscriptionFilter`. The first filter of a log group delivers the
    /// events that come after it.
    pub fn put(&self, groups: &LogGroups, request: &Value) -> Result<Value, LogsError> {
        let mut state = self.lock();
        let Some(destination) = state.destination.clone() else {
            return Err(("InvalidOperationException", "no stream takes deliveries here".to_owned()));
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
