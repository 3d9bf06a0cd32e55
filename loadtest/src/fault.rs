//! Faults as data: kind, start and length.

use deployment::functions::{AUTHORIZER, CONSUMER};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A fault that is injected during a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduledFault {
    /// Start of the fault, in seconds from the start of the run.
    pub at_s: f64,
    /// Length of the fault, in seconds.
    #[serde(default)]
    pub for_s: f64,
    /// Kind of the fault, with its parameters.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// Kind of a fault, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum FaultKind {
    /// Processes of a function are killed during invocations, repeatedly.
    Kill {
        /// The function whose processes are disturbed.
        #[serde(default)]
        function: FaultyFunction,
        /// Maximum number of processes that are killed a second.
        per_s: f64,
    },
    /// All processes of a function are stopped (`SIGSTOP`), and continue at the end of the fault.
    Stop {
        /// The function whose processes are disturbed.
        #[serde(default)]
        function: FaultyFunction,
    },
    /// The clock of a function's processes is wrong, and right again at the end of the fault.
    Clock {
        /// The function whose processes are disturbed.
        #[serde(default)]
        function: FaultyFunction,
        /// Difference from the right time, in seconds; negative for a clock that is slow.
        jump_s: i32,
    },
    /// The local stack is killed (`SIGKILL`), and started again on the same data at the end of the
    /// fault.
    Crash,
    /// The local stack cannot write to its files.
    Disk,
    /// No request to a service succeeds.
    Outage {
        /// The service whose requests fail.
        service: FaultyService,
    },
    /// Each request to DynamoDB takes longer.
    Slow {
        /// Additional time, in milliseconds.
        delay_ms: u64,
    },
    /// Writes to DynamoDB are throttled.
    Throttle {
        /// The share of writes, from 0 to 1.
        share: f64,
    },
    /// The number of shards of the stream changes.
    Reshard {
        /// New number of shards.
        shards: u32,
    },
    /// Batches of log events are delivered twice.
    Duplicate {
        /// The share of batches, from 0 to 1.
        share: f64,
    },
    /// Batches of log events are delivered again, split into other stream records.
    Regroup {
        /// The share of batches, from 0 to 1.
        share: f64,
    },
    /// Records of the subscription are delivered late, while others are on time. A late record
    /// waits for its whole delay, even if the fault ends before.
    Late {
        /// The share of records, from 0 to 1.
        share: f64,
        /// Delay, in milliseconds.
        delay_ms: u64,
    },
    /// Queues shuffle, omit (short polls) and repeat messages.
    Queues {
        /// The share of responses or messages, from 0 to 1.
        share: f64,
    },
    /// DynamoDB deletes the items whose time to live has expired.
    Expire,
    /// The subscription delivers all records later.
    Delay {
        /// Delay, in milliseconds.
        delay_ms: u64,
    },
}

/// A function whose processes are disturbed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultyFunction {
    /// The function that counts calls.
    #[default]
    Consumer,
    /// The function that admits calls.
    Authorizer,
}

impl FaultyFunction {
    /// All functions that can be disturbed.
    pub const ALL: [Self; 2] = [Self::Consumer, Self::Authorizer];

    /// Returns the name of the service, as in the names of its resources.
    pub fn service(self) -> &'static str {
        match self {
            Self::Consumer => CONSUMER,
            Self::Authorizer => AUTHORIZER,
        }
    }
}

/// A service that does not respond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultyService {
    /// Connections are closed without a response, and nothing is read or written.
    Dynamodb,
    /// Requests fail with `InternalFailureException`: neither the subscription can write to the
    /// stream nor the event source mapping read from it.
    Kinesis,
}
