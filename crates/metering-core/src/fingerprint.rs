//! The fingerprint of counted calls, by which two counts are compared by identity.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use crate::call_id::CallId;

/// The sum of a 64-bit hash of each call's identity, modulo 2⁶⁴.
///
/// Two counts of the same number of calls with the same fingerprint are of the same calls. A count
/// that lost one call and has another twice has the right number and another fingerprint, except
/// with a probability of 2⁻⁶⁴.
///
/// DynamoDB adds the hashes as decimal numbers of up to 38 digits and knows no modulus. The sum of
/// 64-bit hashes stays exact for 5·10¹⁸ calls, that of 96-bit hashes only for 10⁹.
///
/// Source: DynamoDB Developer Guide, "Supported data types and naming rules", Number.
///
/// ```
/// use metering_core::call_id::CallId;
/// use metering_core::fingerprint::Fingerprint;
///
/// let [first, second] = ["one", "two"].map(|request_id| CallId::new(request_id, 1_795_509_270_000));
/// let counted = Fingerprint::of(first) + Fingerprint::of(second);
/// assert_eq!(counted, [second, first].map(Fingerprint::of).into_iter().sum());
/// assert_ne!(counted, Fingerprint::of(first) + Fingerprint::of(first), "one is lost, one counted twice");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Returns the fingerprint of one call: the lower 64 bits of its hash.
    pub fn of(call: CallId) -> Self {
        Self(call.lower_half())
    }

    /// Returns the fingerprint that is congruent to a sum of hashes.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder of 2⁶⁴")]
    pub fn from_sum(sum: u128) -> Self {
        Self(sum as u64)
    }

    /// Returns the number that is added to a sum of hashes.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl Add for Fingerprint {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

impl AddAssign for Fingerprint {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Fingerprint {
    fn sum<I: Iterator<Item = Self>>(fingerprints: I) -> Self {
        fingerprints.fold(Self::default(), Add::add)
    }
}

/// A number of calls, and which calls they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CountedCalls {
    /// Number of calls.
    pub calls: u64,
    /// Fingerprint of the calls.
    pub fingerprint: Fingerprint,
}

impl CountedCalls {
    /// Adds a call.
    pub fn add(&mut self, call: CallId) {
        *self += Self { calls: 1, fingerprint: Fingerprint::of(call) };
    }
}

impl AddAssign for CountedCalls {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.fingerprint += other.fingerprint;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// DynamoDB adds without a modulus, what is read is reduced.
        #[test]
        fn a_sum_without_modulus_has_the_fingerprint_of_its_calls(ids in prop::collection::vec(any::<[u8; 12]>(), 0..50)) {
            let of_calls: Vec<Fingerprint> =
                ids.into_iter().map(|id| Fingerprint::of(CallId::from_bytes(id))).collect();
            let stored: u128 = of_calls.iter().map(|fingerprint| u128::from(fingerprint.number())).sum();
            prop_assert_eq!(Fingerprint::from_sum(stored), of_calls.into_iter().sum());
        }
    }

    #[test]
    fn the_fingerprint_of_a_call_has_the_first_eight_bytes_of_its_stored_form() {
        let call = CallId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(Fingerprint::of(call).number(), 0x0807_0605_0403_0201);
    }

    #[test]
    fn calls_are_counted_with_their_fingerprints() {
        let calls = ["a", "b", "c"].map(|request_id| CallId::new(request_id, 5));
        let mut counted = CountedCalls::default();
        counted.add(calls[0]);
        let mut others = CountedCalls::default();
        for call in &calls[1..] {
            others.add(*call);
        }
        counted += others;
        let fingerprint = calls.into_iter().map(Fingerprint::of).sum();
        assert_eq!(counted, CountedCalls { calls: 3, fingerprint });
    }

    #[test]
    fn fingerprints_are_added_in_place() {
        let mut fingerprint = Fingerprint::from_sum(u128::from(u64::MAX));
        fingerprint += Fingerprint::from_sum(3);
        assert_eq!(fingerprint.number(), 2);
    }
}
