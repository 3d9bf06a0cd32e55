//! The layout of claims: slices of request time, each of which is claimed independently.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use twox_hash::XxHash3_64;

/// A hash of a log stream's name. It decides where calls are claimed, so it must never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogStreamHash(u64);

impl LogStreamHash {
    /// Hashes the names of a log stream. Both are empty for lines that a producer writes to the
    /// stream itself.
    pub fn new(log_group: &str, log_stream: &str) -> Self {
        let group = XxHash3_64::oneshot(log_group.as_bytes());
        Self(XxHash3_64::oneshot_with_seed(group, log_stream.as_bytes()))
    }
}

/// The slice in which a call is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceKey {
    /// Start of the slice of request time, in milliseconds since 1970.
    pub start_ms: i64,
    /// Group of log streams, 0 to the layout's number of groups less one.
    pub group: u16,
}

impl fmt::Display for SliceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "calls#{}#{}", self.start_ms, self.group)
    }
}

/// The part of a layout that is in force from a request time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Era {
    from_ms: i64,
    slice_ms: i64,
    groups: u16,
}

/// The distribution of calls over slices.
///
/// A call must be claimed in the same slice whenever it is seen. A layout is therefore dated: a
/// change takes effect for request times in the future, later than any instance of the function
/// can still use the old layout, and by as much as a producer's clock may be ahead
/// ([`MAX_CLOCK_LEAD_MS`](crate::assessment::MAX_CLOCK_LEAD_MS)).
///
/// A layout is a list of eras `FROM_MS:SLICE_MS:GROUPS`, separated by commas. The first begins at 0.
///
/// ```
/// use metering_core::claims::layout::{ClaimLayout, LogStreamHash};
///
/// let layout: ClaimLayout = "0:10000:1,1795509600000:2000:4".parse().unwrap();
/// let stream = LogStreamHash::new("/aws/api", "one");
/// assert_eq!(layout.slice_of(1_795_509_599_999, stream).start_ms, 1_795_509_590_000);
/// assert_eq!(layout.slice_of(1_795_509_603_999, stream).start_ms, 1_795_509_602_000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimLayout(Vec<Era>);

/// A text that is not a layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a layout of claims is FROM_MS:SLICE_MS:GROUPS with slices of 100 to 3600000 ms and 1 to 1000 groups; up to {MAX_ERAS} are separated by commas, the first from 0 on and the rest ascending"
)]
pub struct LayoutError;

/// Maximum number of eras of a layout. They are searched whenever the slice changes from call to call.
pub const MAX_ERAS: usize = 100;

/// The default layout: one group, slices of ten seconds.
pub const DEFAULT_LAYOUT: &str = "0:10000:1";

impl ClaimLayout {
    /// Returns the slice in which a call of this request time and log stream is claimed.
    ///
    /// ```
    /// use metering_core::claims::layout::{ClaimLayout, DEFAULT_LAYOUT, LogStreamHash, SliceKey};
    ///
    /// let layout: ClaimLayout = DEFAULT_LAYOUT.parse()?;
    /// let log_stream = LogStreamHash::new("/aws/api", "stream-1");
    /// let slice = layout.slice_of(1_795_509_274_999, log_stream);
    /// assert_eq!(slice, SliceKey { start_ms: 1_795_509_270_000, group: 0 });
    /// assert_eq!(layout.slice_of(1_795_509_279_999, log_stream), slice);
    /// assert_ne!(layout.slice_of(1_795_509_280_000, log_stream), slice);
    /// # Ok::<(), metering_core::claims::layout::LayoutError>(())
    /// ```
    pub fn slice_of(&self, requested_at_ms: i64, log_stream: LogStreamHash) -> SliceKey {
        self.slice_with_span(requested_at_ms, log_stream).0
    }

    /// Returns the slice of a call, and a span of request times that have the same slice. The span of a
    /// time before 1970 is empty.
    fn slice_with_span(&self, requested_at_ms: i64, log_stream: LogStreamHash) -> (SliceKey, Range<i64>) {
        let begun = self.0.partition_point(|era| era.from_ms <= requested_at_ms);
        // The first era begins at 0, and also applies to times before 1970.
        let Era { from_ms, slice_ms, groups } = self.0[begun.saturating_sub(1)];
        let to_ms = self.0.get(begun.max(1)).map_or(i64::MAX, |next| next.from_ms);
        let of_slice_ms = requested_at_ms.rem_euclid(slice_ms);
        let start_ms = requested_at_ms.saturating_sub(of_slice_ms);
        let end_ms = requested_at_ms.saturating_add(slice_ms - of_slice_ms);
        let group = u16::try_from(log_stream.0 % u64::from(groups)).unwrap_or(0);
        (SliceKey { start_ms, group }, start_ms.max(from_ms)..end_ms.min(to_ms))
    }
}

/// Finds the slices of the calls of one log stream one after another. Most calls are in the slice of
/// the call before, which is found fast.
#[derive(Debug, Clone)]
pub struct SliceFinder<'l> {
    layout: &'l ClaimLayout,
    log_stream: LogStreamHash,
    latest: SliceKey,
    /// Request times that have the slice `latest`.
    span_ms: Range<i64>,
}

impl<'l> SliceFinder<'l> {
    /// Returns a finder for the calls of a log stream.
    pub fn new(layout: &'l ClaimLayout, log_stream: LogStreamHash) -> Self {
        Self { layout, log_stream, latest: SliceKey { start_ms: 0, group: 0 }, span_ms: 0..0 }
    }

    /// Returns the same as [`ClaimLayout::slice_of`].
    pub fn slice_of(&mut self, requested_at_ms: i64) -> SliceKey {
        if !self.span_ms.contains(&requested_at_ms) {
            (self.latest, self.span_ms) = self.layout.slice_with_span(requested_at_ms, self.log_stream);
        }
        self.latest
    }
}

impl FromStr for ClaimLayout {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let eras: Vec<Era> = text.split(',').map(era).collect::<Option<_>>().ok_or(LayoutError)?;
        let is_ascending = eras.is_sorted_by(|earlier, later| earlier.from_ms < later.from_ms);
        if eras[0].from_ms == 0 && is_ascending && eras.len() <= MAX_ERAS {
            Ok(Self(eras))
        } else {
            Err(LayoutError)
        }
    }
}

fn era(text: &str) -> Option<Era> {
    let mut parts = text.trim().split(':');
    let era = Era {
        from_ms: parts.next()?.parse().ok()?,
        slice_ms: parts.next()?.parse().ok()?,
        groups: parts.next()?.parse().ok()?,
    };
    let is_usable = (100..=3_600_000).contains(&era.slice_ms) && (1..=1_000).contains(&era.groups);
    (is_usable && parts.next().is_none()).then_some(era)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_layout_that_would_move_claims_is_refused() {
        for text in
            ["", "0:10000", "1:10000:1", "0:0:1", "0:10000:0", "0:10000:1,0:2000:1", "0:10000:1:1", "x"]
        {
            assert_eq!(text.parse::<ClaimLayout>(), Err(LayoutError), "{text}");
        }
        assert!(DEFAULT_LAYOUT.parse::<ClaimLayout>().is_ok());
    }

    #[test]
    fn log_streams_are_spread_over_all_groups() {
        let layout: ClaimLayout = "0:10000:4".parse().unwrap();
        let streams = (0..100).map(|stream| LogStreamHash::new("group", &stream.to_string()));
        let groups: BTreeSet<u16> = streams.map(|stream| layout.slice_of(0, stream).group).collect();
        assert_eq!(groups, BTreeSet::from([0, 1, 2, 3]));
    }

    #[test]
    fn a_slice_is_stored_by_its_start_and_group() {
        let slice = SliceKey { start_ms: 1_795_509_270_000, group: 3 };
        assert_eq!(slice.to_string(), "calls#1795509270000#3");
    }

    #[test]
    fn a_layout_has_a_hundred_eras_and_not_one_more() {
        let eras = |count: usize| {
            let eras: Vec<String> = (0..count).map(|era| format!("{era}:10000:1")).collect();
            eras.join(",").parse::<ClaimLayout>()
        };
        assert!(eras(MAX_ERAS).is_ok());
        assert_eq!(eras(MAX_ERAS + 1), Err(LayoutError));
    }

    #[test]
    fn a_slice_is_an_hour_at_most_and_has_a_thousand_groups() {
        for (text, is_usable) in
            [("0:3600000:1", true), ("0:3600001:1", false), ("0:10000:1000", true), ("0:10000:1001", false)]
        {
            assert_eq!(text.parse::<ClaimLayout>().is_ok(), is_usable, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_finder_returns_the_slice_of_each_call_whatever_came_before(
            requested_at_ms in prop::collection::vec(
                prop_oneof![
                    1 => -3_000..3_000_i64,
                    4 => 1_000_000..1_008_000_i64,
                    1 => prop_oneof![Just(i64::MIN), Just(i64::MIN + 5_000), Just(i64::MAX)],
                ],
                1..30,
            ),
        ) {
            let layout: ClaimLayout = "0:10000:4,1003000:2000:8,1005001:2000:8".parse().unwrap();
            let stream = LogStreamHash::new("group", "stream");
            let mut finder = SliceFinder::new(&layout, stream);
            for requested_at_ms in requested_at_ms {
                let (slice_ms, groups) = match requested_at_ms {
                    ..1_003_000 => (10_000, 4),
                    _ => (2_000, 8),
                };
                let of_slice_ms = requested_at_ms.rem_euclid(slice_ms);
                let start_ms = requested_at_ms.saturating_sub(of_slice_ms);
                let group = u16::try_from(stream.0 % groups).unwrap();
                prop_assert_eq!(finder.slice_of(requested_at_ms), SliceKey { start_ms, group });
            }
        }

        #[test]
        fn a_later_era_leaves_the_slices_of_earlier_calls_alone(requested_at_ms in 0_i64..2_000_000, stream in "[a-z]{0,4}") {
            let before: ClaimLayout = "0:10000:4".parse().unwrap();
            let after: ClaimLayout = "0:10000:4,1000000:2000:8".parse().unwrap();
            let stream = LogStreamHash::new("group", &stream);
            let slice = after.slice_of(requested_at_ms, stream);
            prop_assert!(slice.start_ms <= requested_at_ms);
            if requested_at_ms < 1_000_000 {
                prop_assert_eq!(slice, before.slice_of(requested_at_ms, stream));
            }
        }
    }
}
