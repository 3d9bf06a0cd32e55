//! UTC months. Not taken from the meter, with which the auditors share no code.

use crate::api_log::DAY_MS;

/// Returns the start of the month of a time. Both are in milliseconds since 1970.
pub fn month_start_ms(at_ms: i64) -> i64 {
    let mut start_ms = at_ms - at_ms.rem_euclid(DAY_MS);
    while day_of_month(start_ms) != 1 {
        start_ms -= DAY_MS;
    }
    start_ms
}

/// Returns the start of the month after the one of a time. Both are in milliseconds since 1970.
pub fn next_month_start_ms(at_ms: i64) -> i64 {
    month_start_ms(month_start_ms(at_ms) + 31 * DAY_MS)
}

/// Returns the day of the month. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`.
fn day_of_month(at_ms: i64) -> i64 {
    let day = at_ms.div_euclid(DAY_MS) + 719_468;
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    of_year - (153 * month + 2) / 5 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_on_its_first_day() {
        let (november, december, january) = (1_793_491_200_000, 1_796_083_200_000, 1_798_761_600_000);
        assert_eq!(month_start_ms(1_795_509_270_000), november);
        assert_eq!((month_start_ms(december - 1), month_start_ms(december)), (november, december));
        assert_eq!((next_month_start_ms(november), next_month_start_ms(december)), (december, january));
        let march_2028 = 1_835_481_600_000;
        assert_eq!(march_2028 - month_start_ms(march_2028 - 1), 29 * DAY_MS);
    }
}
