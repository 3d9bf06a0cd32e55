//! The API keys of a run: created before it, deleted after it.

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use metering_aws::KeyAdmin;
use metering_aws::key_admin::NewKey;
use metering_core::api_key::KeyDigest;
use rand::Rng;
use system_clock::now_ms;

use crate::harness::worker::ClientKey;

/// Maximum requests in flight.
const CONCURRENT_REQUESTS: usize = 16;

/// Creates `count` keys whose identifiers contain the name of the run.
///
/// # Errors
/// Returns an error if a key cannot be written.
pub async fn create(admin: &KeyAdmin, run: &str, count: u32) -> anyhow::Result<Vec<ClientKey>> {
    let keys = stream::iter(0..count).map(|number| async move {
        let key = ClientKey {
            api_key_id: format!("loadtest-{run}-{number:06}"),
            customer_id: customer_of(run, number),
            secret: format!("loadtest_{:032x}", rand::rng().random::<u128>()),
        };
        let digest = KeyDigest::of_bytes(key.secret.as_bytes());
        let new_key = NewKey::new(&key.api_key_id, digest, now_ms()).described(|described| {
            described.customer_id.clone_from(&key.customer_id);
            described.owner = "loadtest".into();
            described.name = format!("load test {run}");
        });
        admin.create(&new_key).await.with_context(|| format!("cannot create the key {}", key.api_key_id))?;
        Ok(key)
    });
    keys.buffered(CONCURRENT_REQUESTS).try_collect().await
}

/// Every third key belongs to no customer. Two others share a customer.
fn customer_of(run: &str, number: u32) -> Option<String> {
    (!number.is_multiple_of(3)).then(|| format!("loadtest-{run}-{:06}", number / 3))
}

/// Deletes the keys. The ledger keeps their usage.
///
/// # Errors
/// Returns an error if a key cannot be deleted.
pub async fn delete(admin: &KeyAdmin, keys: &[ClientKey]) -> anyhow::Result<()> {
    let deletions = stream::iter(keys).map(|key| async move {
        let id = &key.api_key_id;
        admin.delete(id, now_ms()).await.map(drop).with_context(|| format!("cannot delete the key {id}"))
    });
    deletions.buffer_unordered(CONCURRENT_REQUESTS).try_collect().await
}
