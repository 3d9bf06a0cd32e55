//! The faults of a simulation.

use std::collections::BTreeMap;
use std::str::FromStr;

/// A kind of fault, or of an operator's action under which counts have to stay exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The subscription delivers a record again.
    DuplicateRecord,
    /// The subscription delivers the events of a record again, grouped differently.
    RegroupedRecord,
    /// The subscription never delivers a record; a backfill has to deliver it.
    LostRecord,
    /// The API writes a line of its log twice.
    LineTwice,
    /// A producer writes bytes that are not a valid record.
    Garbage,
    /// A batch is processed by a version that counts only more recent calls.
    StrictVersion,
    /// A batch is processed by a version that cannot inflate gzipped records.
    UnableVersion,
    /// All calls of the simulation are in one slice, whose pages fill up.
    CrowdedSlice,
    /// An operation of a port fails and is not carried out.
    RefusedOperation,
    /// An operation of a port is carried out, and its reply is lost.
    LostReply,
    /// An operation of a port is carried out much later, without a reply.
    LateOperation,
    /// Reads show a part of a transaction with a head and verdicts, until it has returned.
    TornVerdicts,
    /// A ledger row refuses an update.
    RefusedRow,
    /// Lambda considers an invocation failed, and it continues.
    Zombie,
    /// An invocation ends between two operations.
    Kill,
    /// Lambda splits a failed batch in two.
    Bisect,
    /// A batch reports a failure at one of its records.
    PartialFailure,
    /// Lambda gives records up, and an operator puts them back.
    GivenUp,
    /// An invocation continues after its records were given up.
    GivenUpZombie,
    /// The event source mapping restarts from its checkpoint, with other batches.
    MappingRestart,
    /// The event source mapping is created again and reads from an earlier record.
    Replay,
    /// Shards are split or merged.
    Reshard,
    /// An operator puts a quarantined record back.
    PutBack,
    /// A record stays in the quarantine after it was put back.
    PutBackTwice,
    /// An operator puts lines of the log on the stream that may already be counted.
    Backfill,
    /// Days pass: claims and stream records expire.
    DaysPass,
    /// A call has a request time ahead of the stream's clock.
    LeadingClock,
    /// An operator adds a list of route classes, which applies later.
    NewClasses,
    /// The layout of claims was changed some hours ago.
    EarlierLayout,
    /// An operator changes the layout of claims for request times in the future, which come.
    NewLayout,
    /// A read of the route classes is refused.
    RefusedClasses,
    /// The reconciler compares the ledger with the access log.
    Reconciled,
    /// A read of an instance of the authorizer fails.
    FailedRead,
    /// A read of an instance is throttled, and the SDK repeats it.
    ThrottledRead,
    /// A read of the reconciler fails, which ends its run.
    FailedComparison,
    /// The reply to a read of an instance arrives later, when the tables may have changed.
    LateReply,
    /// A read sees the tables while a change of a key is visible in part.
    PartlyVisibleChange,
    /// The index shows a key as it was before a change.
    StaleIndex,
    /// The message about a change of a key does not reach an instance.
    LostMessage,
    /// The message about a change of a key reaches an instance more than once.
    RepeatedMessage,
    /// The entries of the invalidation log expire.
    LogExpired,
    /// The invalidation log is restored to an earlier state.
    LogLost,
    /// An instance of the authorizer is replaced by one with an empty cache.
    ColdStart,
    /// AWS freezes an instance, whose monotonic clock stands still meanwhile.
    FrozenInstance,
    /// The wall clock of an instance is set back.
    ClockSetBack,
    /// The wall clock of an instance is set forward.
    ClockSetForward,
    /// A key is deleted while calls are made with it.
    KeyDeleted,
    /// The secret of a key is replaced while calls are made with it.
    KeyRotated,
    /// A call is made with a key that has expired, or with a replaced secret after its time.
    SecretExpired,
    /// A call is denied because its key's monthly limit is used up.
    LimitReached,
    /// A monthly limit is raised, lowered, removed or set.
    LimitChanged,
    /// A call is decided by a usage that the ledger exceeds by then.
    OldUsage,
    /// An instance cannot read the ledger for a while.
    UnreadableUsage,
    /// An instance reads the usage of a key in the month after the one that it has read.
    MonthEnded,
    /// An alert about a limit cannot be sent, or another instance is sending it.
    UnsentAlert,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 55] = [
        Self::DuplicateRecord,
        Self::RegroupedRecord,
        Self::LostRecord,
        Self::LineTwice,
        Self::Garbage,
        Self::StrictVersion,
        Self::UnableVersion,
        Self::CrowdedSlice,
        Self::RefusedOperation,
        Self::LostReply,
        Self::LateOperation,
        Self::TornVerdicts,
        Self::RefusedRow,
        Self::Zombie,
        Self::Kill,
        Self::Bisect,
        Self::PartialFailure,
        Self::GivenUp,
        Self::GivenUpZombie,
        Self::MappingRestart,
        Self::Replay,
        Self::Reshard,
        Self::PutBack,
        Self::PutBackTwice,
        Self::Backfill,
        Self::DaysPass,
        Self::LeadingClock,
        Self::NewClasses,
        Self::EarlierLayout,
        Self::NewLayout,
        Self::RefusedClasses,
        Self::Reconciled,
        Self::FailedRead,
        Self::ThrottledRead,
        Self::FailedComparison,
        Self::LateReply,
        Self::PartlyVisibleChange,
        Self::StaleIndex,
        Self::LostMessage,
        Self::RepeatedMessage,
        Self::LogExpired,
        Self::LogLost,
        Self::ColdStart,
        Self::FrozenInstance,
        Self::ClockSetBack,
        Self::ClockSetForward,
        Self::KeyDeleted,
        Self::KeyRotated,
        Self::SecretExpired,
        Self::LimitReached,
        Self::LimitChanged,
        Self::OldUsage,
        Self::UnreadableUsage,
        Self::MonthEnded,
        Self::UnsentAlert,
    ];

    /// Returns the fault's name on the command line.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|fault| fault.name() == text);
        found.ok_or_else(|| format!("unknown fault {text}; the faults are {}", known()))
    }
}

/// The faults that a simulation may inject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSet(Vec<Fault>);

impl FaultSet {
    /// Returns the set of every fault.
    pub fn all() -> Self {
        Self(Fault::ALL.to_vec())
    }

    /// Returns the set without one fault.
    #[must_use]
    pub fn without(&self, fault: Fault) -> Self {
        Self(self.0.iter().copied().filter(|other| *other != fault).collect())
    }

    /// Returns `true` if the fault may be injected.
    pub fn contains(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Returns the faults in the order of [`Fault::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Fault> {
        self.0.iter().copied()
    }
}

/// Number of times that each fault was injected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultCounts(BTreeMap<Fault, u64>);

impl FaultCounts {
    /// Counts one injection.
    pub fn add(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// Returns how often a fault was injected.
    pub fn count(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    /// Adds the counts of another simulation.
    pub fn merge(&mut self, other: &Self) {
        for (fault, count) in &other.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }
}
