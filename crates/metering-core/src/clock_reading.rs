//! The two clocks by which the authorizer measures ages.

/// A point in time by two clocks.
///
/// Neither clock is reliable alone. The monotonic clock may stop while AWS freezes an execution
/// environment, and the wall clock can be set, forwards and backwards.
///
/// ```
/// use metering_core::clock_reading::ClockReading;
///
/// // The environment was frozen for 5 seconds, in which its monotonic clock stood still.
/// let before = ClockReading { wall_ms: 1_795_509_270_000, monotonic_ms: 40 };
/// let after = ClockReading { wall_ms: 1_795_509_275_000, monotonic_ms: 42 };
/// assert_eq!((after.age_ms(before), after.least_age_ms(before)), (5_000, 2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClockReading {
    /// Milliseconds since 1970.
    pub wall_ms: i64,
    /// Milliseconds since an arbitrary point in the life of the process. It never decreases.
    pub monotonic_ms: u64,
}

impl ClockReading {
    /// Returns the maximum age of `earlier`, in milliseconds: the larger of the two clock ages, or
    /// `u64::MAX` if the wall clock moved backwards. It is for cached data, which must not be used
    /// for too long.
    pub fn age_ms(self, earlier: Self) -> u64 {
        let Ok(by_wall) = u64::try_from(self.wall_ms - earlier.wall_ms) else { return u64::MAX };
        by_wall.max(self.monotonic_ms.saturating_sub(earlier.monotonic_ms))
    }

    /// Returns the minimum age of `earlier`, in milliseconds: the smaller of the two clock ages, or
    /// 0 if the wall clock moved backwards. It is for tombstones, which must not be forgotten too
    /// soon, and for the index, which must not be trusted too soon.
    pub fn least_age_ms(self, earlier: Self) -> u64 {
        let by_wall = u64::try_from(self.wall_ms - earlier.wall_ms).unwrap_or(0);
        by_wall.min(self.monotonic_ms.saturating_sub(earlier.monotonic_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_the_larger_of_the_two_clocks_and_at_least_the_smaller() {
        let thawed = ClockReading { wall_ms: 5_000, monotonic_ms: 10 };
        assert_eq!(thawed.least_age_ms(ClockReading { wall_ms: 1_000, monotonic_ms: 9 }), 1);
        assert_eq!(thawed.least_age_ms(ClockReading { wall_ms: 5_000, monotonic_ms: 3 }), 0);
        assert_eq!(
            thawed.least_age_ms(ClockReading { wall_ms: 5_001, monotonic_ms: 3 }),
            0,
            "the wall clock was set back"
        );
        assert_eq!(
            thawed.age_ms(ClockReading { wall_ms: 1_000, monotonic_ms: 9 }),
            4_000,
            "the environment was frozen meanwhile"
        );
        assert_eq!(
            thawed.age_ms(ClockReading { wall_ms: 5_000, monotonic_ms: 3 }),
            7,
            "the wall clock stood still"
        );
        assert_eq!(
            thawed.age_ms(ClockReading { wall_ms: 5_001, monotonic_ms: 9 }),
            u64::MAX,
            "the wall clock was set back"
        );
    }
}
