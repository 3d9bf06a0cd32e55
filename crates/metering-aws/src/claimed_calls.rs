//! The claims of given calls: who owns each of them.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt, TryStreamExt, stream};
use metering_core::call_id::{CallId, CallIdHasherBuilder};
use metering_core::claims::layout::SliceKey;
use metering_core::claims::owner::Owner;
use metering_core::claims::page::Run;
use metering_core::ports::{ClaimStore, PortError};

/// Slices that are read at once.
const CONCURRENCY: usize = 16;

/// Owners by the calls that they own.
pub type Owners = HashMap<CallId, Owner, CallIdHasherBuilder>;

/// The owners of those of these calls that are claimed. Each slice is read
/// once, with strong consistency.
///
/// # Errors
/// When the claims cannot be read.
pub async fn owners_of(
    claims: &impl ClaimStore,
    calls: impl IntoIterator<Item = (SliceKey, CallId)>,
) -> Result<Owners, PortError> {
    let mut slices: BTreeMap<SliceKey, Vec<CallId>> = BTreeMap::new();
    for (slice, id) in calls {
        slices.entry(slice).or_default().push(id);
    }
    let of_slice = |(slice, mut wanted): (SliceKey, Vec<CallId>)| async move {
        wanted.sort_unstable();
        let pages = claims.read_slice(slice).await?;
        let runs = pages.into_iter().flat_map(|stored| stored.page.runs);
        Ok::<_, PortError>(runs.flat_map(|run| owned(&run, &wanted)).collect::<Vec<_>>())
    };
    let found: Vec<Vec<(CallId, Owner)>> =
        stream::iter(slices).map(of_slice).buffer_unordered(CONCURRENCY).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// The wanted calls of a run; `wanted` is sorted.
fn owned(run: &Run, wanted: &[CallId]) -> Vec<(CallId, Owner)> {
    let is_wanted = |id: &&CallId| wanted.binary_search(id).is_ok();
    run.ids.iter().filter(is_wanted).map(|id| (*id, run.owner.clone())).collect()
}
