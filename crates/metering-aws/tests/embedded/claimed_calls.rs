//! Looks up the owners of calls.

use metering_aws::DynamoClaimStore;
use metering_aws::claimed_calls::owners_of;
use metering_core::call_id::CallId;
use metering_core::claims::layout::SliceKey;
use metering_core::claims::owner::Purpose;
use metering_core::ports::ClaimStore;

use super::claims::{SLICE, page_write};
use super::{CLAIMS, dynamodb, record};

#[tokio::test]
async fn the_owners_of_calls_are_found_in_the_pages_of_their_slices() {
    let store = DynamoClaimStore::new(dynamodb().await, CLAIMS);
    let mut kept = page_write(1, None, "9", 10..12);
    kept.page.runs[0].owner.purpose = Purpose::Keep;
    for write in [page_write(0, None, "8", 0..10), kept] {
        store.write_page(&write).await.unwrap();
    }
    let elsewhere = SliceKey { start_ms: SLICE.start_ms + 10_000, group: SLICE.group };
    let call = |call| CallId::new("call", call);
    let calls = [(SLICE, call(3)), (SLICE, call(11)), (SLICE, call(12)), (elsewhere, call(4))];
    let owners = owners_of(&store, calls).await.unwrap();
    let owner = |id| owners.get(&call(id)).map(|owner| (owner.record.clone(), owner.purpose));
    assert_eq!(owner(3), Some((record("8"), Purpose::Count)));
    assert_eq!(owner(11), Some((record("9"), Purpose::Keep)));
    assert_eq!((owner(12), owner(4)), (None, None), "a call is claimed only in its own slice");
    assert_eq!(owners.len(), 2, "other calls of the slices are left out");
}
