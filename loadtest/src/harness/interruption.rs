//! The end of a run before its time, by Ctrl-C.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit_status;

/// Whether the run has to end: no further call, probe or fault begins, and what has begun is completed and
/// compared.
#[derive(Debug, Clone)]
pub struct Interruption(watch::Receiver<bool>);

impl Interruption {
    /// Returns an interruption by the first SIGINT or SIGTERM of this process. A second signal ends the process.
    ///
    /// # Errors
    /// Returns an error if the signals cannot be received.
    pub fn by_signals() -> anyhow::Result<Self> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if sender.send_replace(true) {
                    std::process::exit(exit_status::INTERRUPTED.into());
                }
                eprintln!("stopping: the calls so far are compared; a second signal ends at once");
            }
        });
        Ok(Self(receiver))
    }

    /// Returns a pair of a switch and the interruption that it turns on.
    pub fn by_switch() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns `true` if the run has to end.
    pub fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes when the run has to end. Does not complete if nobody is left to interrupt it.
    pub async fn wait(&mut self) {
        if self.0.wait_for(|is_on| *is_on).await.is_err() && !self.is_on() {
            std::future::pending::<()>().await;
        }
    }
}
