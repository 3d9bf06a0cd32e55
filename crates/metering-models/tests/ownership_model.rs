//! A model of the ownership of calls, checked in every interleaving.
//!
//! Invocations of several versions of the function run the real [`metering_core::batch_run`] on two
//! shards.
//!
//! - A call is in several records: CloudWatch Logs has delivered it again with other boundaries, or
//!   it was backfilled before it came late.
//! - One version counts a call that another quarantines, because it judges it to be bad, or cannot
//!   read the call or the record.
//! - A row refuses updates for as long as any invocation runs.
//! - Lambda gives up a batch that failed, and its invocation may go on.
//! - The operator puts back given-up batches and quarantined records, in any order, and perhaps
//!   twice.
//!
//! A call never has two owners, and is never counted twice. Each state at rest is continued without
//! faults: then each call is counted, in quarantine, or in the bucket of given-up records. After
//! everything was put back, and after a replay, it has to be counted exactly once.

use metering_models::batches::{CallNumber, Version};
use metering_models::checking::{assert_found, assert_holds};
use metering_models::coverage::Event;
use metering_models::protocol::{COUNTED_ONCE, Counting, SETTLES};
use metering_models::state::Budget;
use metering_models::storage::Rule;

/// Two shards with records of these calls. The operator puts records back onto the second one.
fn shards(records: [&[&[CallNumber]]; 2], versions: &[Version], budget: Budget) -> Counting {
    let records = records.map(|records| records.iter().map(|calls| calls.to_vec()).collect());
    Counting {
        records: records.to_vec(),
        versions: versions.to_vec(),
        budget,
        put_back_to: vec![1],
        ..Counting::default()
    }
}

const ABLE: &[Version] = &[Version::Able];

#[test]
fn a_delivery_with_other_boundaries() {
    let budget = Budget { invocations: 3, ..Budget::default() };
    assert_holds(shards([&[&[0], &[2]], &[&[0, 2]]], ABLE, budget), &[Event::PageConflict]);
}

#[test]
fn a_backfill_beside_a_late_delivery_and_requests_that_fail_or_are_late() {
    let budget = Budget { invocations: 2, faults: 1, ..Budget::default() };
    assert_holds(shards([&[&[0]], &[&[0, 2]]], ABLE, budget), &[Event::PageConflict, Event::CarriedOutLate]);
}

#[test]
fn versions_that_judge_a_call_differently() {
    let versions = [Version::Able, Version::Strict];
    let budget = Budget { invocations: 2, put_backs: 1, ..Budget::default() };
    let model = shards([&[&[0]], &[&[0]]], &versions, budget);
    assert_holds(model, &[Event::Kept, Event::PageConflict, Event::QuarantinedPutBack]);
}

#[test]
fn versions_that_cannot_read_a_call_or_a_record() {
    let versions = [Version::Able, Version::Blind, Version::Unable];
    let budget = Budget { invocations: 2, faults: 1, put_backs: 1, ..Budget::default() };
    let model = shards([&[&[0]], &[]], &versions, budget);
    assert_holds(model, &[Event::Kept, Event::HeadConflict, Event::QuarantinedPutBack]);
}

#[test]
fn a_given_up_batch_that_is_put_back() {
    let budget = Budget { invocations: 2, give_ups: 1, ..Budget::default() };
    let model = shards([&[&[0], &[1]], &[]], ABLE, budget);
    let model = Counting { first_crashes: true, ..model };
    assert_holds(model, &[Event::GivenUpPutBack, Event::RowCounts, Event::RowDoesNotCount, Event::Kept]);
}

#[test]
fn a_row_that_refuses_updates() {
    let budget = Budget { invocations: 2, put_backs: 1, refusals: 1, ..Budget::default() };
    let model = shards([&[&[0]], &[&[0]]], ABLE, budget);
    assert_holds(model, &[Event::RowRefused, Event::Kept, Event::QuarantinedPutBack]);
}

/// Two records of one row, the first of which may be given up.
fn given_up(without: Rule) -> Counting {
    let budget = Budget { invocations: 2, give_ups: 1, ..Budget::default() };
    Counting { without: Some(without), ..shards([&[&[0], &[1]], &[]], ABLE, budget) }
}

#[test]
fn without_claims_a_call_is_counted_twice() {
    let budget = Budget { invocations: 2, ..Budget::default() };
    let model = shards([&[&[0]], &[&[0]]], ABLE, budget);
    assert_found(Counting { without: Some(Rule::Claim), ..model }, COUNTED_ONCE);
}

#[test]
fn without_the_condition_of_the_page_a_call_is_counted_twice() {
    let budget = Budget { invocations: 2, ..Budget::default() };
    let model = shards([&[&[0]], &[&[0]]], ABLE, budget);
    assert_found(Counting { without: Some(Rule::PageCondition), ..model }, COUNTED_ONCE);
}

#[test]
fn without_the_condition_of_the_head_a_call_is_judged_twice() {
    let budget = Budget { invocations: 2, ..Budget::default() };
    let model = shards([&[&[0]], &[]], &[Version::Able, Version::Strict], budget);
    assert_found(Counting { without: Some(Rule::HeadCondition), ..model }, SETTLES);
}

#[test]
fn where_verdicts_are_not_kept_a_record_is_never_finished() {
    let budget = Budget { invocations: 1, ..Budget::default() };
    let model = shards([&[&[0]], &[]], &[Version::Strict], budget);
    assert_found(Counting { without: Some(Rule::VerdictKept), ..model }, SETTLES);
}

#[test]
fn where_a_put_back_does_not_name_its_record_a_given_up_call_is_lost() {
    assert_found(given_up(Rule::HandOver), SETTLES);
}

#[test]
fn where_no_gap_is_marked_a_given_up_call_is_lost() {
    assert_found(given_up(Rule::Gap), SETTLES);
}

#[test]
fn where_the_row_is_not_asked_a_given_up_call_is_counted_twice() {
    assert_found(given_up(Rule::RowAsked), SETTLES);
}

#[test]
fn where_the_row_is_not_fenced_a_zombie_counts_a_given_up_call_again() {
    assert_found(given_up(Rule::RowFenced), COUNTED_ONCE);
}

#[test]
fn where_the_row_forgets_its_mark_before_a_gap_a_given_up_call_is_lost() {
    assert_found(given_up(Rule::MarkBeforeGap), SETTLES);
}
