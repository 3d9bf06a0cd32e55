//! Sends calls on schedule.

use std::sync::Arc;
use std::time::Duration;

use system_clock::now_ms;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::recorder::{CallEnd, CallRecorder};
use super::{Assignment, Start, Stop, WorkerMessage, read_line, send_message};
use crate::harness::client::Caller;
use crate::harness::interruption::Interruption;
use crate::harness::schedule::Schedule;
use crate::harness::workload::{Call, Workload};

const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Calls that are sent without a pause before the task yields, so that responses are processed.
const CALLS_BEFORE_YIELD: u32 = 32;

/// State that all calls of a worker share.
struct Sender {
    caller: Caller,
    secrets: Vec<String>,
    permits: Arc<Semaphore>,
    recorder: CallRecorder,
    interruption: Interruption,
}

/// Runs the worker that standard input describes.
///
/// # Errors
/// Returns an error if the assignment is malformed or the parent has closed standard output.
pub async fn run() -> anyhow::Result<()> {
    let assignment: Assignment = read_line("the assignment")?;
    let client = assignment.profile.client;
    let workload = Workload::new(&assignment.profile)?;
    let schedule = Schedule::new(assignment.profile.load);
    let (switch, mut interruption) = Interruption::by_switch();
    let sender = Arc::new(Sender {
        caller: Caller::new(&assignment.gateway, client.protocol, client.connections)?,
        secrets: assignment.keys.into_iter().map(|key| key.secret).collect(),
        permits: Arc::new(Semaphore::new(client.calls_in_flight as usize)),
        recorder: CallRecorder::new(assignment.profile.compares_identities),
        interruption: interruption.clone(),
    });
    send_message(&WorkerMessage::Ready)?;
    let start: Start = read_line("the start signal")?;
    let start = instant_of(start.at_ms);
    stop_by_parent(switch);
    let reporter = tokio::spawn(report_progress(sender.clone()));
    // This function and each call have a sender of the channel, so it closes when the last call has ended.
    let (running, mut ended) = tokio::sync::mpsc::channel::<()>(1);
    let mut without_pause = 0;
    for number in (u64::from(assignment.worker)..schedule.calls()).step_by(assignment.workers as usize) {
        let due = start + Duration::from_secs_f64(schedule.due_s(number));
        if due > Instant::now() {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = interruption.wait() => {}
            }
            without_pause = 0;
        }
        if interruption.is_on() {
            break;
        }
        sender.recorder.record_sent(due.elapsed());
        let (sender, running) = (sender.clone(), running.clone());
        let call = workload.call(number);
        tokio::spawn(async move {
            sender.send(call, due).await;
            drop(running);
        });
        without_pause += 1;
        if without_pause % CALLS_BEFORE_YIELD == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(running);
    let _ = ended.recv().await;
    reporter.abort();
    let _ = reporter.await;
    sender.report()?;
    send_message(&WorkerMessage::Finished(sender.recorder.counts()))
}

/// Turns a switch on when the parent sends [`Stop`] or is gone.
fn stop_by_parent(switch: watch::Sender<bool>) {
    // Reading standard input blocks the thread.
    std::thread::spawn(move || {
        let _ = read_line::<Stop>("the stop signal");
        switch.send_replace(true);
    });
}

/// Converts a wall-clock time to an instant. A past time is now.
fn instant_of(at_ms: i64) -> Instant {
    Instant::now() + Duration::from_millis(u64::try_from(at_ms - now_ms()).unwrap_or(0))
}

impl Sender {
    async fn send(&self, call: Call, due: Instant) {
        let Ok(_permit) = self.permits.acquire().await else { return };
        if self.interruption.is_on() {
            self.recorder.record_withdrawn();
            return;
        }
        let sent_ms = now_ms();
        let answer = self.caller.call(call.status, &self.secrets[call.key as usize]).await;
        self.recorder.record_end(CallEnd {
            key: call.key,
            requested_status: call.status,
            answer: answer.ok(),
            sent_ms,
            ended_ms: now_ms(),
            response_time: due.elapsed(),
        });
    }
}

impl Sender {
    /// Sends what happened since the previous report.
    fn report(&self) -> anyhow::Result<()> {
        send_message(&WorkerMessage::Progress(self.recorder.take_tally()))?;
        let answered = self.recorder.take_answered();
        if answered.is_empty() { Ok(()) } else { send_message(&WorkerMessage::Answered(answered)) }
    }
}

async fn report_progress(sender: Arc<Sender>) {
    let mut ticks = tokio::time::interval(REPORT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if sender.report().is_err() {
            // The parent has ended: the run was interrupted.
            std::process::exit(1);
        }
    }
}
