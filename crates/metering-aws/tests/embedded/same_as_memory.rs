//! The ports in memory answer any sequence of calls as those on DynamoDB do.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use memory_ports::MemoryPorts;
use metering_aws::ledger_items::{LAST_CALL, LedgerItem, NO_MARK, TOTAL, gap_attribute};
use metering_aws::{DynamoClaimStore, DynamoUsageLedger};
use metering_core::claims::layout::SliceKey;
use metering_core::claims::owner::ShardName;
use metering_core::ports::{ClaimStore, RowRelease, UsageLedger};
use metering_core::shard::{HeadWrite, QuarantinedPart, ShardHead, Verdict};
use metering_core::update_plan::CounterUpdate;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::claims::page_write;
use super::ledger::{attributes, fingerprint, gap, response_bytes, row, update};
use super::{CLAIMS, LEDGER, NOW_MS, dynamodb, number, record};

/// One database for all cases. Each case uses other rows, shards and slices.
static DATABASE: LazyLock<(Runtime, aws_sdk_dynamodb::Client)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let client = runtime.block_on(dynamodb());
    (runtime, client)
});
static CASES: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, Clone)]
enum LedgerCall {
    Apply { first: u8, records: u8, calls: u64, last_call_ms: i64, gaps: Vec<u32> },
    Release { number: u32, from: u8, records: u8, record: u8 },
}

fn ledger_call() -> impl Strategy<Value = LedgerCall> {
    let gaps = proptest::sample::subsequence(vec![0, 1, 2], 0..=3);
    prop_oneof![
        3 => (1..30_u8, 0..4_u8, 1..9_u64, 0..5_i64, gaps).prop_map(|(first, records, calls, last_call_ms, gaps)| {
            LedgerCall::Apply { first, records, calls, last_call_ms, gaps }
        }),
        1 => (0..3_u32, 1..30_u8, 1..6_u8, 0..6_u8).prop_map(|(number, from, records, record)| {
            LedgerCall::Release { number, from, records, record: record % records }
        }),
    ]
}

#[derive(Debug, Clone)]
enum ClaimCall {
    Head { version: u64, gap_count: u32, verdicts: Vec<u8> },
    Kept { record: u8, part: u8 },
    Page { page: u32, expected_version: Option<u64>, calls: i64 },
}

fn claim_call() -> impl Strategy<Value = ClaimCall> {
    prop_oneof![
        (0..4_u64, 0..9_u32, proptest::collection::btree_set(1..15_u8, 0..3)).prop_map(
            |(version, gap_count, verdicts)| ClaimCall::Head {
                version,
                gap_count,
                verdicts: verdicts.into_iter().collect()
            }
        ),
        (1..15_u8, 1..15_u8).prop_map(|(record, part)| ClaimCall::Kept { record, part }),
        (0..3_u32, proptest::option::of(1..4_u64), 0..5_i64)
            .prop_map(|(page, expected_version, calls)| ClaimCall::Page { page, expected_version, calls }),
    ]
}

async fn answer_of_ledger(ledger: &impl UsageLedger, key: &str, call: &LedgerCall) -> String {
    match call {
        LedgerCall::Apply { first, records, calls, last_call_ms, gaps } => {
            let (first, last) = (first.to_string(), (first + records).to_string());
            let update = CounterUpdate {
                row: row(key),
                last_call_ms: *last_call_ms,
                gaps: gaps.clone(),
                ..update(&first, &last, &[(3, *calls)])
            };
            format!("{:?}", ledger.apply(&update).await.unwrap())
        }
        LedgerCall::Release { number: gap_number, from, records, record } => {
            let mut gap = gap(&from.to_string(), &(from + records).to_string());
            gap.number = *gap_number;
            let record = number(&(from + record).to_string());
            let release = RowRelease { row: row(key), record, earlier_gaps: (0..gap.number).collect(), gap };
            format!("{:?}", ledger.release(&release).await.unwrap())
        }
    }
}

async fn answer_of_claims(claims: &impl ClaimStore, case: u32, call: &ClaimCall) -> String {
    let shard = ShardName::from_stored(&format!("1/r/usage/{case}"));
    let slice = SliceKey { start_ms: i64::from(case), group: 0 };
    let reply = match call {
        ClaimCall::Head { version, gap_count, verdicts } => {
            let verdict = |record: &u8| {
                let part = QuarantinedPart::Events(vec![u32::from(*record)]);
                (number(&record.to_string()), Verdict { part, is_kept: false })
            };
            let head = ShardHead { version: *version, gap_count: *gap_count, ..ShardHead::default() };
            let verdicts = verdicts.iter().map(verdict).collect();
            let write = HeadWrite { shard: shard.clone(), head, verdicts, expires_at_ms: NOW_MS };
            Some(claims.write_head(&write).await.unwrap())
        }
        ClaimCall::Kept { record: digits, part } => {
            let mut record = record(&digits.to_string());
            record.shard = shard.clone();
            let part = QuarantinedPart::Events(vec![u32::from(*part)]);
            Some(claims.mark_kept(&record, &part).await.unwrap())
        }
        ClaimCall::Page { page, expected_version, calls } => {
            let write = page_write(*page, *expected_version, "7", 0..*calls);
            Some(
                claims
                    .write_page(&metering_core::claims::slice_claim::PageWrite { slice, ..write })
                    .await
                    .unwrap(),
            )
        }
    };
    let head = claims.read_head(&shard).await.unwrap();
    let verdicts = claims.read_verdicts(&shard, &number("2"), &number("12")).await.unwrap();
    format!("{reply:?} {head:?} {verdicts:?} {:?}", claims.read_slice(slice).await.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn the_ledger_decides_as_in_memory(calls in proptest::collection::vec(ledger_call(), 1..20)) {
        let (runtime, client) = &*DATABASE;
        let key = format!("key-{}", CASES.fetch_add(1, Ordering::Relaxed));
        let (dynamodb, memory) = (DynamoUsageLedger::new(client.clone(), LEDGER, 400), MemoryPorts::default());
        runtime.block_on(async {
            for call in &calls {
                let answers = (answer_of_ledger(&dynamodb, &key, call).await, answer_of_ledger(&memory, &key, call).await);
                prop_assert_eq!(&answers.0, &answers.1, "{:?} of {:?}", call, calls);
            }
            let stored = attributes(client, &key).await;
            let attribute = |name: &str| stored.iter().find(|(known, _)| known == name).map(|(_, value)| format!("{value:?}"));
            let row = memory.store().rows[&row(&key)].clone();
            let total: u64 = row.hours.iter().sum();
            let item = stored.iter().cloned().collect();
            prop_assert_eq!(LedgerItem(&item).fingerprint().unwrap_or_default(), fingerprint(total));
            prop_assert_eq!(row.fingerprint, fingerprint(total));
            prop_assert_eq!(LedgerItem(&item).response_bytes(), Ok(row.response_bytes));
            prop_assert_eq!(row.response_bytes, row.hours.map(response_bytes));
            prop_assert_eq!(attribute(TOTAL), Some(format!("N(\"{total}\")")));
            if row.last_call_ms > 0 {
                prop_assert_eq!(attribute(LAST_CALL), Some(format!("N(\"{}\")", row.last_call_ms)));
            }
            for (number, mark) in row.gaps {
                let mark = mark.map_or_else(|| NO_MARK.to_owned(), |mark| mark.storage_form().to_owned());
                prop_assert_eq!(attribute(&gap_attribute(number)), Some(format!("S(\"{mark}\")")));
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_claim_store_decides_as_in_memory(calls in proptest::collection::vec(claim_call(), 1..20)) {
        let (runtime, client) = &*DATABASE;
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        let (dynamodb, memory) = (DynamoClaimStore::new(client.clone(), CLAIMS), MemoryPorts::default());
        runtime.block_on(async {
            for call in &calls {
                let answers = (answer_of_claims(&dynamodb, case, call).await, answer_of_claims(&memory, case, call).await);
                prop_assert_eq!(&answers.0, &answers.1, "{:?} of {:?}", call, calls);
            }
            Ok(())
        })?;
    }
}
