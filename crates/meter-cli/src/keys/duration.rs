//! Parsing of durations and times in arguments and files.

use jiff::{Span, SpanRelativeTo, Timestamp};
use metering_core::window::UtcDay;

/// Parses a duration such as `24h` or `7 days`. Returns milliseconds.
pub fn duration_ms(text: &str) -> Result<i64, String> {
    let wrong =
        || format!("{text:?} is not a duration; write it as 24h, 30m or 7 days, and at most 10 years");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let milliseconds = i64::try_from(duration.as_millis()).map_err(|_| wrong())?;
    if !(0..=MAX_DURATION_MS).contains(&milliseconds) {
        return Err(wrong());
    }
    Ok(milliseconds)
}

/// The longest duration, in milliseconds: 10 years.
const MAX_DURATION_MS: i64 = 3_650 * 24 * 3_600_000;

/// Parses a time such as `2027-01-31T12:00:00Z`, or a day, which stands for its beginning. Returns
/// milliseconds since 1970.
pub fn time_ms(text: &str) -> Result<i64, String> {
    if let Ok(day) = text.parse::<UtcDay>() {
        return Ok(day.start_ms());
    }
    let time: Timestamp = text
        .parse()
        .map_err(|_| format!("{text:?} is not a time; write it as 2027-01-31 or 2027-01-31T12:00:00Z"))?;
    Ok(time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_read_as_people_write_them() {
        assert_eq!(duration_ms("24h"), Ok(86_400_000));
        assert_eq!(duration_ms("7 days"), Ok(7 * 86_400_000));
        assert_eq!(duration_ms("0s"), Ok(0));
        for wrong in ["", "soon", "-1h", "100 years", "1 month"] {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
        assert_eq!(time_ms("1970-01-02"), Ok(86_400_000));
        assert_eq!(time_ms("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(time_ms("tomorrow").is_err());
    }
}
