//! The subscription of a log group. It filters, batches and compresses events, and puts them on the
//! stream at least once, as CloudWatch Logs does.

mod late_deliveries;
mod redelivery;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use access_log::envelope_writer::{EnvelopeHeader, gzip, log_event};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::Rng;
use rand_distr::{Distribution, LogNormal};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::cloudwatch_logs::filter_pattern::Line;
use crate::cloudwatch_logs::log_group::{LogEvent, LogGroup};
use crate::faults::{Faults, InjectedFault};
use crate::names::ACCOUNT_ID;
use late_deliveries::LateDeliveries;
use redelivery::Redelivery;

/// Maximum number of events that are delivered before the progress is written.
const MAX_ROUND_EVENTS: usize = 20_000;
/// Maximum number of records of one `PutRecords` request.
const RECORDS_PER_REQUEST: usize = 50;
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// 99th percentile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326;
/// Maximum lag of a delivery, in seconds: CloudWatch Logs retries for a day.
const MAX_LAG_S: f64 = 86_400.0;

/// The settings of a subscription.
#[derive(Debug, Clone)]
pub struct SubscriptionSettings {
    /// Name of the stream.
    pub stream: String,
    /// Maximum number of events of one record.
    pub max_batch_events: usize,
    /// Time for which a delivery waits for more events, in milliseconds.
    pub batch_delay_ms: u64,
    /// Distribution of an additional lag of each delivery.
    pub lag: Option<DeliveryLag>,
}

/// A log-normal distribution of the lag of deliveries. AWS documents no distribution; this is a model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryLag {
    /// Median of the lag, in milliseconds.
    pub median_ms: f64,
    /// 99th percentile of the lag, in milliseconds.
    pub p99_ms: f64,
}

impl DeliveryLag {
    /// Draws a lag, at most a day.
    pub fn sample(self, random: &mut impl Rng) -> Duration {
        let sigma = (self.p99_ms / self.median_ms).ln() / NORMAL_P99;
        let lag_ms = LogNormal::new(self.median_ms.ln(), sigma).map_or(0.0, |lag| lag.sample(random));
        Duration::from_secs_f64((lag_ms / 1_000.0).clamp(0.0, MAX_LAG_S))
    }
}

/// The subscription of a log group.
pub struct Subscription {
    log_group: Arc<LogGroup>,
    client: Client,
    settings: SubscriptionSettings,
    faults: Arc<Faults>,
    delivered: watch::Sender<i64>,
    redelivery: Redelivery,
    late: LateDeliveries,
}

/// A range of events that are due at the same time.
struct Round {
    due_at: Instant,
    /// Id of the last event before the round.
    after: i64,
    /// Id of the last event of the round.
    up_to: i64,
}

/// The reason for retrying a delivery.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error("the log group cannot be read")]
    LogGroup(#[from] rusqlite::Error),
    #[error("the stream refused records: {0}")]
    Stream(String),
}

impl Subscription {
    /// Returns a subscription, which delivers nothing before [`Self::run`].
    ///
    /// # Errors
    /// Returns an error if the log group cannot be read.
    pub fn new(
        log_group: Arc<LogGroup>,
        client: Client,
        settings: SubscriptionSettings,
        faults: Arc<Faults>,
    ) -> rusqlite::Result<Self> {
        let delivered = watch::channel(log_group.progress()?.delivered).0;
        let redelivery = Redelivery::new(faults.clone(), settings.max_batch_events);
        let late = LateDeliveries::open(log_group.clone())?;
        Ok(Self { log_group, client, settings, faults, delivered, redelivery, late })
    }

    /// Returns the id of the event up to which all events are delivered, and its changes.
    pub fn delivered(&self) -> watch::Receiver<i64> {
        self.delivered.subscribe()
    }

    /// Returns the number of records that wait for a late delivery, and its changes.
    pub fn late(&self) -> watch::Receiver<usize> {
        self.late.waiting()
    }

    /// Delivers events until the task is dropped.
    pub async fn run(self) {
        while let Err(error) = self.check_stream().await {
            tracing::warn!(cause = ?error, "could not write a control message to the stream; retrying");
            tokio::time::sleep(RETRY_DELAY).await;
        }
        let (due, rounds) = mpsc::unbounded_channel();
        if self.settings.lag.is_some() {
            tokio::join!(self.collect(due), self.deliver_as_they_are_due(rounds), self.deliver_late());
        } else {
            tokio::join!(self.collect(due), self.deliver_in_order(rounds), self.deliver_late());
        }
    }

    async fn check_stream(&self) -> Result<(), DeliveryError> {
        self.put(vec![self.control_message()]).await
    }

    /// Groups events into rounds and sends each with the time at which it is due. A round that lags does
    /// not delay the next ones.
    async fn collect(&self, due: mpsc::UnboundedSender<Round>) {
        let mut last_id = self.log_group.last_id();
        let mut after = *self.delivered.borrow();
        while last_id.wait_for(|last| *last > after).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(self.settings.batch_delay_ms)).await;
            let up_to = *last_id.borrow_and_update();
            let lag = self.settings.lag.map_or(Duration::ZERO, |lag| lag.sample(&mut rand::rng()));
            let delay = Duration::from_millis(self.faults.rates().delivery_delay_ms);
            self.faults.count(InjectedFault::DelayedDelivery, usize::from(!delay.is_zero()));
            if due.send(Round { due_at: Instant::now() + lag + delay, after, up_to }).is_err() {
                return;
            }
            after = up_to;
        }
    }

    /// Delivers the rounds one after the other. The end of a round is on disk before its first event is
    /// delivered. After a crash, the same records are therefore built again and recognised as the same,
    /// even if more events were logged in between.
    async fn deliver_in_order(&self, mut rounds: mpsc::UnboundedReceiver<Round>) {
        while let Some(Round { due_at, up_to: last, .. }) = rounds.recv().await {
            tokio::time::sleep_until(due_at).await;
            loop {
                let delivered = *self.delivered.borrow();
                if delivered >= last {
                    break;
                }
                if let Err(error) = self.deliver_next(delivered, last).await {
                    tracing::warn!(cause = ?error, "log delivery failed; retrying");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    async fn deliver_next(&self, delivered: i64, last: i64) -> Result<(), DeliveryError> {
        let planned = self.log_group.progress()?.planned;
        let up_to = if planned > delivered { planned } else { last };
        let events = self.log_group.read(delivered, up_to, MAX_ROUND_EVENTS)?;
        let Some(up_to) = events.last().map(|event| event.id) else { return Ok(()) };
        self.log_group.plan_delivery(up_to)?;
        self.deliver(events).await?;
        self.confirm(up_to)
    }

    fn confirm(&self, up_to: i64) -> Result<(), DeliveryError> {
        self.log_group.confirm_delivery(up_to)?;
        self.delivered.send_replace(up_to);
        Ok(())
    }

    /// Delivers each round when it is due, in any order, as a service of many machines does. This is a
    /// model for load tests: a stack that is killed may deliver events again in different records.
    async fn deliver_as_they_are_due(&self, mut rounds: mpsc::UnboundedReceiver<Round>) {
        let mut running = FuturesUnordered::new();
        let mut done = BTreeMap::new();
        loop {
            let round = tokio::select! {
                Some(round) = rounds.recv() => {
                    running.push(self.deliver_when_due(round));
                    continue;
                }
                Some(round) = running.next() => round,
                else => return,
            };
            done.insert(round.after, round.up_to);
            // The progress ends before the first round that is not delivered.
            let mut delivered = *self.delivered.borrow();
            while let Some(up_to) = done.remove(&delivered) {
                delivered = up_to;
                if let Err(error) = self.confirm(up_to) {
                    tracing::error!(cause = ?error, "could not write the progress of the deliveries");
                }
            }
        }
    }

    async fn deliver_when_due(&self, round: Round) -> Round {
        tokio::time::sleep_until(round.due_at).await;
        let mut after = round.after;
        while after < round.up_to {
            let delivery = async {
                let events = self.log_group.read(after, round.up_to, MAX_ROUND_EVENTS)?;
                let last = events.last().map_or(round.up_to, |event| event.id);
                self.deliver(events).await.map(|()| last)
            };
            match delivery.await {
                Ok(last) => after = last,
                Err(error) => {
                    tracing::warn!(cause = ?error, "log delivery failed; retrying");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
        round
    }

    /// Filters and batches events, and puts the records on the stream.
    async fn deliver(&self, events: Vec<LogEvent>) -> Result<(), DeliveryError> {
        // A log group without a filter has no subscription.
        let Some(filter) = self.log_group.subscription_filter() else { return Ok(()) };
        let (filter, pattern) = &*filter;
        let matching: Vec<LogEvent> =
            events.into_iter().filter(|event| pattern.matches(&Line::new(&event.message))).collect();
        let mut records = Vec::new();
        for batch in batches(&matching, self.settings.max_batch_events) {
            if self.faults.loses_batch() {
                continue;
            }
            let record = data_message(&self.log_group, &filter.filter_name, batch);
            if self.faults.duplicates_batch() {
                records.push(record.clone());
            }
            records.push(record);
            for regrouped in self.redelivery.regroup(batch) {
                records.push(data_message(&self.log_group, &filter.filter_name, &regrouped));
            }
        }
        let late_batch = self.faults.rates().late_batch;
        let (late, on_time): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|_| self.faults.happens(late_batch));
        self.faults.count(InjectedFault::LateRecord, late.len());
        for records in on_time.chunks(RECORDS_PER_REQUEST) {
            self.put(records.to_vec()).await?;
        }
        Ok(self.late.add(&late)?)
    }

    /// Delivers late records when they are due, until the task is dropped.
    async fn deliver_late(&self) {
        let mut rates = self.faults.changes();
        loop {
            let delay_ms = rates.borrow_and_update().late_batch_delay_ms;
            let due = tokio::select! {
                due = self.late.next_due(delay_ms) => due,
                // The new delay applies to the records that already wait.
                Ok(()) = rates.changed() => continue,
            };
            let delivery = async {
                let record = due?;
                self.put(vec![record.data]).await?;
                Ok::<_, DeliveryError>(self.late.delivered(record.id)?)
            };
            if let Err(error) = delivery.await {
                tracing::warn!(cause = ?error, "delivery of a late record failed; retrying");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }

    fn control_message(&self) -> Vec<u8> {
        let message = "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream.";
        let header = EnvelopeHeader {
            is_control_message: true,
            owner: "CloudwatchLogs",
            log_group: self.log_group.name(),
            ..EnvelopeHeader::default()
        };
        gzip(header.write(&log_event("", 0, message)).as_bytes())
    }

    /// Puts records on the stream with random partition keys, as a subscription with the distribution
    /// `Random` does, and repeats those that the stream refuses.
    async fn put(&self, mut records: Vec<Vec<u8>>) -> Result<(), DeliveryError> {
        while !records.is_empty() {
            let mut request = self.client.put_records().stream_name(&self.settings.stream);
            for record in &records {
                let partition_key = format!("{:032x}", rand::rng().random::<u128>());
                let entry = PutRecordsRequestEntry::builder()
                    .data(Blob::new(record.clone()))
                    .partition_key(partition_key);
                request =
                    request.records(entry.build().map_err(|error| DeliveryError::Stream(error.to_string()))?);
            }
            let reply = request.send().await.map_err(|error| DeliveryError::Stream(format!("{error:?}")))?;
            let mut results = reply.records.iter();
            records.retain(|_| results.next().is_some_and(|result| result.error_code.is_some()));
            if !records.is_empty() {
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
        Ok(())
    }
}

/// Returns the compressed envelope of events.
fn data_message(log_group: &LogGroup, filter_name: &str, events: &[LogEvent]) -> Vec<u8> {
    let log_events: Vec<String> =
        events.iter().map(|event| log_event(&event.event_id(), event.timestamp_ms, &event.message)).collect();
    let header = EnvelopeHeader {
        is_control_message: false,
        owner: ACCOUNT_ID,
        log_group: log_group.name(),
        log_stream: &events[0].log_stream,
        subscription_filters: &[filter_name],
    };
    gzip(header.write(&log_events.join(",")).as_bytes())
}

/// Splits events into batches. Each batch has events of one log stream.
fn batches(events: &[LogEvent], max_events: usize) -> impl Iterator<Item = &[LogEvent]> {
    events
        .chunk_by(|left, right| left.log_stream == right.log_stream)
        .flat_map(move |run| run.chunks(max_events))
}
