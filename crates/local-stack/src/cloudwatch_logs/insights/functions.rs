//! The functions of the query language.
//!
//! Source: CloudWatch Logs User Guide, "Boolean, comparison, numeric, datetime,
//! and other functions".

use super::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Abs,
    Ceil,
    Floor,
    Greatest,
    Least,
    Log,
    Sqrt,
    Coalesce,
    IsPresent,
    IsEmpty,
    IsBlank,
    Concat,
    StrLen,
    ToLower,
    ToUpper,
    Trim,
    Substr,
    Replace,
    StrContains,
    ToMillis,
    FromMillis,
}

impl Function {
    /// Returns the function with a name, and its minimum and maximum number of arguments.
    pub fn from_name(name: &str) -> Option<(Self, usize, usize)> {
        const MANY: usize = usize::MAX;
        Some(match name {
            "abs" => (Self::Abs, 1, 1),
            "ceil" => (Self::Ceil, 1, 1),
            "floor" => (Self::Floor, 1, 1),
            "greatest" => (Self::Greatest, 1, MANY),
            "least" => (Self::Least, 1, MANY),
            "log" => (Self::Log, 1, 1),
            "sqrt" => (Self::Sqrt, 1, 1),
            "coalesce" => (Self::Coalesce, 1, MANY),
            "ispresent" => (Self::IsPresent, 1, 1),
            "isempty" => (Self::IsEmpty, 1, 1),
            "isblank" => (Self::IsBlank, 1, 1),
            "concat" => (Self::Concat, 1, MANY),
            "strlen" => (Self::StrLen, 1, 1),
            "tolower" => (Self::ToLower, 1, 1),
            "toupper" => (Self::ToUpper, 1, 1),
            "trim" => (Self::Trim, 1, 1),
            "substr" => (Self::Substr, 2, 3),
            "replace" => (Self::Replace, 3, 3),
            "strcontains" => (Self::StrContains, 2, 2),
            "toMillis" => (Self::ToMillis, 1, 1),
            "fromMillis" => (Self::FromMillis, 1, 1),
            _ => return None,
        })
    }

    /// Returns `true` if the result of the function is a boolean.
    pub fn is_condition(self) -> bool {
        matches!(self, Self::IsPresent | Self::IsEmpty | Self::IsBlank | Self::StrContains)
    }

    /// Calls the function. The parser has checked the number of arguments.
    pub fn call(self, mut arguments: Vec<Value<'_>>) -> Value<'_> {
        match self {
            Self::Coalesce => arguments.into_iter().find(|value| !value.is_null()).unwrap_or(Value::Null),
            Self::IsPresent => Value::boolean(!arguments[0].is_null()),
            Self::IsEmpty => Value::boolean(arguments[0].shown().is_none_or(|text| text.is_empty())),
            Self::IsBlank => Value::boolean(arguments[0].shown().is_none_or(|text| text.trim().is_empty())),
            Self::Greatest | Self::Least => self.extreme(&arguments),
            Self::ToMillis => match arguments[0] {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "present times in milliseconds are below 2^53"
                )]
                Value::Time(time_ms) => Value::Number(time_ms as f64),
                _ => Value::Null,
            },
            #[expect(clippy::cast_possible_truncation, reason = "a time beyond 64 bits cannot be shown")]
            Self::FromMillis => {
                arguments[0].number().map_or(Value::Null, |number| Value::Time(number as i64))
            }
            Self::Abs | Self::Ceil | Self::Floor | Self::Log | Self::Sqrt => {
                self.apply_to_number(&arguments[0])
            }
            Self::Trim | Self::ToLower | Self::ToUpper | Self::StrLen => {
                self.apply_to_text(&arguments.remove(0))
            }
            Self::Concat | Self::Replace | Self::StrContains => self.apply_to_texts(&arguments),
            Self::Substr => substr(&arguments).unwrap_or(Value::Null),
        }
    }

    fn extreme(self, arguments: &[Value<'_>]) -> Value<'static> {
        let Some(numbers) = arguments.iter().map(Value::number).collect::<Option<Vec<f64>>>() else {
            return Value::Null;
        };
        let numbers = numbers.into_iter();
        let extreme =
            if self == Self::Least { numbers.min_by(f64::total_cmp) } else { numbers.max_by(f64::total_cmp) };
        extreme.map_or(Value::Null, Value::Number)
    }

    fn apply_to_number(self, value: &Value<'_>) -> Value<'static> {
        let Some(number) = value.number() else { return Value::Null };
        let result = match self {
            Self::Abs => number.abs(),
            Self::Ceil => number.ceil(),
            Self::Floor => number.floor(),
            Self::Log => number.ln(),
            _ => number.sqrt(),
        };
        if result.is_finite() { Value::Number(result) } else { Value::Null }
    }

    fn apply_to_text(self, value: &Value<'_>) -> Value<'static> {
        let Some(text) = value.shown() else { return Value::Null };
        match self {
            Self::Trim => Value::text(text.trim().to_owned()),
            Self::ToLower => Value::text(text.to_lowercase()),
            Self::ToUpper => Value::text(text.to_uppercase()),
            #[expect(clippy::cast_precision_loss, reason = "a line has less than 2^53 characters")]
            _ => Value::Number(text.chars().count() as f64),
        }
    }

    fn apply_to_texts(self, values: &[Value<'_>]) -> Value<'static> {
        let Some(texts) = values.iter().map(Value::shown).collect::<Option<Vec<_>>>() else {
            return if self == Self::StrContains { Value::boolean(false) } else { Value::Null };
        };
        match self {
            Self::Concat => Value::text(texts.concat()),
            Self::Replace => Value::text(texts[0].replace(&*texts[1], &texts[2])),
            _ => Value::boolean(texts[0].contains(&*texts[1])),
        }
    }
}

/// Returns a part of a text. Positions count characters from 0.
fn substr(arguments: &[Value<'_>]) -> Option<Value<'static>> {
    let text = arguments[0].shown()?;
    let index = |value: &Value<'_>| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number is not negative, and a line is shorter"
        )]
        value.number().filter(|number| *number >= 0.0).map(|number| number as usize)
    };
    let start = index(&arguments[1])?;
    let length = match arguments.get(2) {
        Some(length) => index(length)?,
        None => usize::MAX,
    };
    Some(Value::text(text.chars().skip(start).take(length).collect::<String>()))
}
