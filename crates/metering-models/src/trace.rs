//! Descriptions of the steps of a counterexample.

use metering_core::batch_run::Request;
use metering_core::claims::owner::Owner;
use metering_core::claims::slice_claim::PageWrite;
use metering_core::shard::HeadWrite;
use metering_core::update_plan::CounterUpdate;

use crate::batches::CALLS;
use crate::protocol::Action;
use crate::state::State;
use crate::storage::Operation;

/// Describes an action in a state.
pub fn describe(state: &State, action: &Action) -> String {
    let Action::Complete { who, operation, outcome } = action else { return format!("{action:?}") };
    let invocation = state.invocation(*who);
    let records: Vec<u32> = invocation.delivery.records.iter().map(|record| record.number).collect();
    let version = invocation.delivery.version;
    let operation = invocation.operations().nth(*operation).map_or_else(String::new, describe_operation);
    format!("{who:?} ({version:?}, records {records:?}): {operation}: {outcome:?}")
}

/// Describes an operation by the part of it that differs between invocations.
pub fn describe_operation(operation: &Operation) -> String {
    let request = match operation {
        Operation::Keep(kept) => {
            return format!("keeps the calls {:?} of the record {}", kept.payload, kept.record);
        }
        Operation::Tables(request) => request,
    };
    match request {
        Request::WriteHead(HeadWrite { head, verdicts, .. }) => {
            let [judged, committed] = [&head.judged, &head.committed];
            let gaps: Vec<_> = head.gaps.iter().map(|gap| (&gap.from, &gap.before)).collect();
            format!(
                "writes the head, version {}, judged {judged:?}, committed {committed:?}, gaps {gaps:?}, verdicts {verdicts:?}",
                head.version
            )
        }
        Request::WritePage(PageWrite { expected_version, page, .. }) => {
            let owners = page.runs.iter().map(|run| {
                let Owner { purpose, record } = &run.owner;
                let is_of_run = |number: &usize| run.ids.contains(&CALLS[*number].id());
                let calls: Vec<usize> = (0..CALLS.len()).filter(is_of_run).collect();
                format!("{record} owns {calls:?} to {purpose:?}")
            });
            let owners: Vec<String> = owners.collect();
            format!("writes a page, expects version {expected_version:?}: {}", owners.join(", "))
        }
        Request::Apply(CounterUpdate { row, first, last, gaps, .. }) => {
            format!("adds records {first} to {last} to the row of {}, gaps {gaps:?}", row.key().api_key_id)
        }
        Request::Release(release) => {
            format!("asks the row of {} about record {}", release.row.key().api_key_id, release.record)
        }
        request => format!("{request:?}"),
    }
}
