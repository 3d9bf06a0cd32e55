//! Lines of a trace: what an operation of a port did.

use access_log::{Decoder, Limits, Origin};
use metering_core::batch_run::{Reply, Request};
use metering_core::call_id::CallId;
use metering_core::claims::owner::{Purpose, RecordName, ShardName};
use metering_core::claims::page::Page;
use metering_core::shard::{QuarantinedPart, ShardHead};
use metering_core::update_plan::CounterUpdate;

use crate::api_log::HOUR_MS;
use crate::ports::Operation;

/// Describes an operation and its reply in a line.
pub fn describe(operation: &Operation, reply: &Reply) -> String {
    let action = match operation {
        Operation::Keep(record) => {
            format!("quarantines a part of {} ({})", name(&record.record), record.reason)
        }
        Operation::ReadClasses => "reads the route classes".to_owned(),
        Operation::Store(request) => describe_request(request),
    };
    match reply {
        Reply::Done => action,
        Reply::Head(None) => format!("{action}: there is none"),
        Reply::Head(Some(head)) => format!("{action}: {}", describe_head(head)),
        Reply::Verdicts(verdicts) => {
            let verdicts = verdicts.iter().map(|(record, verdict)| {
                format!(" {} {}, kept: {}", record.digits(), describe_part(&verdict.part), verdict.is_kept)
            });
            format!("{action}:{}", verdicts.collect::<String>())
        }
        Reply::Slice(pages) => {
            let pages =
                pages.iter().map(|stored| format!(" v{} {}", stored.version, describe_page(&stored.page)));
            format!("{action}:{}", pages.collect::<String>())
        }
        other => format!("{action}: {other:?}"),
    }
}

fn describe_request(request: &Request) -> String {
    match request {
        Request::ReadHead(shard) => format!("reads the head of {}", short(shard)),
        Request::ReadVerdicts(shard, first, last) => {
            format!("reads the verdicts on {} {} to {}", short(shard), first.digits(), last.digits())
        }
        Request::WriteHead(write) => {
            let verdicts = write.verdicts.iter().map(|(record, verdict)| {
                format!(", verdict on {}: {}", record.digits(), describe_part(&verdict.part))
            });
            let verdicts: String = verdicts.collect();
            format!("writes the head of {}, {}{verdicts}", short(&write.shard), describe_head(&write.head))
        }
        Request::ReadSlice(slice) => format!("reads {slice}"),
        Request::WritePage(write) => {
            let version = write.expected_version.unwrap_or(0);
            format!(
                "writes page {} of {} over v{version}: {}",
                write.number,
                write.slice,
                describe_page(&write.page)
            )
        }
        Request::Release(release) => {
            let row = &release.row;
            format!(
                "releases row {} {} of record {} in gap {}",
                row.key().api_key_id,
                row.sort_key(),
                release.record.digits(),
                release.gap.number
            )
        }
        Request::Keep(..) => "quarantines a part".to_owned(),
        Request::MarkKept(record, part) => {
            format!("marks {} of {} as quarantined", describe_part(part), name(record))
        }
        Request::Apply(update) => describe_update(update),
    }
}

fn describe_update(update: &CounterUpdate) -> String {
    let hours = update.hours.iter().enumerate().filter(|(_, calls)| **calls > 0);
    let hours: Vec<String> = hours.map(|(hour, calls)| format!(" {calls} at {hour}:00")).collect();
    let hours = hours.concat();
    let CounterUpdate { row, first, last, gaps, .. } = update;
    format!(
        "counts for {} on {}:{hours}, records {} to {}, gaps {gaps:?}",
        row.key().api_key_id,
        row.day(),
        first.digits(),
        last.digits()
    )
}

fn describe_head(head: &ShardHead) -> String {
    let digits = |number: &Option<metering_core::sequence_number::SequenceNumber>| {
        number.as_ref().map_or("-".to_owned(), |number| number.digits().to_owned())
    };
    let gaps = head
        .gaps
        .iter()
        .map(|gap| format!(", gap {} {:?} before {}", gap.number, gap.from, gap.before.digits()));
    format!(
        "v{} judged to {}, committed to {}{}",
        head.version,
        digits(&head.judged),
        digits(&head.committed),
        gaps.collect::<String>()
    )
}

fn describe_page(page: &Page) -> String {
    let runs = page.runs.iter().map(|run| {
        let purpose = match run.owner.purpose {
            Purpose::Count => "counts",
            Purpose::Keep => "keeps",
            Purpose::Refused => "was refused",
        };
        let ids: Vec<String> = run.ids.iter().map(|id| format!(" {}", short_id(*id))).collect();
        let ids = ids.concat();
        format!("[{} {purpose}{ids}]", name(&run.owner.record))
    });
    runs.collect()
}

fn describe_part(part: &QuarantinedPart) -> String {
    match part {
        QuarantinedPart::Whole => "whole record".to_owned(),
        QuarantinedPart::Events(events) => format!("events {events:?}"),
    }
}

/// Describes the calls of a record, as a version without limits reads them.
pub fn describe_record(data: &[u8], record_name: &str, arrived_at_ms: i64) -> String {
    let mut calls = Vec::new();
    let origin = Origin { record_name, arrived_at_ms };
    let decoded = Decoder::new(Limits::default()).decode(data, origin, |event| {
        let call = event.call.as_ref().map_or("unreadable", |call| call.api_key_id.unwrap_or("-"));
        let hour = event.claimed_at_ms.div_euclid(HOUR_MS).rem_euclid(24);
        calls.push(format!(" {}={call}@{hour}", short_id(event.id)));
    });
    if decoded.is_ok() { calls.concat() } else { " no readable event".to_owned() }
}

fn short_id(id: CallId) -> String {
    let [first, second, third, ..] = id.to_bytes();
    format!("{first:02x}{second:02x}{third:02x}")
}

fn name(record: &RecordName) -> String {
    format!("{}/{}", short(&record.shard), record.sequence_number.digits())
}

fn short(shard: &ShardName) -> &str {
    shard.shard_id().trim_start_matches("shardId-").trim_start_matches("00000000000")
}
