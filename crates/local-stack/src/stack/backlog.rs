//! What is on its way between the access log and the ledger.

use std::sync::Arc;

use deployment::names::local::STREAM;
use tokio::sync::watch;

use super::error::{StartError, part};
use crate::cloudwatch_logs::log_group::LogGroup;
use crate::cloudwatch_logs::service::LogsService;
use crate::kinesis::KinesisStore;
use crate::lambda::event_source_mapping::Checkpoints;

/// The parts that know what is on its way.
#[derive(Clone)]
pub(super) struct Backlog {
    pub log_group: Arc<LogGroup>,
    /// Knows the other log groups that feed the stream.
    pub logs: Arc<LogsService>,
    /// Up to which event the subscription has delivered.
    pub delivered: watch::Receiver<i64>,
    /// How many records the subscription delivers late.
    pub late: watch::Receiver<usize>,
    pub kinesis: Arc<KinesisStore>,
    pub checkpoints: Arc<Checkpoints>,
}

impl Backlog {
    /// Waits until every event that is logged now has gone through the
    /// consumer, and every record that is on the stream by then.
    ///
    /// # Errors
    /// When a part cannot be asked any more.
    pub async fn settled(&self) -> Result<(), StartError> {
        let logged = *self.log_group.last_id().borrow();
        self.delivered(logged).await?;
        self.late.clone().wait_for(|waiting| *waiting == 0).await.map_err(stopped)?;
        for mut delivery in self.logs.deliveries() {
            let logged = *delivery.log_group.last_id().borrow();
            delivery.delivered.wait_for(|delivered| *delivered >= logged).await.map_err(stopped)?;
            delivery.late.wait_for(|waiting| *waiting == 0).await.map_err(stopped)?;
        }
        let mut changes = self.checkpoints.changes();
        loop {
            changes.borrow_and_update();
            if self.shards_behind().map_err(|error| part("the stream", error))? == 0 {
                return Ok(());
            }
            changes
                .changed()
                .await
                .map_err(|_| part("the event source mapping", "it has stopped".to_owned()))?;
        }
    }

    /// Waits until everything up to the log event `id` was delivered, or
    /// waits to be delivered late.
    ///
    /// # Errors
    /// When the subscription has stopped.
    pub async fn delivered(&self, id: i64) -> Result<(), StartError> {
        self.delivered.clone().wait_for(|delivered| *delivered >= id).await.map(drop).map_err(stopped)
    }

    /// How many shards have records that were not processed yet.
    fn shards_behind(&self) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let mut behind = 0;
        for (shard_id, last) in self.kinesis.last_sequence_numbers(STREAM)? {
            let Some(last) = last else { continue };
            behind += usize::from(self.checkpoints.get(&shard_id)?.as_deref() != Some(last.as_str()));
        }
        Ok(behind)
    }
}

fn stopped(_: watch::error::RecvError) -> StartError {
    part("the subscription", "it has stopped".to_owned())
}
