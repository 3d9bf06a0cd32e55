//! The functions of the language.
//!
//! Source: CloudWatch Logs User Guide, "Boolean, comparison, numeric, datetime,
//! and other functions".

use super::value::Value;

/// A function.
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
    /// The function of a name, and how few and how many arguments it takes.
    pub fn named(name: &str) -> Option<(Self, usize, usize)> {
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

    /// Whether the function says true or false.
    pub fn is_condition(self) -> bool {
        matches!(self, Self::IsPresent | Self::IsEmpty | Self::IsBlank | Self::StrContains)
    }

    /// Calls the function. The number of arguments is right.
    pub fn call(self, mut arguments: Vec<Value<'_>>) -> Value<'_> {
        match self {
            Self::Coalesce => arguments.into_iter().find(|value| !value.is_null()).unwrap_or(Value::Null),
            Self::IsPresent => Value::truth(!arguments[0].is_null()),
            Self::IsEmpty => Value::truth(arguments[0].shown().is_none_or(|text| text.is_empty())),
            Self::IsBlank => Value::truth(arguments[0].shown().is_none_or(|text| text.trim().is_empty())),
            Self::Greatest | Self::Least => self.extreme(&arguments),
            Self::ToMillis => match arguments[0] {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds of our time are below 2^53")]
                Value::Time(time_ms) => Value::Number(time_ms as f64),
                _ => Value::Null,
            },
            #[expect(clippy::cast_possible_truncation, reason = "a time beyond 64 bits is none to be shown")]
            Self::FromMillis => {
                arguments[0].number().map_or(Value::Null, |number| Value::Time(number as i64))
            }
            Self::Abs | Self::Ceil | Self::Floor | Self::Log | Self::Sqrt => self.of_number(&arguments[0]),
            Self::Trim | Self::ToLower | Self::ToUpper | Self::StrLen => self.of_text(&arguments.remove(0)),
            Self::Concat | Self::Replace | Self::StrContains => self.of_texts(&arguments),
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

    fn of_number(self, value: &Value<'_>) -> Value<'static> {
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

    fn of_text(self, value: &Value<'_>) -> Value<'static> {
        let Some(text) = value.shown() else { return Value::Null };
        match self {
            Self::Trim => Value::text(text.trim().to_owned()),
            Self::ToLower => Value::text(text.to_lowercase()),
            Self::ToUpper => Value::text(text.to_uppercase()),
            #[expect(clippy::cast_precision_loss, reason = "a line is below 2^53 characters")]
            _ => Value::Number(text.chars().count() as f64),
        }
    }

    fn of_texts(self, values: &[Value<'_>]) -> Value<'static> {
        let Some(texts) = values.iter().map(Value::shown).collect::<Option<Vec<_>>>() else {
            return if self == Self::StrContains { Value::truth(false) } else { Value::Null };
        };
        match self {
            Self::Concat => Value::text(texts.concat()),
            Self::Replace => Value::text(texts[0].replace(&*texts[1], &texts[2])),
            _ => Value::truth(texts[0].contains(&*texts[1])),
        }
    }
}

/// A part of a text, counted in characters from 0.
fn substr(arguments: &[Value<'_>]) -> Option<Value<'static>> {
    let text = arguments[0].shown()?;
    let index = |value: &Value<'_>| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and a line is no longer"
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
