//! Histograms in the file formats of HdrHistogram's tools.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use crate::harness::interval::Interval;
use crate::harness::outcome::Outcome;
use crate::histogram::LatencyHistogram;

/// Steps for each halving of the distance to 100 %, the default of HdrHistogram's tools.
const STEPS_PER_HALF: u32 = 5;
/// Microseconds in a millisecond, the unit of `.hgrm` files and of the maximum in `.hlog` files.
const UNIT_US: f64 = 1_000.0;

/// Writes the `.hgrm` and `.hlog` files of freshness and of response times.
pub(super) fn write(outcome: &Outcome, folder: &Path) -> anyhow::Result<()> {
    for (name, histogram) in [("freshness", &outcome.freshness), ("response", &outcome.tally.response)] {
        let path = folder.join(format!("{name}.hgrm"));
        std::fs::write(&path, percentile_distribution(histogram))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    interval_log(outcome, &folder.join("freshness.hlog"), |interval| &interval.freshness)?;
    interval_log(outcome, &folder.join("response.hlog"), |interval| &interval.response)
}

/// Formats a percentile distribution in milliseconds, as `outputPercentileDistribution` of the Java
/// library does.
#[expect(clippy::cast_precision_loss, reason = "for display")]
fn percentile_distribution(histogram: &LatencyHistogram) -> String {
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    for step in histogram.iter_quantiles(STEPS_PER_HALF) {
        count += step.count_since_last_iteration();
        let (value, quantile) = (step.value_iterated_to() as f64 / UNIT_US, step.quantile_iterated_to());
        let _ = write!(text, "{value:>12.3} {quantile:>2.12} {count:>10}");
        let _ =
            if quantile < 1.0 { writeln!(text, " {:>14.2}", 1.0 / (1.0 - quantile)) } else { writeln!(text) };
    }
    let _ = writeln!(
        text,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        histogram.mean() / UNIT_US,
        histogram.stdev() / UNIT_US
    );
    let _ = writeln!(
        text,
        "#[Max     = {:>12.3}, Total count    = {:>12}]",
        histogram.max() as f64 / UNIT_US,
        histogram.len()
    );
    let sub_buckets = 2 * 10_u64.pow(u32::from(histogram.sigfig()));
    let _ = writeln!(
        text,
        "#[Buckets = {:>12}, SubBuckets     = {:>12}]",
        histogram.buckets(),
        sub_buckets.next_power_of_two()
    );
    text
}

/// Writes an interval log of the encoded histograms that `histogram_of` selects.
fn interval_log(
    outcome: &Outcome,
    path: &Path,
    histogram_of: impl Fn(&Interval) -> &String,
) -> anyhow::Result<()> {
    let error = || format!("cannot write {}", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(error)?);
    let mut serializer = V2DeflateSerializer::new();
    let started = UNIX_EPOCH + Duration::from_millis(u64::try_from(outcome.started_ms)?);
    let mut log = IntervalLogWriterBuilder::new();
    let log = log.with_start_time(started).with_base_time(started).with_max_value_divisor(UNIT_US);
    let mut log = log.begin_log_with(&mut file, &mut serializer).with_context(error)?;
    let ends = outcome.intervals.iter().skip(1).map(|next| next.at_s).chain([outcome.took_s]);
    for (interval, end_s) in outcome.intervals.iter().zip(ends) {
        let (at_s, length_s) = (interval.at_s, end_s - interval.at_s);
        let histogram = LatencyHistogram::from_text(histogram_of(interval))?;
        let [at, length] = [at_s, length_s.max(0.0)].map(Duration::from_secs_f64);
        log.write_histogram(&histogram, at, length, None)
            .map_err(|cause| anyhow::anyhow!("{}: {cause:?}", error()))?;
    }
    Ok(())
}
