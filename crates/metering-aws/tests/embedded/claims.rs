//! The claim store: round trips, and optimistic locking.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_aws::DynamoClaimStore;
use metering_core::call_id::CallId;
use metering_core::claims::layout::SliceKey;
use metering_core::claims::owner::{Owner, Purpose};
use metering_core::claims::page::{Page, Run};
use metering_core::claims::slice_claim::PageWrite;
use metering_core::ports::{ClaimStore, PortError, WriteReply};
use metering_core::sequence_number::SequenceNumber;
use metering_core::shard::{
    ArrivedRecord, Beginning, Gap, HeadWrite, MAX_VERDICTS, OpenRecords, OpenVerdict, QuarantinedPart,
    ShardHead, Verdict,
};

use super::{CLAIMS, NOW_MS, dynamodb, number, record, shard};

pub const SLICE: SliceKey = SliceKey { start_ms: 1_795_509_270_000, group: 3 };

async fn store() -> (Client, DynamoClaimStore) {
    let client = dynamodb().await;
    (client.clone(), DynamoClaimStore::new(client, CLAIMS))
}

fn head_write(head: ShardHead, verdicts: Vec<(SequenceNumber, Verdict)>) -> HeadWrite {
    HeadWrite { shard: shard(), head, verdicts, expires_at_ms: NOW_MS }
}

fn whole() -> Verdict {
    Verdict { part: QuarantinedPart::Whole, is_kept: false }
}

pub fn page_write(
    page: u32,
    expected_version: Option<u64>,
    owner: &str,
    calls: std::ops::Range<i64>,
) -> PageWrite {
    let ids = calls.map(|call| CallId::new("call", call)).collect();
    let run = Run { owner: Owner { purpose: Purpose::Count, record: record(owner) }, ids };
    let page_of_run = Page { is_closed: page == 0, runs: vec![run] };
    PageWrite { slice: SLICE, number: page, expected_version, expires_at_ms: NOW_MS, page: page_of_run }
}

#[tokio::test]
async fn a_head_comes_back_as_it_was_written_with_every_member() {
    let (_, store) = store().await;
    assert_eq!(store.read_head(&shard()).await.unwrap(), None);
    let arrived = |digits| ArrivedRecord { sequence_number: number(digits), arrived_at_ms: NOW_MS };
    let judged = ShardHead::default().judge(&[arrived("8"), arrived("9"), arrived("10")]);
    let committed = judged.commit(Some(&arrived("8")), Some(&number("9")));
    let full = ShardHead {
        gap_count: 7,
        gaps: vec![
            Gap { number: 5, from: Beginning::At(number("2")), before: number("4"), closed_at_ms: 11 },
            Gap { number: 6, from: Beginning::After(number("5")), before: number("8"), closed_at_ms: 12 },
        ],
        open: Some(OpenRecords {
            from: Beginning::After(number("8")),
            hashes: vec![0, u32::MAX, 77],
            verdicts: vec![OpenVerdict { record: u64::MAX, part: 5 }],
        }),
        ..committed.clone()
    };
    for (version, head) in [judged, committed, full].into_iter().enumerate() {
        let head = ShardHead { version: version as u64, ..head };
        assert_eq!(
            store.write_head(&head_write(head.clone(), Vec::new())).await.unwrap(),
            WriteReply::Written
        );
        let read = store.read_head(&shard()).await.unwrap().unwrap();
        assert_eq!(read, ShardHead { version: version as u64 + 1, ..head });
    }
}

#[tokio::test]
async fn of_two_writers_that_read_the_same_head_one_has_to_read_again() {
    let (_, store) = store().await;
    for version in 0..2 {
        // A head with verdicts is written in a transaction, a head alone by a put.
        for verdicts in [vec![(number("5"), whole())], Vec::new()] {
            let head =
                ShardHead { version: version * 2 + u64::from(verdicts.is_empty()), ..ShardHead::default() };
            let write = head_write(head, verdicts);
            assert_eq!(store.write_head(&write).await.unwrap(), WriteReply::Written);
            assert_eq!(store.write_head(&write).await.unwrap(), WriteReply::Conflict);
        }
    }
    assert_eq!(store.read_head(&shard()).await.unwrap().unwrap().version, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_the_same_time_come_one_after_the_other() {
    let (_, store) = store().await;
    let writers: Vec<_> = (0..8)
        .map(|writer: u32| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    let head = store.read_head(&shard()).await.unwrap().unwrap_or_default();
                    let next = ShardHead { gap_count: head.gap_count + 1, ..head };
                    let verdicts =
                        if writer.is_multiple_of(2) { vec![(number("5"), whole())] } else { Vec::new() };
                    if store.write_head(&head_write(next, verdicts)).await.unwrap() == WriteReply::Written {
                        return;
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let head = store.read_head(&shard()).await.unwrap().unwrap();
    assert_eq!((head.version, head.gap_count), (8, 8), "no write was lost");
}

#[tokio::test]
async fn verdicts_come_into_force_with_their_head_or_not_at_all() {
    let (_, store) = store().await;
    let events = Verdict { part: QuarantinedPart::Events(vec![0, 7, 131_071]), is_kept: false };
    let verdicts = vec![(number("9"), whole()), (number("10"), events.clone()), (number("300"), whole())];
    let read = async |first: &str, last: &str| {
        store.read_verdicts(&shard(), &number(first), &number(last)).await.unwrap()
    };
    let stale = head_write(ShardHead { version: 1, ..ShardHead::default() }, verdicts.clone());
    assert_eq!(store.write_head(&stale).await.unwrap(), WriteReply::Conflict);
    assert_eq!(read("0", "999").await, []);
    let fresh = head_write(ShardHead::default(), verdicts.clone());
    assert_eq!(store.write_head(&fresh).await.unwrap(), WriteReply::Written);
    assert_eq!(read("0", "999").await, verdicts);
    assert_eq!(read("9", "10").await, verdicts[..2], "both ends are included, by number and not as text");
    assert_eq!(read("11", "299").await, []);

    let fewer = QuarantinedPart::Events(vec![0, 7]);
    assert_eq!(store.mark_kept(&record("10"), &fewer).await.unwrap(), WriteReply::Conflict);
    assert_eq!(read("10", "10").await, [(number("10"), events.clone())]);
    assert_eq!(store.mark_kept(&record("10"), &events.part).await.unwrap(), WriteReply::Written);
    assert_eq!(read("10", "10").await, [(number("10"), Verdict { is_kept: true, ..events })]);
    // An expired verdict is not created again.
    assert_eq!(store.mark_kept(&record("11"), &fewer).await.unwrap(), WriteReply::Conflict);
    assert_eq!(read("11", "11").await, []);
}

#[tokio::test]
async fn the_most_verdicts_of_one_write_fit_a_transaction() {
    let (_, store) = store().await;
    let verdicts: Vec<_> = (1..=MAX_VERDICTS).map(|digits| (number(&digits.to_string()), whole())).collect();
    let write = head_write(ShardHead::default(), verdicts.clone());
    assert_eq!(store.write_head(&write).await.unwrap(), WriteReply::Written);
    assert_eq!(store.read_verdicts(&shard(), &number("1"), &number("99")).await.unwrap(), verdicts);
}

#[tokio::test]
async fn the_pages_of_a_slice_are_a_chain_with_a_lock_on_each() {
    let (_, store) = store().await;
    assert_eq!(store.read_slice(SLICE).await.unwrap(), []);
    // More than one page of Query, which has 1 MB. Source: DynamoDB Developer Guide, "Query".
    for page in 0..6 {
        let write = page_write(page, None, "7", 0..20_000);
        assert_eq!(store.write_page(&write).await.unwrap(), WriteReply::Written);
        assert_eq!(store.write_page(&write).await.unwrap(), WriteReply::Conflict, "the page exists already");
    }
    let changed = page_write(5, Some(1), "8", 0..3);
    assert_eq!(store.write_page(&changed).await.unwrap(), WriteReply::Written);
    assert_eq!(
        store.write_page(&changed).await.unwrap(),
        WriteReply::Conflict,
        "another writer changed the page"
    );
    let read = store.read_slice(SLICE).await.unwrap();
    assert_eq!(
        read.iter().map(|page| (page.number, page.version)).collect::<Vec<_>>(),
        [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 2)]
    );
    assert_eq!((&read[5].page, read[5].expires_at_ms), (&changed.page, NOW_MS));
    assert_eq!(read[0].page, page_write(0, None, "7", 0..20_000).page);
    // The neighbouring slices have no pages.
    for slice in [SliceKey { group: 30, ..SLICE }, SliceKey { start_ms: SLICE.start_ms + 1, ..SLICE }] {
        assert_eq!(store.read_slice(slice).await.unwrap(), []);
    }
}

#[tokio::test]
async fn every_item_expires_and_a_damaged_one_is_refused_by_name() {
    let (client, store) = store().await;
    store.write_head(&head_write(ShardHead::default(), vec![(number("5"), whole())])).await.unwrap();
    store.write_page(&page_write(0, None, "7", 0..1)).await.unwrap();
    let items = client.scan().table_name(CLAIMS).send().await.unwrap().items.unwrap();
    assert_eq!(items.len(), 3);
    assert!(items.iter().all(|item| item["ttl"] == AttributeValue::N((NOW_MS / 1_000).to_string())));

    let text = |value: &str| AttributeValue::S(value.to_owned());
    let damaged = client
        .put_item()
        .table_name(CLAIMS)
        .item("pk", text(&SLICE.to_string()))
        .item("sk", text("page#00001"));
    damaged.item("page", text("no bytes")).send().await.unwrap();
    let refused = store.read_slice(SLICE).await.unwrap_err();
    let PortError::Refused { operation, source } = &refused else { panic!("{refused:?}") };
    assert!(operation.contains(CLAIMS) && source.to_string().contains("page#00001"), "{refused:?}");
}
