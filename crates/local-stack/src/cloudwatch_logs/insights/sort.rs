//! The sort order of Logs Insights.
//!
//! Source: CloudWatch Logs User Guide, "sort" of the Insights language: values that are not numbers come
//! before numbers. They are split into runs of digits and runs of other characters. Digits compare by
//! length and then by value, other characters by code point. Not documented: a missing value sorts as an
//! empty text, and equal numbers sort by their text.

use std::cmp::Ordering;

use super::value::{Value, number};

/// Returns the ascending order of two values.
pub fn natural_order(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    let numbers = (as_number(left), as_number(right));
    let texts = || {
        let (left, right) = (left.shown().unwrap_or_default(), right.shown().unwrap_or_default());
        (left, right)
    };
    match numbers {
        (Some(left_number), Some(right_number)) => left_number.total_cmp(&right_number).then_with(|| {
            let (left, right) = texts();
            left.cmp(&right)
        }),
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (None, None) => {
            let (left, right) = texts();
            text_order(&left, &right)
        }
    }
}

fn as_number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Text(text) => number(text),
        value => value.number(),
    }
}

fn text_order(mut left: &str, mut right: &str) -> Ordering {
    loop {
        let (left_chunk, right_chunk) = (chunk(&mut left), chunk(&mut right));
        if left_chunk.is_empty() || right_chunk.is_empty() {
            return left_chunk.len().cmp(&right_chunk.len());
        }
        let are_digits = starts_with_digit(left_chunk) && starts_with_digit(right_chunk);
        let by_length = if are_digits { left_chunk.len().cmp(&right_chunk.len()) } else { Ordering::Equal };
        let order = by_length.then_with(|| left_chunk.cmp(right_chunk));
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Consumes a run of digits, or a run of other characters.
fn chunk<'a>(text: &mut &'a str) -> &'a str {
    let are_digits = starts_with_digit(text);
    let end = text.find(|character: char| character.is_ascii_digit() != are_digits).unwrap_or(text.len());
    let (chunk, rest) = text.split_at(end);
    *text = rest;
    chunk
}

fn starts_with_digit(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the user guide, in its order.
    const EXAMPLE: [&str; 16] = [
        "!:",
        "#",
        "*%04",
        "0#",
        "5A",
        "111A",
        "2345_",
        "@",
        "@_",
        "A",
        "A9876fghj",
        "a12345hfh",
        "0",
        "01",
        "1",
        "2",
    ];

    #[test]
    fn the_example_of_the_user_guide_sorts_as_it_stands_there() {
        for seed in 1..EXAMPLE.len() {
            let mut values: Vec<Value<'_>> = EXAMPLE.iter().map(|text| Value::text(*text)).collect();
            values.rotate_left(seed);
            values.sort_by(natural_order);
            let sorted: Vec<_> = values.iter().filter_map(Value::shown).collect();
            assert_eq!(sorted, EXAMPLE);
        }
    }

    #[test]
    fn hexadecimal_keys_do_not_sort_as_texts_do() {
        let order = natural_order(&Value::text("key-9a"), &Value::text("key-10b"));
        assert_eq!((order, "key-9a".cmp("key-10b")), (Ordering::Less, Ordering::Greater));
    }

    proptest! {
        /// It is an order: turned round it is reversed, and it is transitive.
        #[test]
        fn it_is_a_total_order(texts in proptest::array::uniform3("[0-9a#.]{0,4}")) {
            let [a, b, c] = texts.each_ref().map(|text| Value::text(text.as_str()));
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
                prop_assert!(natural_order(&a, &c).is_le());
            }
        }
    }
}
