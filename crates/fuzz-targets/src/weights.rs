//! Lists of weights: any text is read or refused.
//!
//! - What is read is written and read alike.
//! - A class that has no line has the weight of `*`, or one credit.
//! - The credits of some calls and of others are those of all together.

use usage_report::credits::{Credits, Weight};
use usage_report::weights::ClassWeights;

/// Numbers of calls, whose sum does not overflow.
const CALLS: [u64; 4] = [0, 1, 1_000_003, u64::MAX / 4];

/// Checks a text as a list of weights.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(weights) = text.parse::<ClassWeights>() else { return };
    assert_eq!(weights.to_string().parse().as_ref(), Ok(&weights), "the written form is read alike");
    // No word of a line contains a blank.
    let of_others = weights.weight_of(Some("no class"));
    assert_eq!(of_others, weights.weight_of(None), "calls without a class are others");
    let has_others = weights.to_string().lines().any(|line| line.starts_with("* "));
    assert!(has_others || of_others == Weight::ONE, "each of them is one credit by default");
    for class in weights.classes().map(Some).chain([None]) {
        let weight = weights.weight_of(class);
        let apart: Credits = CALLS.iter().map(|calls| weight * *calls).sum();
        assert_eq!(apart, weight * CALLS.iter().sum(), "credits are additive");
    }
    check_lines(text, &weights);
}

/// Checks the weight of each line alone.
fn check_lines(text: &str, weights: &ClassWeights) {
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Ok(alone) = line.parse::<ClassWeights>() else { panic!("{line:?} alone is not read") };
        let class = alone.classes().next();
        assert_eq!(alone.weight_of(class), weights.weight_of(class), "{line:?} has a weight of its own");
    }
}
