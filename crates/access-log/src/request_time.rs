//! The request times of access-log lines.

use jiff::Timestamp;
use jiff::fmt::strtime;

/// An epoch below this value is in seconds. As milliseconds, it would be a day of 1973 or before.
const SECONDS_BELOW: i64 = 100_000_000_000;

/// A text that is not a request time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request time is written as 24/Nov/2026:08:34:30 +0000 or 2026-11-24T08:34:30Z")]
pub struct RequestTimeError;

/// Returns an epoch that is in seconds or in milliseconds as milliseconds since 1970.
///
/// `$context.requestTimeEpoch` is in milliseconds on REST APIs ("the
/// Epoch-formatted request time, in milliseconds") and in seconds on HTTP APIs,
/// whose documentation names no unit.
///
/// Sources: API Gateway Developer Guide, "Variables for access logging" (REST)
/// and "Customize HTTP API access logs"; the unit of the latter from access
/// logs that users have published, each with ten digits beside its
/// `requestTime`.
///
/// ```
/// use access_log::request_time::epoch_to_ms;
///
/// assert_eq!(epoch_to_ms(1_795_509_270), 1_795_509_270_000);
/// assert_eq!(epoch_to_ms(1_795_509_270_123), 1_795_509_270_123);
/// ```
pub const fn epoch_to_ms(epoch: i64) -> i64 {
    if epoch.unsigned_abs() < SECONDS_BELOW.unsigned_abs() { epoch * 1_000 } else { epoch }
}

/// Parses a request time with any UTC offset into milliseconds since 1970.
///
/// Accepts `$context.requestTime` of API Gateway (the common log format,
/// `24/Nov/2026:14:04:30 +0530`) and RFC 3339 (`2026-11-24T14:04:30+05:30`).
///
/// # Errors
/// When the text is in neither form, or does not name a point in time.
pub fn parse_request_time(text: &str) -> Result<i64, RequestTimeError> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_millisecond());
    }
    strtime::parse("%d/%b/%Y:%H:%M:%S %z", text)
        .and_then(|parsed| parsed.to_timestamp())
        .map(Timestamp::as_millisecond)
        .map_err(|_| RequestTimeError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use metering_core::window::CallWindow;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_offset_of_a_request_time_does_not_move_the_call(
            epoch_s in 0_i64..4_000_000_000, offset_minutes in -14 * 60..=14 * 60_i64,
        ) {
            let local = Timestamp::from_second(epoch_s + offset_minutes * 60).unwrap();
            let sign = if offset_minutes < 0 { '-' } else { '+' };
            let (hours, minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
            let civil = jiff::tz::Offset::UTC.to_datetime(local);
            let rfc3339 = format!("{civil}{sign}{hours:02}:{minutes:02}");
            let common_log = format!("{} {sign}{hours:02}{minutes:02}", civil.strftime("%d/%b/%Y:%H:%M:%S"));
            prop_assert_eq!(parse_request_time(&rfc3339).unwrap(), epoch_s * 1000);
            prop_assert_eq!(parse_request_time(&common_log).unwrap(), epoch_s * 1000);
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".*") {
            let _ = parse_request_time(&text);
        }
    }

    #[test]
    fn an_offset_can_move_a_call_into_another_day_and_month() {
        let epoch_ms = parse_request_time("01/Dec/2026:02:30:00 +0530").unwrap();
        let window = CallWindow::at(epoch_ms).unwrap();
        assert_eq!((window.day.to_string().as_str(), window.hour), ("2026-11-30", 21));
    }

    #[test]
    fn an_epoch_is_in_seconds_where_milliseconds_would_be_half_a_century_ago() {
        assert_eq!(epoch_to_ms(1_747_602_530), 1_747_602_530_000);
        assert_eq!(epoch_to_ms(1_747_602_530_123), 1_747_602_530_123);
        assert_eq!(
            (epoch_to_ms(99_999_999_999), epoch_to_ms(100_000_000_000)),
            (99_999_999_999_000, 100_000_000_000)
        );
        assert_eq!((epoch_to_ms(0), epoch_to_ms(-1), epoch_to_ms(i64::MIN)), (0, -1_000, i64::MIN));
    }
}
