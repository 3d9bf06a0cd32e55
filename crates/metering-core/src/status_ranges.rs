//! Sets of HTTP statuses: those that are billed, or those of a route class.

use std::fmt;
use std::str::FromStr;

use crate::usage_record::CallStatus;

/// Maximum number of ranges of a set. Each call is compared with all of them.
pub const MAX_STATUS_RANGES: usize = 50;

/// The lowest and the highest status that a set may have. A status below 200 never ends a call.
const STATUSES: [u16; 2] = [200, 599];

/// The successful statuses, 200 to 299.
const SUCCESSFUL: [u16; 2] = [200, 299];

/// A set of statuses, written as statuses and ranges with commas. The default is 200 to 299.
///
/// ```
/// use metering_core::status_ranges::StatusRanges;
/// use metering_core::usage_record::CallStatus;
///
/// let billed: StatusRanges = "200-299,304".parse()?;
/// let status = |text: &str| CallStatus::parse(text.as_bytes()).expect("three digits");
/// assert!(billed.contains(status("204")) && billed.contains(status("304")));
/// assert!(!billed.contains(status("404")));
/// assert!(!StatusRanges::default().contains(status("304")));
/// # Ok::<(), metering_core::status_ranges::StatusRangesError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatusRanges(
    /// The first and the last status of each range.
    Vec<[u16; 2]>,
);

/// A text that is not a set of statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusRangesError {
    /// A part of the text is not a status or a range.
    #[error("the status {0:?} is not one or a range of {first} to {last}, as in 201 or 200-204", first = STATUSES[0], last = STATUSES[1])]
    Range(String),
    /// The set has more than [`MAX_STATUS_RANGES`] ranges.
    #[error("there are {0} statuses and ranges, more than {MAX_STATUS_RANGES}; write neighbours as a range")]
    TooMany(usize),
}

impl StatusRanges {
    /// Returns `true` if the status is one of the set.
    pub fn contains(&self, status: CallStatus) -> bool {
        self.has_code(status.code())
    }

    /// Returns `true` if each status of `other` is one of this set.
    pub fn has_all(&self, other: &Self) -> bool {
        let mut codes = other.0.iter().flat_map(|[first, last]| *first..=*last);
        codes.all(|code| self.has_code(code))
    }

    fn has_code(&self, code: u16) -> bool {
        self.0.iter().any(|[first, last]| (first..=last).contains(&&code))
    }

    /// Returns the first digits of the statuses, in ascending order: `2` for the default.
    pub fn first_digits(&self) -> String {
        let hundreds = |digit: u16| digit * 100..digit * 100 + 100;
        let digits = (2..=5).filter(|digit| hundreds(*digit).any(|code| self.has_code(code)));
        digits.map(|digit| digit.to_string()).collect()
    }

    /// Returns a regular expression for the whole text of a status: `^2[0-9][0-9]$` for the default.
    pub fn regular_expression(&self) -> String {
        let mut alternatives = Vec::new();
        for hundred in (200..600).step_by(100) {
            if (hundred..hundred + 100).all(|code| self.has_code(code)) {
                alternatives.push(format!("{}[0-9][0-9]", hundred / 100));
                continue;
            }
            for ten in (hundred..hundred + 100).step_by(10) {
                if (ten..ten + 10).all(|code| self.has_code(code)) {
                    alternatives.push(format!("{}[0-9]", ten / 10));
                } else {
                    let codes = (ten..ten + 10).filter(|code| self.has_code(*code));
                    alternatives.extend(codes.map(|code| code.to_string()));
                }
            }
        }
        match alternatives.as_slice() {
            [one] => format!("^{one}$"),
            several => format!("^({})$", several.join("|")),
        }
    }
}

impl Default for StatusRanges {
    fn default() -> Self {
        Self(vec![SUCCESSFUL])
    }
}

impl FromStr for StatusRanges {
    type Err = StatusRangesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let status = |text: &str| CallStatus::parse(text.as_bytes()).map(CallStatus::code);
            match (status(first), status(last)) {
                (Some(first), Some(last)) if STATUSES[0] <= first && first <= last && last <= STATUSES[1] => {
                    Ok([first, last])
                }
                _ => Err(StatusRangesError::Range(text.to_owned())),
            }
        };
        let ranges = text.split(',').map(|text| range(text.trim())).collect::<Result<Vec<_>, _>>()?;
        match ranges.len() {
            0..=MAX_STATUS_RANGES => Ok(Self(ranges)),
            ranges => Err(StatusRangesError::TooMany(ranges)),
        }
    }
}

impl fmt::Display for StatusRanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, [first, last]) in self.0.iter().enumerate() {
            formatter.write_str(if place > 0 { "," } else { "" })?;
            write!(formatter, "{first}")?;
            if first < last {
                write!(formatter, "-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(text: &str) -> StatusRanges {
        text.parse().unwrap()
    }

    #[test]
    fn the_default_is_the_successful_statuses() {
        assert_eq!(StatusRanges::default(), ranges("200-299"));
    }

    #[test]
    fn a_range_of_one_status_is_written_as_the_status() {
        assert_eq!(ranges("200-299, 304-304,410").to_string(), "200-299,304,410");
    }

    #[test]
    fn what_is_no_status_or_range_is_refused_with_what_to_write() {
        for text in ["", "2xx", "200-", "-299", "204-200", "199", "600", "20", "2000", "200;304", "+200"] {
            let error = text.parse::<StatusRanges>().unwrap_err();
            assert_eq!(error, StatusRangesError::Range(text.to_owned()), "{text}");
            assert!(error.to_string().contains("200 to 599, as in 201 or 200-204"), "{error}");
        }
        assert_eq!("200,,304".parse::<StatusRanges>(), Err(StatusRangesError::Range(String::new())));
    }

    #[test]
    fn there_are_so_many_ranges_and_no_more() {
        let of = |count: usize| vec!["200"; count].join(",").parse::<StatusRanges>();
        assert!(of(MAX_STATUS_RANGES).is_ok());
        assert_eq!(of(MAX_STATUS_RANGES + 1), Err(StatusRangesError::TooMany(MAX_STATUS_RANGES + 1)));
    }

    #[test]
    fn an_expression_is_as_short_as_its_hundreds_and_tens() {
        for (text, expression, digits) in [
            ("200-299", "^2[0-9][0-9]$", "2"),
            ("200-299, 304", "^(2[0-9][0-9]|304)$", "23"),
            ("404,200-211,500-599", "^(20[0-9]|210|211|404|5[0-9][0-9])$", "245"),
            ("299-300", "^(299|300)$", "23"),
            ("599", "^599$", "5"),
        ] {
            assert_eq!(ranges(text).regular_expression(), expression, "{text}");
            assert_eq!(ranges(text).first_digits(), digits, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_set_has_the_statuses_of_its_ranges(
            bounds in prop::collection::vec((200_u16..600, 0_u16..120), 1..6),
            code in 100_u16..600,
        ) {
            let bounds: Vec<[u16; 2]> =
                bounds.iter().map(|(first, more)| [*first, (first + more).min(599)]).collect();
            let texts: Vec<String> = bounds.iter().map(|[first, last]| format!("{first}-{last}")).collect();
            let set = ranges(&texts.join(","));
            prop_assert_eq!(&ranges(&set.to_string()), &set);
            let code_text = code.to_string();
            let is_one = bounds.iter().any(|[first, last]| *first <= code && code <= *last);
            prop_assert_eq!(set.contains(CallStatus::parse(code_text.as_bytes()).unwrap()), is_one);
            let expression = regex::Regex::new(&set.regular_expression()).unwrap();
            prop_assert_eq!(expression.is_match(&code_text), is_one);
            prop_assert!(!is_one || set.first_digits().contains(&code_text[..1]));
        }
    }
}
