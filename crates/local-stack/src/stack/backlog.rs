//! The events between the access log and the ledger.

use std::sync::Arc;

use deployment::names::local::STREAM;
use tokio::sync::watch;

use super::error::{StartError, part_error};
use crate::cloudwatch_logs::log_group::LogGroup;
use crate::cloudwatch_logs::service::LogsService;
use crate::kinesis::KinesisStore;
use crate::lambda::event_source_mapping::Checkpoints;

/// The parts that know which events are not counted yet.
#[derive(Clone)]
pub(super) struct Backlog {
    pub log_group: Arc<LogGroup>,
    /// The service that has the other log groups of the stream.
    pub logs: Arc<LogsService>,
    /// Id of the last event that the subscription has delivered.
    pub delivered: watch::Receiver<i64>,
    /// Number of records that wait for a late delivery.
    pub late: watch::Receiver<usize>,
    pub kinesis: Arc<KinesisStore>,
    pub checkpoints: Arc<Checkpoints>,
}

impl Backlog {
    /// Waits until the consumer has processed all events that are logged now, and all records
    /// that are on the stream by then.
    ///
    /// # Errors
    /// Returns an error if the subscription or the event source mapping has stopped.
    pub async fn settled(&self) -> Result<(), StartError> {
        let logged = *self.log_group.last_id().borrow();
        self.delivered(logged).await?;
        self.late.clone().wait_for(|waiting| *waiting == 0).await.map_err(subscription_stopped)?;
        for mut delivery in self.logs.deliveries() {
            let logged = *delivery.log_group.last_id().borrow();
            let delivered = delivery.delivered.wait_for(|delivered| *delivered >= logged).await;
            delivered.map(drop).map_err(subscription_stopped)?;
            delivery.late.wait_for(|waiting| *waiting == 0).await.map_err(subscription_stopped)?;
        }
        let mut changes = self.checkpoints.changes();
        loop {
            changes.borrow_and_update();
            if self.shards_behind().map_err(|error| part_error("the stream", error))? == 0 {
                return Ok(());
            }
            changes
                .changed()
                .await
                .map_err(|_| part_error("the event source mapping", "it has stopped".to_owned()))?;
        }
    }

    /// Waits until the subscription has delivered the events up to `id`, or has set their records
    /// aside for a late delivery.
    ///
    /// # Errors
    /// Returns an error if the subscription has stopped.
    pub async fn delivered(&self, id: i64) -> Result<(), StartError> {
        let reached = self.delivered.clone().wait_for(|delivered| *delivered >= id).await.map(drop);
        reached.map_err(subscription_stopped)
    }

    /// Counts the shards that have unprocessed records.
    fn shards_behind(&self) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let mut behind = 0;
        for (shard_id, last) in self.kinesis.last_sequence_numbers(STREAM)? {
            let Some(last) = last else { continue };
            behind += usize::from(self.checkpoints.get(&shard_id)?.as_deref() != Some(last.as_str()));
        }
        Ok(behind)
    }
}

fn subscription_stopped(_: watch::error::RecvError) -> StartError {
    part_error("the subscription", "it has stopped".to_owned())
}
