//! Histograms in the forms that other tools of HdrHistogram read.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use crate::harness::outcome::{Interval, Outcome};
use crate::histogram::{Times, from_text};

/// Steps for each halving of the distance to 100 %, as HdrHistogram's own tools have them.
const STEPS_PER_HALF: u32 = 5;
/// Microseconds of a millisecond, the unit of `.hgrm` and of the values' maximum in `.hlog`.
const UNIT_US: f64 = 1_000.0;

/// Writes `.hgrm` and `.hlog` of freshness and of response times.
pub(super) fn write(outcome: &Outcome, folder: &Path) -> anyhow::Result<()> {
    for (name, times) in [("freshness", &outcome.freshness), ("response", &outcome.tally.response)] {
        let path = folder.join(format!("{name}.hgrm"));
        std::fs::write(&path, percentile_distribution(times))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    interval_log(outcome, &folder.join("freshness.hlog"), |interval| &interval.freshness)?;
    interval_log(outcome, &folder.join("response.hlog"), |interval| &interval.response)
}

/// The text that `outputPercentileDistribution` of the Java library writes, in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "for display")]
fn percentile_distribution(times: &Times) -> String {
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    for step in times.iter_quantiles(STEPS_PER_HALF) {
        count += step.count_since_last_iteration();
        let (value, quantile) = (step.value_iterated_to() as f64 / UNIT_US, step.quantile_iterated_to());
        let _ = write!(text, "{value:>12.3} {quantile:>2.12} {count:>10}");
        let _ =
            if quantile < 1.0 { writeln!(text, " {:>14.2}", 1.0 / (1.0 - quantile)) } else { writeln!(text) };
    }
    let _ = writeln!(
        text,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        times.mean() / UNIT_US,
        times.stdev() / UNIT_US
    );
    let _ = writeln!(
        text,
        "#[Max     = {:>12.3}, Total count    = {:>12}]",
        times.max() as f64 / UNIT_US,
        times.len()
    );
    let sub_buckets = 2 * 10_u64.pow(u32::from(times.sigfig()));
    let _ = writeln!(
        text,
        "#[Buckets = {:>12}, SubBuckets     = {:>12}]",
        times.buckets(),
        sub_buckets.next_power_of_two()
    );
    text
}

fn interval_log(outcome: &Outcome, path: &Path, of: impl Fn(&Interval) -> &String) -> anyhow::Result<()> {
    let shown = || format!("{} cannot be written", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(shown)?);
    let mut serializer = V2DeflateSerializer::new();
    let started = UNIX_EPOCH + Duration::from_millis(u64::try_from(outcome.started_ms)?);
    let mut log = IntervalLogWriterBuilder::new();
    let log = log.with_start_time(started).with_base_time(started).with_max_value_divisor(UNIT_US);
    let mut log = log.begin_log_with(&mut file, &mut serializer).with_context(shown)?;
    let ends = outcome.intervals.iter().skip(1).map(|next| next.at_s).chain([outcome.took_s]);
    for (interval, end_s) in outcome.intervals.iter().zip(ends) {
        let (at_s, length_s) = (interval.at_s, end_s - interval.at_s);
        let times = from_text(of(interval))?;
        let [at, length] = [at_s, length_s.max(0.0)].map(Duration::from_secs_f64);
        log.write_histogram(&times, at, length, None)
            .map_err(|error| anyhow::anyhow!("{}: {error:?}", shown()))?;
    }
    Ok(())
}
