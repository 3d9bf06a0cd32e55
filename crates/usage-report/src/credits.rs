//! Exact decimal numbers of credits.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul};
use std::str::FromStr;

/// Decimal places of weights and credits.
const DECIMAL_PLACES: usize = 3;
/// Thousandths of a credit.
const THOUSAND: u64 = 1_000;

/// Maximum weight of a call, in credits.
pub const MAX_WEIGHT_CREDITS: u64 = 1_000_000;

/// A number of credits, exact to a thousandth.
///
/// ```
/// use usage_report::credits::{Credits, Weight};
///
/// let weight: Weight = "0.25".parse()?;
/// assert_eq!((weight * 5).to_string(), "1.25");
/// assert_eq!((weight * 5 + "1".parse::<Weight>()? * 2).to_string(), "3.25");
/// # Ok::<(), usage_report::credits::WeightError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credits {
    thousandths: u128,
}

impl Add for Credits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { thousandths: self.thousandths.saturating_add(other.thousandths) }
    }
}

impl AddAssign for Credits {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Credits {
    fn sum<I: Iterator<Item = Self>>(credits: I) -> Self {
        credits.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Credits {
    /// Writes a decimal number without trailing zeros, as in `12`, `0.5` or `1.125`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousand = u128::from(THOUSAND);
        let (whole, rest) = (self.thousandths / thousand, self.thousandths % thousand);
        let text = match rest {
            0 => whole.to_string(),
            rest => format!("{whole}.{rest:0DECIMAL_PLACES$}").trim_end_matches('0').to_owned(),
        };
        formatter.pad(&text)
    }
}

/// The credits of one call, exact to a thousandth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Weight {
    thousandths: u64,
}

impl Weight {
    /// The weight of a call if nothing else is said: one credit.
    pub const ONE: Self = Self { thousandths: THOUSAND };
}

impl Mul<u64> for Weight {
    type Output = Credits;

    /// Returns the credits of a number of calls.
    fn mul(self, calls: u64) -> Credits {
        // The product of two 64-bit numbers has at most 128 bits.
        Credits { thousandths: u128::from(self.thousandths) * u128::from(calls) }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self * 1).fmt(formatter)
    }
}

/// A text that is not a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    /// The text is not a decimal number.
    #[error(
        "a weight is a number of credits such as 1, 0.25 or 12.5, with at most {DECIMAL_PLACES} decimal places"
    )]
    NotANumber,
    /// The number is above [`MAX_WEIGHT_CREDITS`].
    #[error("a weight is at most {MAX_WEIGHT_CREDITS} credits")]
    TooLarge,
}

impl FromStr for Weight {
    type Err = WeightError;

    fn from_str(text: &str) -> Result<Self, WeightError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || fraction.len() > DECIMAL_PLACES {
            return Err(WeightError::NotANumber);
        }
        let whole: u64 = whole.parse().map_err(|_| WeightError::TooLarge)?;
        let fraction: u64 =
            format!("{fraction:0<DECIMAL_PLACES$}").parse().map_err(|_| WeightError::NotANumber)?;
        if whole > MAX_WEIGHT_CREDITS || (whole == MAX_WEIGHT_CREDITS && fraction > 0) {
            return Err(WeightError::TooLarge);
        }
        Ok(Self { thousandths: whole * THOUSAND + fraction })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_weight_is_a_decimal_number() {
        for (text, shown) in [
            ("1", "1"),
            ("0", "0"),
            ("007.50", "7.5"),
            ("0.001", "0.001"),
            ("12.125", "12.125"),
            ("1000000", "1000000"),
            ("1000000.000", "1000000"),
        ] {
            assert_eq!(text.parse::<Weight>().unwrap().to_string(), shown, "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "0.0001", "1,5", " 1", "١"] {
            assert_eq!(text.parse::<Weight>(), Err(WeightError::NotANumber), "{text}");
        }
        for text in ["1000000.001", "1000001", "99999999999999999999999"] {
            assert_eq!(text.parse::<Weight>(), Err(WeightError::TooLarge), "{text}");
        }
    }

    #[test]
    fn the_credits_of_the_largest_weight_and_number_of_calls_are_exact() {
        let most: Weight = MAX_WEIGHT_CREDITS.to_string().parse().unwrap();
        assert_eq!((most * u64::MAX).to_string(), format!("{}000000", u64::MAX));
        assert_eq!(format!("{:>6}|", Weight::ONE), "     1|");
    }

    proptest! {
        #[test]
        fn a_weight_that_is_written_reads_the_same(thousandths in 0..=MAX_WEIGHT_CREDITS * 1_000) {
            let weight = Weight { thousandths };
            prop_assert_eq!(weight.to_string().parse(), Ok(weight));
        }

        #[test]
        fn credits_of_parts_are_the_credits_of_the_whole(
            thousandths in 0..=MAX_WEIGHT_CREDITS * 1_000, a in 0..1_u64 << 60, b in 0..1_u64 << 60,
        ) {
            let weight = Weight { thousandths };
            prop_assert_eq!(weight * a + weight * b, weight * (a + b));
        }
    }
}
