//! Sends calls when they are due.

use std::sync::Arc;
use std::time::Duration;

use lambda_support::clock::now_ms;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};

use super::record::{Ending, Record};
use super::{Assignment, Report, Start, read_line, say};
use crate::harness::client::Caller;
use crate::harness::schedule::Schedule;
use crate::harness::workload::{Call, Workload};

const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// After how many calls in a row the answers get their turn.
const CALLS_IN_A_ROW: u32 = 32;

/// What all calls of a worker share.
struct Sender {
    caller: Caller,
    secrets: Vec<String>,
    permits: Arc<Semaphore>,
    record: Record,
}

/// Does what standard input says.
///
/// # Errors
/// When the assignment makes no sense or nobody listens any more.
pub async fn run() -> anyhow::Result<()> {
    let assignment: Assignment = read_line("the assignment")?;
    let client = assignment.profile.client;
    let workload = Workload::new(&assignment.profile)?;
    let schedule = Schedule::new(assignment.profile.load);
    let sender = Arc::new(Sender {
        caller: Caller::new(&assignment.gateway, client.protocol, client.connections)?,
        secrets: assignment.keys.into_iter().map(|key| key.secret).collect(),
        permits: Arc::new(Semaphore::new(client.calls_under_way as usize)),
        record: Record::default(),
    });
    say(&Report::Ready)?;
    let start: Start = read_line("the start")?;
    let start = instant_at(start.at_ms);
    let reporter = tokio::spawn(report_progress(sender.clone()));
    // What this worker and each of its calls hold; it closes when the last has ended.
    let (running, mut ended) = tokio::sync::mpsc::channel::<()>(1);
    let mut in_a_row = 0;
    for number in (u64::from(assignment.worker)..schedule.calls()).step_by(assignment.workers as usize) {
        let due = start + Duration::from_secs_f64(schedule.due_s(number));
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
            in_a_row = 0;
        }
        sender.record.sent(due.elapsed());
        let (sender, running) = (sender.clone(), running.clone());
        let call = workload.call(number);
        tokio::spawn(async move {
            sender.send(call, due).await;
            drop(running);
        });
        in_a_row += 1;
        if in_a_row % CALLS_IN_A_ROW == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(running);
    let _ = ended.recv().await;
    reporter.abort();
    let _ = reporter.await;
    say(&Report::Progress(sender.record.take()))?;
    say(&Report::Finished(sender.record.seen()))
}

/// The instant of a wall-clock time.
fn instant_at(at_ms: i64) -> Instant {
    Instant::now() + Duration::from_millis(u64::try_from(at_ms - now_ms()).unwrap_or(0))
}

impl Sender {
    async fn send(&self, call: Call, due: Instant) {
        let Ok(_permit) = self.permits.acquire().await else { return };
        let sent_ms = now_ms();
        let answer = self.caller.call(call.status, &self.secrets[call.key as usize]).await;
        self.record.ended(&Ending {
            key: call.key,
            asked: call.status,
            status: answer.ok(),
            sent_ms,
            ended_ms: now_ms(),
            took: due.elapsed(),
        });
    }
}

async fn report_progress(sender: Arc<Sender>) {
    let mut times = tokio::time::interval(REPORT_INTERVAL);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        if say(&Report::Progress(sender.record.take())).is_err() {
            // Nobody wants to know: the run was stopped.
            std::process::exit(1);
        }
    }
}
