//! Plots, drawn as SVG for the HTML page and rendered as PNG.

use anyhow::Context;
use plotters::prelude::*;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::harness::interval::Interval;
use crate::harness::outcome::Outcome;
use crate::histogram::LatencyHistogram;

/// Width and height of a plot, in pixels.
const SIZE: (u32, u32) = (960, 480);
/// The only font. It is compiled in, because a machine may have none.
const FONT: &str = "DejaVu Sans";
/// End of a percentile plot, as a number of nines: 99.99 %.
const MAX_NINES: f64 = 4.0;
/// Number of points of a line.
const POINTS: u32 = 200;
/// Smallest value that is drawn, in seconds: a logarithmic axis has no zero.
const MIN_S: f64 = 0.001;

const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 96, 20),
    RGBColor(44, 140, 44),
    RGBColor(190, 40, 50),
    RGBColor(120, 80, 170),
    RGBColor(90, 90, 90),
];

/// One line of a plot.
pub struct Line {
    /// Name in the legend.
    pub name: String,
    /// Points as (x, y).
    pub points: Vec<(f64, f64)>,
}

/// A plot with a logarithmic vertical axis.
pub struct Plot<'p> {
    pub title: &'p str,
    /// Label of the horizontal axis.
    pub x: &'p str,
    /// Label of the vertical axis.
    pub y: &'p str,
    pub lines: Vec<Line>,
    /// Formats a value on the horizontal axis.
    pub x_label: fn(f64) -> String,
}

impl Plot<'_> {
    /// Draws the plot as SVG.
    ///
    /// # Errors
    /// Returns an error if no line has a point.
    pub fn svg(&self) -> anyhow::Result<String> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (x_from, x_to) = bounds(points().map(|point| point.0)).context("a plot has no points")?;
        let (y_from, y_to) = bounds(points().map(|point| point.1)).context("a plot has no points")?;
        let mut svg = String::new();
        self.draw(&mut svg, x_from..x_to.max(x_from + 1e-9), y_from / 1.3..y_to * 1.3)
            .map_err(|error| anyhow::anyhow!("{error}"))
            .with_context(|| format!("cannot draw the plot {:?}", self.title))?;
        Ok(svg)
    }

    fn draw(
        &self,
        svg: &mut String,
        x: std::ops::Range<f64>,
        y: std::ops::Range<f64>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, (FONT, 20))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(x, y.log_scale())?;
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&|value| (self.x_label)(*value))
            .y_label_formatter(&|value| format!("{value}"))
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 14))
            .light_line_style(RGBColor(240, 240, 240))
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style))?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(200, 200, 200))
            .label_font((FONT, 13))
            .draw()?;
        area.present()?;
        Ok(())
    }
}

/// Returns the smallest and the largest value.
fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |bounds, value| match bounds {
        None => Some((value, value)),
        Some((from, to)) => Some((from.min(value), to.max(value))),
    })
}

/// Plots freshness, its stages and response times by percentile, on a horizontal axis that is
/// logarithmic in the distance to 100 %.
///
/// # Errors
/// Returns an error if nothing was measured.
pub fn percentiles(outcome: &Outcome) -> anyhow::Result<String> {
    let mut lines = vec![line("freshness", &outcome.freshness)];
    lines.extend(outcome.latency_breakdown.stages().iter().take(4).map(|(name, times)| line(name, times)));
    lines.push(line("response time", &outcome.tally.response));
    lines.retain(|line| !line.points.is_empty());
    let plot = Plot {
        title: &format!("{}: freshness by percentile", outcome.profile.name),
        x: "percentile",
        y: "seconds",
        lines,
        x_label: nines_label,
    };
    plot.svg()
}

/// Formats the percentile with a number of nines. Returns an empty label if the number is not whole.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few nines")]
fn nines_label(nines: f64) -> String {
    if (nines - nines.round()).abs() > 1e-6 {
        return String::new();
    }
    let digits = if nines > 2.0 { nines.round() as usize - 2 } else { 0 };
    format!("{:.digits$} %", 100.0 - 100.0 * 10_f64.powf(-nines))
}

/// Creates the line of a histogram. It ends where less than one sample is above.
#[expect(clippy::cast_precision_loss, reason = "samples are far fewer than 2^53")]
fn line(name: &str, histogram: &LatencyHistogram) -> Line {
    let max_nines = (histogram.len() as f64).log10().min(MAX_NINES);
    let steps = if histogram.is_empty() { 0..0 } else { 0..POINTS };
    let points = steps.map(|step| {
        let nines = max_nines * f64::from(step) / f64::from(POINTS - 1);
        let percentile = 100.0 - 100.0 * 10_f64.powf(-nines);
        (nines, histogram.seconds_at(percentile).max(MIN_S))
    });
    Line { name: name.to_owned(), points: points.collect() }
}

/// Plots the 99th percentiles of freshness and response times over the time of the run.
///
/// # Errors
/// Returns an error if nothing was measured.
pub fn timeline(outcome: &Outcome) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for (name, histogram_of) in [
        ("freshness p99 of each second", (|interval| &interval.freshness) as fn(&Interval) -> &String),
        ("response time p99 of each second", |interval| &interval.response),
    ] {
        let mut points = Vec::new();
        for interval in &outcome.intervals {
            let histogram = LatencyHistogram::from_text(histogram_of(interval))?;
            if !histogram.is_empty() {
                points.push((interval.at_s, histogram.seconds_at(99.0).max(MIN_S)));
            }
        }
        lines.push(Line { name: name.to_owned(), points });
    }
    lines.retain(|line| !line.points.is_empty());
    let plot = Plot {
        title: "freshness and response time over the run",
        x: "seconds from the start",
        y: "seconds",
        lines,
        x_label: |at_s| format!("{at_s:.0}"),
    };
    plot.svg()
}

/// Renders an SVG as PNG.
///
/// # Errors
/// Returns an error if the text is not an SVG that can be rendered.
pub fn png(svg: &str) -> anyhow::Result<Vec<u8>> {
    let mut options = Options { font_family: FONT.to_owned(), ..Options::default() };
    options.fontdb_mut().load_font_data(dejavu::sans::regular().to_vec());
    let tree = Tree::from_str(svg, &options).context("a plot is not a valid SVG")?;
    let mut pixels = Pixmap::new(SIZE.0, SIZE.1).context("a plot has a size of zero")?;
    resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
    pixels.encode_png().context("cannot encode a plot as PNG")
}
