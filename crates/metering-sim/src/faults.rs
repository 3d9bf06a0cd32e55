//! What can go wrong in a simulation.

use std::collections::BTreeMap;
use std::str::FromStr;

/// A kind of fault, or of an operator's action that the promise has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The subscription delivers a record again.
    DuplicateRecord,
    /// The subscription delivers the events of a record again, cut otherwise.
    RegroupedRecord,
    /// The subscription never delivers a record; a backfill has to.
    LostRecord,
    /// The API writes a line of its log twice.
    LineTwice,
    /// A producer writes bytes that are no record.
    Garbage,
    /// A batch meets a version that counts younger calls only.
    StrictVersion,
    /// A batch meets a version that cannot inflate gzipped records.
    UnableVersion,
    /// All calls of a story fall into one slice, whose pages fill up.
    CrowdedSlice,
    /// A port's operation is not carried out.
    RefusedOperation,
    /// A port's operation is carried out, and its reply is lost.
    LostReply,
    /// A port's operation is carried out much later, and nobody hears of it.
    LateOperation,
    /// A row refuses what it is to take.
    RefusedRow,
    /// An invocation is taken for failed, and goes on.
    Zombie,
    /// An invocation ends between two operations.
    Kill,
    /// A batch that failed is cut into halves.
    Bisect,
    /// A batch fails from one of its records on.
    PartialFailure,
    /// Lambda gives records up; an operator puts them back.
    GivenUp,
    /// An invocation that was given up goes on.
    GivenUpZombie,
    /// The mapping restarts from its checkpoint, with batches cut otherwise.
    MappingRestart,
    /// The mapping is made anew and reads from an earlier record.
    Replay,
    /// Shards are split or merged.
    Reshard,
    /// An operator puts a record of the quarantine back.
    PutBack,
    /// A record that was put back stays in the quarantine.
    PutBackTwice,
    /// An operator puts lines of the log on the stream that may be counted.
    Backfill,
    /// Days pass: claims expire, the stream forgets.
    DaysPass,
    /// A call of a clock that is ahead.
    LeadingClock,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 26] = [
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
    ];

    /// The name, as it is written on the command line.
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
        found.ok_or_else(|| format!("there is no fault {text}; there are {}", known()))
    }
}

/// The faults that may strike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSet(Vec<Fault>);

impl FaultSet {
    /// Every fault.
    pub fn all() -> Self {
        Self(Fault::ALL.to_vec())
    }

    /// The same without one.
    #[must_use]
    pub fn without(&self, fault: Fault) -> Self {
        Self(self.0.iter().copied().filter(|other| *other != fault).collect())
    }

    /// Whether a fault may strike.
    pub fn contains(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// The faults, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Fault> {
        self.0.iter().copied()
    }
}

/// How often each fault struck.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultCounts(BTreeMap<Fault, u64>);

impl FaultCounts {
    /// Counts one strike.
    pub fn add(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// How often a fault struck.
    pub fn count(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    /// Adds the strikes of another simulation.
    pub fn merge(&mut self, other: &Self) {
        for (fault, count) in &other.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }
}
