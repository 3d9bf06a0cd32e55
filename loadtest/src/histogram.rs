//! Histograms of times: one range and one precision everywhere, so that all
//! can be merged.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

/// The shortest time that is told apart, in microseconds.
const LOWEST_US: u64 = 1;
/// The longest: an hour.
const HIGHEST_US: u64 = 3_600_000_000;
/// Significant decimal digits: a value is within 0.1 % of what was measured.
const DIGITS: u8 = 3;

/// Times in microseconds.
pub type Times = Histogram<u64>;

/// An empty histogram.
///
/// # Panics
/// Never: its bounds are valid.
pub fn times() -> Times {
    Histogram::new_with_bounds(LOWEST_US, HIGHEST_US, DIGITS).expect("the bounds are valid")
}

/// A percentile, in seconds.
#[expect(clippy::cast_precision_loss, reason = "microseconds of an hour fit")]
pub fn seconds_at(times: &Times, percentile: f64) -> f64 {
    times.value_at_percentile(percentile) as f64 / 1e6
}

/// Writes a histogram as the text that interval logs have: V2, deflated, base64.
///
/// # Errors
/// When it cannot be serialised.
pub fn to_text(times: &Times) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(times, &mut bytes).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok(STANDARD.encode(bytes))
}

/// Reads what [`to_text`] wrote.
///
/// # Errors
/// When the text is no histogram.
pub fn from_text(text: &str) -> anyhow::Result<Times> {
    let bytes = STANDARD.decode(text).context("a histogram is not base64")?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// Adds one histogram to another.
///
/// # Panics
/// Never with histograms of this module: all have the same bounds.
pub fn merge(into: &mut Times, other: &Times) {
    into.add(other).expect("all histograms have the same bounds");
}

/// A duration in whole microseconds.
pub fn microseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Serde for histograms.
pub mod serde_text {
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    use super::Times;

    /// Writes it as text.
    ///
    /// # Errors
    /// When it cannot be serialised.
    pub fn serialize<S: Serializer>(times: &Times, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::to_text(times).map_err(ser::Error::custom)?)
    }

    /// Reads it from text.
    ///
    /// # Errors
    /// When the text is no histogram.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Times, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::from_text(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_its_text_and_merges() {
        let mut first = times();
        first.record(1_234_567).unwrap();
        let mut second = from_text(&to_text(&first).unwrap()).unwrap();
        assert_eq!(first, second);
        second.record(5).unwrap();
        merge(&mut first, &second);
        assert_eq!((first.len(), first.min()), (3, 5));
        assert!((seconds_at(&first, 100.0) - 1.234_567).abs() < 0.001_3);
    }
}
