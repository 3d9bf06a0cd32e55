//! Patterns for JSON lines: `{ $.status = 2* && $.key NOT EXISTS }`.

use serde_json::Value;

use super::cursor::Cursor;
use super::error::PatternError;
use super::value::Comparison;

/// Maximum number of wildcards in all selectors of a pattern; a selector has at most one. Source:
/// the user guide's quotas.
const MAX_WILDCARDS: usize = 3;
/// Maximum nesting of parentheses.
const MAX_DEPTH: usize = 100;

/// A condition, or a combination of conditions.
#[derive(Debug, Clone)]
pub enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Condition(Vec<Step>, Test),
}

/// A step of a property selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Member(String),
    Element(usize),
    AnyMember,
    AnyElement,
}

/// The test of a value.
#[derive(Debug, Clone)]
pub enum Test {
    Compare(Comparison),
    Is(Value),
    NotExists,
}

/// Parses a pattern, and returns the number of its regular expressions.
pub fn parse(pattern: &str) -> Result<(Expression, usize), PatternError> {
    let mut parser = Parser { cursor: Cursor::new(pattern), wildcards: 0, depth: 0 };
    parser.cursor.expect("{")?;
    let expression = parser.any()?;
    parser.cursor.expect("}")?;
    parser.cursor.skip_blanks();
    if !parser.cursor.is_at_end() {
        return Err(parser.cursor.unexpected("the end"));
    }
    if parser.wildcards > MAX_WILDCARDS {
        let problem =
            format!("its selectors have {} wildcards; the limit is {MAX_WILDCARDS}", parser.wildcards);
        return Err(PatternError::new(problem));
    }
    Ok((expression, parser.cursor.regexes))
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    wildcards: usize,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Expression, PatternError> {
        let mut alternatives = vec![self.all()?];
        while self.cursor.take("||") {
            alternatives.push(self.all()?);
        }
        Ok(Expression::Any(alternatives))
    }

    fn all(&mut self) -> Result<Expression, PatternError> {
        let mut parts = vec![self.one()?];
        while self.cursor.take("&&") {
            parts.push(self.one()?);
        }
        Ok(Expression::All(parts))
    }

    fn one(&mut self) -> Result<Expression, PatternError> {
        if self.cursor.take("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(PatternError::new("its parentheses are nested too deeply"));
            }
            let inner = self.any()?;
            self.cursor.expect(")")?;
            self.depth -= 1;
            return Ok(inner);
        }
        let selector = self.selector()?;
        let test = self.test()?;
        Ok(Expression::Condition(selector, test))
    }

    fn selector(&mut self) -> Result<Vec<Step>, PatternError> {
        self.cursor.expect("$.")?;
        let mut steps = Vec::new();
        // A name may be missing only before a bracket: `$.['cluster.name']`.
        if !self.cursor.starts_with("[") {
            steps.push(self.member()?);
        }
        loop {
            if self.cursor.take_here("[") {
                steps.push(self.bracket()?);
            } else if self.cursor.take_here(".") {
                if !self.cursor.starts_with("[") {
                    steps.push(self.member()?);
                }
            } else {
                break;
            }
        }
        let wildcards =
            steps.iter().filter(|step| matches!(step, Step::AnyMember | Step::AnyElement)).count();
        if wildcards > 1 {
            return Err(PatternError::new("a property selector has more than one wildcard"));
        }
        self.wildcards += wildcards;
        Ok(steps)
    }

    fn member(&mut self) -> Result<Step, PatternError> {
        if self.cursor.take_here("*") {
            return Ok(Step::AnyMember);
        }
        let name = self
            .cursor
            .take_while(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'));
        if name.is_empty() {
            return Err(self.cursor.unexpected("the name of a member, of letters, digits, - and _,"));
        }
        Ok(Step::Member(name.to_owned()))
    }

    fn bracket(&mut self) -> Result<Step, PatternError> {
        let step = match ['\'', '"'].into_iter().find(|quote| self.cursor.starts_with(&quote.to_string())) {
            Some(quote) => Step::Member(self.cursor.quoted(quote)?),
            None if self.cursor.take_here("*") => Step::AnyElement,
            None => {
                let index = self.cursor.take_while(|character| character.is_ascii_digit());
                let index =
                    index.parse().map_err(|_| self.cursor.unexpected("the number of an element, or *,"))?;
                Step::Element(index)
            }
        };
        if self.cursor.take_here("]") { Ok(step) } else { Err(self.cursor.unexpected("\"]\"")) }
    }

    fn test(&mut self) -> Result<Test, PatternError> {
        if let Some(comparison) = Comparison::parse(&mut self.cursor)? {
            return Ok(Test::Compare(comparison));
        }
        self.cursor.skip_blanks();
        let word = self.cursor.take_while(|character| character.is_ascii_alphabetic());
        self.cursor.skip_blanks();
        let value = self.cursor.take_while(|character| character.is_ascii_alphabetic());
        match (word, value) {
            ("IS", "NULL") => Ok(Test::Is(Value::Null)),
            ("IS", "TRUE") => Ok(Test::Is(Value::Bool(true))),
            ("IS", "FALSE") => Ok(Test::Is(Value::Bool(false))),
            ("NOT", "EXISTS") => Ok(Test::NotExists),
            _ => Err(PatternError::new(format!(
                "an operator, IS NULL, IS TRUE, IS FALSE or NOT EXISTS is expected after the selector, not \"{word} {value}\""
            ))),
        }
    }
}

impl Expression {
    /// Returns `true` if the JSON of a line matches.
    pub fn matches(&self, line: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(line)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(line)),
            Self::Condition(selector, Test::NotExists) => !any(line, selector, &|_| true),
            Self::Condition(selector, test) => any(line, selector, &|value| test.matches(value)),
        }
    }
}

impl Test {
    fn matches(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Is(wanted), _) => value == wanted,
            (Self::Compare(comparison), Value::String(text)) => comparison.accepts_text(text),
            (Self::Compare(comparison), Value::Number(number)) => {
                number.as_f64().is_some_and(|value| comparison.accepts_number(value, &number.to_string()))
            }
            _ => false,
        }
    }
}

/// Returns `true` if one of the values that a selector selects passes a test.
fn any(value: &Value, steps: &[Step], test: &impl Fn(&Value) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else { return test(value) };
    match step {
        Step::Member(name) => value.get(name).is_some_and(|value| any(value, rest, test)),
        Step::Element(index) => value.get(index).is_some_and(|value| any(value, rest, test)),
        Step::AnyMember => {
            value.as_object().is_some_and(|members| members.values().any(|value| any(value, rest, test)))
        }
        Step::AnyElement => {
            value.as_array().is_some_and(|elements| elements.iter().any(|value| any(value, rest, test)))
        }
    }
}
