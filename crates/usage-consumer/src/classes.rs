//! The copy of the lists of route classes that an instance keeps.

use std::sync::{Arc, Mutex, PoisonError};

use metering_core::class_lists::{ClassLists, copy_applies};
use metering_core::ports::{ClaimStore, PortError};

/// A copy of the lists, read again when a record may be younger than it. Its clones share the copy.
#[derive(Debug, Clone, Default)]
pub struct ClassCopy(Arc<Mutex<Option<Read>>>);

/// The lists as they were read.
#[derive(Debug)]
struct Read {
    /// Time before the read, in milliseconds since 1970. It is at most the arrival of a record that
    /// was delivered before the read, so that a clock of the instance that is ahead does no harm.
    at_ms: i64,
    lists: Arc<ClassLists>,
}

impl ClassCopy {
    /// Returns all lists that apply to calls of records which arrived up to `arrived_at_ms`. The
    /// present time is `now_ms`; both are in milliseconds since 1970.
    ///
    /// # Errors
    /// When the lists have to be read and cannot be.
    pub async fn lists(
        &self,
        claims: &impl ClaimStore,
        arrived_at_ms: i64,
        now_ms: i64,
    ) -> Result<Arc<ClassLists>, PortError> {
        if let Some(Read { at_ms, lists }) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && copy_applies(*at_ms, arrived_at_ms)
        {
            return Ok(Arc::clone(lists));
        }
        let lists = Arc::new(claims.read_class_lists().await?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Read { at_ms: now_ms.min(arrived_at_ms), lists: Arc::clone(&lists) });
        Ok(lists)
    }
}
