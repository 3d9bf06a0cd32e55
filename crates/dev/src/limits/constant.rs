//! The values of the constants in the sources.
//!
//! Many limits are private to their module, so the table reads them from the source text.

/// Constants that others are multiples of.
const UNITS: [(&str, u64); 2] = [("HOUR_MS", 3_600_000), ("DAY_MS", 86_400_000)];

/// Returns the value of a constant that a source declares.
///
/// The value is an integer, a `Duration` of seconds or milliseconds (in that unit), another constant
/// of the source, a unit of time, or a sum, difference, product or shift of these.
///
/// # Errors
/// Returns a description if the source does not declare the constant, or its value has another form.
pub fn value(source: &str, name: &str) -> Result<u64, String> {
    let Some(expression) = expression(source, name) else {
        let unit = UNITS.iter().find(|(unit, _)| *unit == name);
        return unit.map(|(_, value)| *value).ok_or_else(|| format!("it declares no constant {name}"));
    };
    evaluate(source, expression)
        .map_err(|problem| format!("the value of {name}, {expression:?}, cannot be read: {problem}"))
}

/// Returns the text between the `=` and the `;` of a declaration.
fn expression<'s>(source: &'s str, name: &str) -> Option<&'s str> {
    let declaration = format!("const {name}:");
    let (_, rest) = source.split_once(&declaration)?;
    let (_, value) = rest.split_once('=')?;
    Some(value.split_once(';')?.0.trim())
}

/// An operation on two numbers; `None` if the result is no `u64`.
type Operation = fn(u64, u64) -> Option<u64>;

/// The operators, those that bind the least first.
const OPERATORS: [(&str, Operation); 4] = [
    ("<<", |left, right| left.checked_shl(u32::try_from(right).ok()?)),
    ("+", u64::checked_add),
    (" - ", u64::checked_sub),
    ("*", u64::checked_mul),
];

fn evaluate(source: &str, expression: &str) -> Result<u64, String> {
    for (operator, apply) in OPERATORS {
        if let Some((left, right)) = expression.rsplit_once(operator) {
            let (left, right) = (evaluate(source, left)?, evaluate(source, right)?);
            return apply(left, right).ok_or_else(|| "it overflows".to_owned());
        }
    }
    let operand = expression.trim();
    let inner = ["Duration::from_secs(", "Duration::from_millis("]
        .iter()
        .find_map(|call| operand.strip_prefix(call)?.strip_suffix(')'));
    let operand = inner.unwrap_or(operand);
    if operand.starts_with(|first: char| first.is_ascii_digit()) {
        return operand.replace('_', "").parse().map_err(|_| format!("{operand:?} is not an integer"));
    }
    let name = operand.rsplit("::").next().unwrap_or(operand);
    value(source, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        /// The greatest number of bytes.
        pub const MAX_BYTES: usize = 1 << 20;
        const MAX_PAYLOAD: usize = MAX_BYTES - 256;
        pub(super) const MAX_PART: usize = 900 * 1024;
        const AGE_MS: i64 = 7 * crate::window::DAY_MS;
        const WAIT: Duration = Duration::from_secs(30);
        const ODD: usize = size_of::<u64>();
    ";

    #[test]
    fn a_value_is_computed_as_the_compiler_computes_it() {
        for (name, expected) in [
            ("MAX_BYTES", 1 << 20),
            ("MAX_PAYLOAD", (1 << 20) - 256),
            ("MAX_PART", 921_600),
            ("AGE_MS", 604_800_000),
            ("WAIT", 30),
        ] {
            assert_eq!(value(SOURCE, name), Ok(expected), "{name}");
        }
    }

    #[test]
    fn a_constant_that_cannot_be_read_is_named() {
        assert_eq!(value(SOURCE, "MAX"), Err("it declares no constant MAX".to_owned()));
        assert!(value(SOURCE, "ODD").unwrap_err().contains("ODD, \"size_of::<u64>()\""));
    }
}
