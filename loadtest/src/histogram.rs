//! Latency histograms with one range and one precision, so that any two can be merged.

use std::borrow::Cow;
use std::ops::Deref;
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as HistogramReader, Serializer as _, V2DeflateSerializer};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// The smallest value that a histogram distinguishes, in microseconds.
const LOWEST_US: u64 = 1;
/// The largest value of a histogram, in microseconds: an hour. Longer times count as this.
const HIGHEST_US: u64 = 3_600_000_000;
/// Significant decimal digits: a stored value is within 0.1 % of the measured one.
const DIGITS: u8 = 3;

/// Durations from a microsecond to an hour.
///
/// In JSON, a histogram is the text that interval logs of HdrHistogram contain:
/// the V2 encoding, deflated, in base64.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyHistogram(Histogram<u64>);

impl LatencyHistogram {
    /// Creates an empty histogram.
    ///
    /// # Panics
    /// Never: the bounds are valid.
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(LOWEST_US, HIGHEST_US, DIGITS).expect("the bounds are valid"))
    }

    pub fn record(&mut self, duration: Duration) {
        self.record_us(microseconds(duration));
    }

    /// Records a duration in microseconds.
    pub fn record_us(&mut self, duration_us: u64) {
        self.0.saturating_record(duration_us);
    }

    /// Adds the values of another histogram.
    ///
    /// # Panics
    /// Never: all histograms of this type have the same bounds.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    /// Returns a percentile (0 to 100), in seconds.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of an hour fit")]
    pub fn seconds_at(&self, percentile: f64) -> f64 {
        self.0.value_at_percentile(percentile) as f64 / 1e6
    }

    /// Encodes the histogram as in an interval log.
    ///
    /// # Errors
    /// Returns an error if the histogram cannot be encoded.
    pub fn to_text(&self) -> anyhow::Result<String> {
        let mut bytes = Vec::new();
        let encoded = V2DeflateSerializer::new().serialize(&self.0, &mut bytes);
        encoded.map_err(|error| anyhow::anyhow!("a histogram cannot be encoded: {error:?}"))?;
        Ok(STANDARD.encode(bytes))
    }

    /// Decodes the text of [`Self::to_text`].
    ///
    /// # Errors
    /// Returns an error if the text is not an encoded histogram.
    pub fn from_text(text: &str) -> anyhow::Result<Self> {
        let bytes = STANDARD.decode(text).context("a histogram is not in base64")?;
        let decoded = HistogramReader::new().deserialize(&mut bytes.as_slice());
        decoded.map(Self).map_err(|error| anyhow::anyhow!("a histogram cannot be decoded: {error:?}"))
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

/// Gives read access; values are recorded through [`LatencyHistogram`] alone.
impl Deref for LatencyHistogram {
    type Target = Histogram<u64>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Serialize for LatencyHistogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text().map_err(ser::Error::custom)?)
    }
}

impl JsonSchema for LatencyHistogram {
    fn schema_name() -> Cow<'static, str> {
        "LatencyHistogram".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "contentEncoding": "base64", "format": "hdrhistogram-v2-deflate" })
    }
}

impl<'de> Deserialize<'de> for LatencyHistogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_text(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Returns a duration in whole microseconds.
pub fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_its_text_and_merges() {
        let mut first = LatencyHistogram::new();
        first.record_us(1_234_567);
        let mut second = LatencyHistogram::from_text(&first.to_text().unwrap()).unwrap();
        assert_eq!(first, second);
        second.record_us(5);
        first.merge(&second);
        assert_eq!((first.len(), first.min()), (3, 5));
        assert!((first.seconds_at(100.0) - 1.234_567).abs() < 0.001_3);
    }
}
