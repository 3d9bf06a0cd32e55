//! Patterns for space-delimited lines: `[ip, ..., status = 4*, bytes]`.

use super::cursor::Cursor;
use super::error::PatternError;
use super::value::Comparison;

/// The columns of a pattern.
#[derive(Debug, Clone)]
pub struct Columns {
    before: Vec<Condition>,
    /// The columns after `...`, if the pattern has one.
    after: Option<Vec<Condition>>,
}

#[derive(Debug, Clone)]
enum Condition {
    Anything,
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Compare(Comparison),
}

/// Maximum nesting of parentheses.
const MAX_DEPTH: usize = 100;

/// Parses a pattern, and returns the number of its regular expressions.
pub fn parse(pattern: &str) -> Result<(Columns, usize), PatternError> {
    let mut cursor = Cursor::new(pattern);
    cursor.expect("[")?;
    let mut columns = Columns { before: Vec::new(), after: None };
    loop {
        if cursor.take("...") {
            if columns.after.replace(Vec::new()).is_some() {
                return Err(PatternError::new("a pattern can have \"...\" once"));
            }
        } else {
            let column = column(&mut cursor)?;
            columns.after.as_mut().unwrap_or(&mut columns.before).push(column);
        }
        if !cursor.take(",") {
            break;
        }
    }
    cursor.expect("]")?;
    cursor.skip_blanks();
    if cursor.is_at_end() { Ok((columns, cursor.regexes)) } else { Err(cursor.unexpected("the end")) }
}

fn column(cursor: &mut Cursor<'_>) -> Result<Condition, PatternError> {
    let mut start = cursor.clone();
    while start.take("(") {}
    let name = name(&mut start)?;
    any(cursor, name, 0)
}

fn name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, PatternError> {
    cursor.skip_blanks();
    let name =
        cursor.take_while(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'));
    if name.is_empty() { Err(cursor.unexpected("the name of a column, or \"...\",")) } else { Ok(name) }
}

fn any(cursor: &mut Cursor<'_>, column: &str, depth: usize) -> Result<Condition, PatternError> {
    let mut alternatives = vec![all(cursor, column, depth)?];
    while cursor.take("||") {
        alternatives.push(all(cursor, column, depth)?);
    }
    Ok(Condition::Any(alternatives))
}

fn all(cursor: &mut Cursor<'_>, column: &str, depth: usize) -> Result<Condition, PatternError> {
    let mut parts = vec![one(cursor, column, depth)?];
    while cursor.take("&&") {
        parts.push(one(cursor, column, depth)?);
    }
    Ok(Condition::All(parts))
}

fn one(cursor: &mut Cursor<'_>, column: &str, depth: usize) -> Result<Condition, PatternError> {
    if depth > MAX_DEPTH {
        return Err(PatternError::new("its parentheses are nested too deeply"));
    }
    if cursor.take("(") {
        let inner = any(cursor, column, depth + 1)?;
        cursor.expect(")")?;
        return Ok(inner);
    }
    let found = name(cursor)?;
    if found != column {
        return Err(PatternError::new(format!(
            "a condition of the column {column} names the column {found}"
        )));
    }
    Ok(Comparison::parse(cursor)?.map_or(Condition::Anything, Condition::Compare))
}

impl Columns {
    /// Returns `true` if a line matches.
    pub fn match_text(&self, text: &str) -> bool {
        let fields = fields(text);
        let Some(after) = &self.after else { return self.match_with_rest(&fields, text) };
        let (before, after) = (&self.before, after);
        fields.len() >= before.len() + after.len()
            && before.iter().zip(&fields).all(|(column, field)| column.matches(field.text))
            && after.iter().rev().zip(fields.iter().rev()).all(|(column, field)| column.matches(field.text))
    }

    /// Matches a pattern without `...`, whose last column is the rest of the line.
    fn match_with_rest(&self, fields: &[Field<'_>], text: &str) -> bool {
        if fields.len() < self.before.len() {
            return false;
        }
        let last = self.before.len() - 1;
        self.before.iter().zip(fields).enumerate().all(|(place, (column, field))| {
            let is_rest = place == last && fields.len() > self.before.len();
            column.matches(if is_rest { text[field.start..].trim_end() } else { field.text })
        })
    }
}

impl Condition {
    fn matches(&self, field: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::All(parts) => parts.iter().all(|part| part.matches(field)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(field)),
            Self::Compare(comparison) => comparison.accepts_field(field),
        }
    }
}

struct Field<'a> {
    start: usize,
    text: &'a str,
}

/// Splits a line into fields: words, and texts in brackets or quotes.
fn fields(text: &str) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        let closing = match rest.as_bytes()[0] {
            b'[' => rest[1..].find(']').map(|end| end + 1),
            b'"' => rest[1..].find('"').map(|end| end + 1),
            _ => None,
        };
        let (field, after) = match closing {
            Some(end) => (&rest[1..end], &rest[end + 1..]),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        fields.push(Field { start, text: field });
        rest = after.trim_start();
    }
    fields
}
