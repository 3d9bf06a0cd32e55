//! The keys of a run: made before it, deleted after it.

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use lambda_support::clock::now_ms;
use metering_aws::KeyStore;
use metering_core::api_key::{KeyDigest, KeyRecord};
use rand::Rng;

use crate::harness::worker::ClientKey;

/// Requests under way at once.
const REQUESTS_AT_ONCE: usize = 16;

/// Makes keys that no other run has.
///
/// # Errors
/// When the table of keys cannot be written.
pub async fn create(store: &KeyStore, run: &str, count: u32) -> anyhow::Result<Vec<ClientKey>> {
    let keys = stream::iter(0..count).map(|number| async move {
        let key = ClientKey {
            api_key_id: format!("loadtest-{run}-{number:06}"),
            secret: format!("loadtest_{:032x}", rand::rng().random::<u128>()),
        };
        let record = KeyRecord {
            key_id: key.api_key_id.clone(),
            owner: "loadtest".to_owned(),
            name: format!("load test {run}"),
            digest: Some(KeyDigest::of_bytes(key.secret.as_bytes())),
            created_at_ms: now_ms(),
            ..KeyRecord::default()
        };
        store.create(&record).await.with_context(|| format!("the key {} cannot be made", key.api_key_id))?;
        Ok(key)
    });
    keys.buffered(REQUESTS_AT_ONCE).try_collect().await
}

/// Deletes them again. Their usage stays.
///
/// # Errors
/// When the table of keys cannot be written.
pub async fn delete(store: &KeyStore, keys: &[ClientKey]) -> anyhow::Result<()> {
    let deletions = stream::iter(keys).map(|key| async move {
        let id = &key.api_key_id;
        store.delete(id, now_ms()).await.map(drop).with_context(|| format!("the key {id} cannot be deleted"))
    });
    deletions.buffer_unordered(REQUESTS_AT_ONCE).try_collect().await
}
