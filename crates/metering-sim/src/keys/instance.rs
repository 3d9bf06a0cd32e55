//! One instance of the authorizer, with clocks of its own.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use api_authorizer::authorizer::{Authorizer, Ports};
use metering_core::api_key::KeyDigest;
use metering_core::authorization::Decision;
use metering_core::clock_reading::ClockReading;
use metering_core::decision_cache::CacheSettings;

use super::auditor::Expectation;
use super::ports::KeyPorts;

thread_local! {
    /// The clocks of the instance that is polled.
    static CLOCKS: Cell<ClockReading> = const { Cell::new(ClockReading { wall_ms: 0, monotonic_ms: 0 }) };
}

thread_local! {
    static TIMER: Arc<tokio::runtime::Runtime> = Arc::new(
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap_or_else(|_| unreachable!("a timer needs no resources of the system")),
    );
}

/// Whether a task was woken since the flag was last read.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type SimulatedAuthorizer = Authorizer<KeyPorts, KeyPorts, KeyPorts, KeyPorts>;
/// The decision on a call; `None` if there is none, and API Gateway answers 500.
type Answer = Option<Decision>;

/// The clock of an instance that is wrong. The meter relies on one of the two at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongClock {
    /// The wall clock is set forwards and backwards.
    Wall,
    /// The monotonic clock stands still while AWS freezes the instance.
    Monotonic,
}

/// A call that the instance decides on, or the first read of the log.
struct Task {
    call: Option<Expectation>,
    future: Pin<Box<dyn Future<Output = Answer>>>,
}

/// An instance of the authorizer.
pub struct Instance {
    /// Number of the instance. An instance that replaces another has a new one.
    pub number: u64,
    /// The clock that may be wrong.
    pub wrong_clock: WrongClock,
    authorizer: Arc<SimulatedAuthorizer>,
    tasks: Vec<Task>,
    started_ms: i64,
    /// Difference of the wall clock to the true time, in milliseconds.
    wall_offset_ms: i64,
    /// Time for which the monotonic clock stood still, in milliseconds.
    stopped_ms: i64,
    /// Time until which the instance is frozen, in milliseconds since 1970.
    frozen_until_ms: i64,
}

impl fmt::Debug for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Instance").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Instance {
    /// Starts an instance with an empty cache, which reads the log first.
    pub fn start(ports: KeyPorts, settings: CacheSettings, wrong_clock: WrongClock, now_ms: i64) -> Self {
        let number = ports.instance;
        let all = Ports { keys: ports.clone(), log: ports.clone(), usage: ports.clone(), alerts: ports };
        let authorizer = Arc::new(Authorizer::new(all, settings, || CLOCKS.get()));
        let at_start = authorizer.clone();
        let first_read = Box::pin(async move {
            at_start.sync().await;
            None
        });
        Self {
            number,
            wrong_clock,
            authorizer,
            tasks: vec![Task { call: None, future: first_read }],
            started_ms: now_ms,
            wall_offset_ms: 0,
            stopped_ms: 0,
            frozen_until_ms: now_ms,
        }
    }

    /// Returns `true` if the instance is frozen.
    pub fn is_frozen(&self, now_ms: i64) -> bool {
        now_ms < self.frozen_until_ms
    }

    /// Freezes the instance. Returns `false` if it decides on a call.
    pub fn freeze(&mut self, duration_ms: i64, now_ms: i64) -> bool {
        let freezes = self.tasks.is_empty() && !self.is_frozen(now_ms);
        if freezes {
            self.frozen_until_ms = now_ms + duration_ms;
            self.stopped_ms += duration_ms;
        }
        freezes
    }

    /// Sets the wall clock.
    pub fn set_wall_clock(&mut self, change_ms: i64) {
        self.wall_offset_ms += change_ms;
    }

    /// Begins to decide on a call.
    pub fn call(&mut self, call: Expectation) {
        let authorizer = self.authorizer.clone();
        let digest: KeyDigest = call.digest;
        let future = Box::pin(async move { authorizer.decide(digest).await.ok() });
        self.tasks.push(Task { call: Some(call), future });
    }

    /// Passes on the message that a key was changed.
    pub fn notice(&mut self, key_id: &str, sequence: u64, now_ms: i64) {
        self.set_clocks(now_ms);
        self.authorizer.notice(key_id, sequence);
    }

    /// Runs all tasks until they wait, and returns the calls that were answered.
    pub fn poll(&mut self, now_ms: i64) -> Vec<(Expectation, Answer)> {
        self.set_clocks(now_ms);
        // Time-outs need the timer of a runtime, whose time stands still, because nothing drives it.
        let runtime = TIMER.with(Arc::clone);
        let _entered = runtime.enter();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let (mut answered, mut context) = (Vec::new(), Context::from_waker(&waker));
        loop {
            self.tasks.retain_mut(|task| match task.future.as_mut().poll(&mut context) {
                Poll::Pending => true,
                Poll::Ready(answer) => {
                    answered.extend(task.call.map(|call| (call, answer)));
                    false
                }
            });
            // A task that ends a read lets another one continue that waits for it.
            if !woken.0.swap(false, Ordering::Relaxed) {
                return answered;
            }
        }
    }

    fn set_clocks(&self, now_ms: i64) {
        let running_ms = now_ms - self.started_ms - self.stopped_ms;
        CLOCKS.set(ClockReading {
            wall_ms: now_ms + self.wall_offset_ms,
            monotonic_ms: u64::try_from(running_ms).unwrap_or(0),
        });
    }
}
