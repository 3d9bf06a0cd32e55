//! Kinesis sequence numbers, and their numeric order.

use std::fmt;

/// Maximum number of digits of a Kinesis sequence number.
///
/// Source: Amazon Kinesis Data Streams API Reference, `Record.SequenceNumber`,
/// pattern `0|([1-9]\d{0,128})`; the service documents 128 digits.
pub const MAX_DIGITS: usize = 128;

/// Number of digits of the length prefix in the storage form.
const LENGTH_PREFIX_DIGITS: usize = 3;

const _: () = assert!(MAX_DIGITS < 1_000 && LENGTH_PREFIX_DIGITS == 3);

/// A Kinesis sequence number, ordered by its numeric value.
///
/// A sequence number has up to 128 digits, and a DynamoDB number at most 38. As text, `"9"` sorts
/// after `"10"`. It is therefore stored as a three-digit length followed by the digits. For this
/// form, byte order, DynamoDB's string order and numeric order are the same.
///
/// ```
/// use metering_core::sequence_number::SequenceNumber;
///
/// let (nine, ten) = (SequenceNumber::parse("9")?, SequenceNumber::parse("10")?);
/// assert!(nine < ten && nine.storage_form() < ten.storage_form());
/// assert_eq!(ten.storage_form(), "00210");
/// # Ok::<(), metering_core::sequence_number::SequenceNumberError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(Box<str>);

/// A text that is not a sequence number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SequenceNumberError {
    /// The text is empty.
    #[error("a sequence number needs at least one digit, this one is empty")]
    Empty,
    /// The text has a byte other than `0`-`9`.
    #[error(
        "a sequence number has only decimal digits, this one has another character at position {position}"
    )]
    NotADigit {
        /// Zero-based position of the first such byte.
        position: usize,
    },
    /// The text has more than [`MAX_DIGITS`] digits.
    #[error("a sequence number has at most {MAX_DIGITS} digits, this one has {digits}")]
    TooLong {
        /// Number of digits, without leading zeros.
        digits: usize,
    },
    /// The text is not in storage form: its length prefix does not fit its digits.
    #[error(
        "a stored sequence number is a three-digit length and that many digits without a leading zero, this value is not"
    )]
    NotStorageForm,
}

impl SequenceNumber {
    /// Parses the decimal digits that Kinesis assigned.
    ///
    /// # Errors
    /// When the text is empty, has a character that is not a digit, or has more than [`MAX_DIGITS`]
    /// digits.
    pub fn parse(digits: &str) -> Result<Self, SequenceNumberError> {
        if digits.is_empty() {
            return Err(SequenceNumberError::Empty);
        }
        if let Some(position) = digits.bytes().position(|byte| !byte.is_ascii_digit()) {
            return Err(SequenceNumberError::NotADigit { position });
        }
        let significant = match digits.trim_start_matches('0') {
            "" => "0",
            rest => rest,
        };
        if significant.len() > MAX_DIGITS {
            return Err(SequenceNumberError::TooLong { digits: significant.len() });
        }
        Ok(Self(format!("{:03}{significant}", significant.len()).into_boxed_str()))
    }

    /// Parses the output of [`Self::storage_form`].
    ///
    /// # Errors
    /// When the value was not written by [`Self::storage_form`].
    pub fn from_storage_form(stored: &str) -> Result<Self, SequenceNumberError> {
        let digits = stored.get(LENGTH_PREFIX_DIGITS..).ok_or(SequenceNumberError::NotStorageForm)?;
        let parsed = Self::parse(digits)?;
        if &*parsed.0 == stored { Ok(parsed) } else { Err(SequenceNumberError::NotStorageForm) }
    }

    /// Returns the number less one; 0 stays 0.
    #[must_use]
    pub fn predecessor(&self) -> Self {
        let mut digits = self.digits().as_bytes().to_vec();
        let Some(last) = digits.iter().rposition(|digit| *digit != b'0') else { return self.clone() };
        digits[last] -= 1;
        digits[last + 1..].fill(b'9');
        let digits: String = digits.into_iter().map(char::from).collect();
        Self::parse(&digits).unwrap_or_else(|_| self.clone())
    }

    /// Returns the number plus one; the largest number stays the same.
    #[must_use]
    pub fn successor(&self) -> Self {
        let mut digits = self.digits().as_bytes().to_vec();
        if let Some(last) = digits.iter().rposition(|digit| *digit != b'9') {
            digits[last] += 1;
            digits[last + 1..].fill(b'0');
        } else {
            digits.fill(b'0');
            digits.insert(0, b'1');
        }
        let digits: String = digits.into_iter().map(char::from).collect();
        Self::parse(&digits).unwrap_or_else(|_| self.clone())
    }

    /// Returns the form to store and to compare in DynamoDB, whose string order is numeric order.
    pub fn storage_form(&self) -> &str {
        &self.0
    }

    /// Returns the decimal digits, without leading zeros.
    pub fn digits(&self) -> &str {
        &self.0[LENGTH_PREFIX_DIGITS..]
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.digits())
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SequenceNumber({})", self.digits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    /// Compares digit strings as numbers, written without the type under test.
    fn numeric_order(left: &str, right: &str) -> Ordering {
        let width = left.len().max(right.len());
        format!("{left:0>width$}").cmp(&format!("{right:0>width$}"))
    }

    #[test]
    fn the_debug_form_has_the_digits() {
        assert_eq!(format!("{:?}", SequenceNumber::parse("0490").unwrap()), "SequenceNumber(490)");
    }

    proptest! {
        #[test]
        fn order_is_numeric_order(left in "[0-9]{1,128}", right in "[0-9]{1,128}") {
            let (a, b) = (SequenceNumber::parse(&left).unwrap(), SequenceNumber::parse(&right).unwrap());
            prop_assert_eq!(a.cmp(&b), numeric_order(&left, &right));
            prop_assert_eq!(a.storage_form().cmp(b.storage_form()), numeric_order(&left, &right));
        }

        #[test]
        fn a_number_lies_between_its_neighbours(digits in "0|[1-9][0-9]{0,3}|9{1,40}|10{1,40}") {
            let number = SequenceNumber::parse(&digits).unwrap();
            prop_assert_eq!(number.successor().predecessor(), number.clone());
            prop_assert!(number < number.successor());
            if let Ok(integer) = digits.parse::<u32>() {
                prop_assert_eq!(number.successor().to_string(), (integer + 1).to_string());
            }
        }

        #[test]
        fn order_is_integer_order_for_close_numbers(left in any::<u64>(), difference in 0_u64..3) {
            let right = left.saturating_add(difference);
            let (a, b) = (SequenceNumber::parse(&left.to_string()).unwrap(), SequenceNumber::parse(&right.to_string()).unwrap());
            prop_assert_eq!(a.cmp(&b), left.cmp(&right));
        }

        #[test]
        fn the_predecessor_is_one_less(value in 1_u128..) {
            let number = SequenceNumber::parse(&value.to_string()).unwrap();
            let predecessor = number.predecessor();
            prop_assert_eq!(predecessor.digits(), (value - 1).to_string());
        }

        #[test]
        fn storage_form_round_trips(digits in "[1-9][0-9]{0,127}") {
            let number = SequenceNumber::parse(&digits).unwrap();
            prop_assert_eq!(number.digits(), digits.as_str());
            prop_assert_eq!(SequenceNumber::from_storage_form(number.storage_form()).unwrap(), number);
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".*") {
            let _ = SequenceNumber::parse(&text);
            if let Ok(number) = SequenceNumber::from_storage_form(&text) {
                prop_assert_eq!(number.storage_form(), text.as_str());
            }
        }
    }

    #[test]
    fn refuses_what_kinesis_never_assigns() {
        assert_eq!(SequenceNumber::parse(""), Err(SequenceNumberError::Empty));
        assert_eq!(SequenceNumber::parse("12a"), Err(SequenceNumberError::NotADigit { position: 2 }));
        let long = "9".repeat(129);
        assert_eq!(SequenceNumber::parse(&long), Err(SequenceNumberError::TooLong { digits: 129 }));
        assert!(SequenceNumber::parse(&"9".repeat(128)).is_ok());
        assert_eq!(
            SequenceNumber::from_storage_form("00212x"),
            Err(SequenceNumberError::NotADigit { position: 2 })
        );
        assert_eq!(SequenceNumber::from_storage_form("0039"), Err(SequenceNumberError::NotStorageForm));
    }
}
