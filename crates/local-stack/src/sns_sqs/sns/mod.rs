//! Amazon SNS: topics and subscriptions on disk. Messages are delivered to functions and queues.

mod delivery;
mod error;
mod operations;
mod store;

use std::path::Path;
use std::sync::Arc;

pub use error::SnsError;
pub use operations::Answer;
use store::Store;

use crate::api::tables::SNS;
use crate::api::{check_texts, query};
use crate::faults::Faults;
use crate::sns_sqs::notifications::Notifications;
use crate::sns_sqs::queues::Queues;

/// The service.
pub struct Sns {
    store: Store,
    notifications: Arc<Notifications>,
    queues: Arc<Queues>,
    faults: Arc<Faults>,
}

impl Sns {
    /// Opens the file of topics and subscriptions, which is created if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub fn open(
        path: &Path,
        notifications: Arc<Notifications>,
        queues: Arc<Queues>,
        faults: Arc<Faults>,
    ) -> rusqlite::Result<Self> {
        Ok(Self { store: Store::open(path)?, notifications, queues, faults })
    }

    /// Performs the operation of a request in the query protocol.
    ///
    /// # Errors
    /// Returns the error response of the service.
    pub async fn handle(&self, body: &[u8]) -> Result<Answer, SnsError> {
        let mut request = query::read(body);
        check_texts(&SNS, &request.action, &mut request.parameters)?;
        self.perform(request.action, &request.parameters).await
    }
}
