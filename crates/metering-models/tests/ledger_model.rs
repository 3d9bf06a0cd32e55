//! A model of the ledger protocol, checked in every interleaving.
//!
//! Up to three invocations run the real [`metering_core::batch_run`] on the records of one shard at
//! once: the one that Lambda waits for, and zombies. The ledger, the claims and the head have the
//! conditions that DynamoDB evaluates.
//!
//! - Lambda considers an invocation failed at any time, and delivers the records again with any other
//!   end: bisected, or with later records. The invocation goes on as a zombie, or has crashed.
//! - A request is carried out at any time. It is refused; its reply is lost; it is sent again; or it
//!   is carried out after it failed, and even after its invocation has ended.
//! - The event source mapping begins anew at an earlier record.
//!
//! No call may ever be counted twice. Each state at rest is continued without faults: then each call
//! has to be counted exactly once, by key and in total.

use metering_models::batches::{CallNumber, Version};
use metering_models::checking::{assert_found, assert_holds, assert_same_in_any_order};
use metering_models::coverage::Event;
use metering_models::protocol::{COUNTED_ONCE, Counting, SETTLES};
use metering_models::state::Budget;
use metering_models::storage::Rule;

/// Two records of one row: two invocations write it one after the other, in any order.
const ONE_ROW: &[&[CallNumber]] = &[&[0], &[1]];
/// Two records, and a row of each of two keys. The second record has calls of both rows.
const TWO_ROWS: &[&[CallNumber]] = &[&[0], &[1, 2]];

/// One shard with records of these calls.
fn shard(records: &[&[CallNumber]], budget: Budget) -> Counting {
    let records = records.iter().map(|calls| calls.to_vec()).collect();
    Counting { records: vec![records], versions: vec![Version::Able], budget, ..Counting::default() }
}

#[test]
fn one_row_and_three_invocations_at_once() {
    let budget = Budget { invocations: 3, ..Budget::default() };
    assert_holds(shard(ONE_ROW, budget), &[Event::Fenced, Event::HeadConflict, Event::PageConflict]);
}

#[test]
fn one_row_and_requests_that_fail_or_are_late() {
    let budget = Budget { invocations: 2, faults: 2, ..Budget::default() };
    assert_holds(shard(ONE_ROW, budget), &[Event::Fenced, Event::CarriedOutLate]);
}

#[test]
fn one_row_whose_records_are_read_again() {
    let budget = Budget { invocations: 3, replays: 1, ..Budget::default() };
    assert_holds(shard(ONE_ROW, budget), &[Event::Fenced, Event::HeadConflict]);
}

#[test]
fn two_rows_and_requests_that_fail_or_are_late() {
    let budget = Budget { invocations: 2, faults: 1, ..Budget::default() };
    assert_holds(shard(TWO_ROWS, budget), &[Event::Fenced, Event::CarriedOutLate]);
}

/// If two states with the same hash had different successors, the visited states would depend on
/// which of them is visited first.
#[test]
fn states_that_are_taken_for_the_same_go_on_alike() {
    let budget = Budget { invocations: 2, replays: 1, ..Budget::default() };
    assert_same_in_any_order(|| shard(ONE_ROW, budget));
}

#[test]
fn without_the_condition_of_the_row_a_call_is_counted_twice() {
    let budget = Budget { invocations: 2, ..Budget::default() };
    assert_found(Counting { without: Some(Rule::Fence), ..shard(ONE_ROW, budget) }, COUNTED_ONCE);
}

#[test]
fn where_a_fenced_update_is_not_planned_again_a_call_is_lost() {
    let budget = Budget { invocations: 2, ..Budget::default() };
    assert_found(Counting { without: Some(Rule::Replan), ..shard(ONE_ROW, budget) }, SETTLES);
}
