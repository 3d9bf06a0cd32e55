//! Finds the owners of calls in the claims.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt, TryStreamExt, stream};
use metering_core::call_id::{CallId, CallIdHasherBuilder};
use metering_core::claims::layout::SliceKey;
use metering_core::claims::owner::Owner;
use metering_core::claims::page::Run;
use metering_core::ports::{ClaimStore, PortError};

/// Number of slices that are read concurrently.
const CONCURRENCY: usize = 16;

/// The owner of each claimed call.
pub type Owners = HashMap<CallId, Owner, CallIdHasherBuilder>;

/// Returns the owners of those calls that are claimed. Each slice is read once,
/// with strong consistency.
///
/// # Errors
/// Fails if the claims cannot be read.
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

/// Returns the calls of a run that are in `wanted`, which is sorted.
fn owned(run: &Run, wanted: &[CallId]) -> Vec<(CallId, Owner)> {
    let is_wanted = |id: &&CallId| wanted.binary_search(id).is_ok();
    run.ids.iter().filter(is_wanted).map(|id| (*id, run.owner.clone())).collect()
}
