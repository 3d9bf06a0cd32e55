//! Patterns for unstructured lines: `ERROR -DEBUG "exact phrase"`.

use super::cursor::Cursor;
use super::error::PatternError;

/// The terms of a pattern.
#[derive(Debug, Clone)]
pub struct Terms {
    required: Vec<Term>,
    excluded: Vec<Term>,
    optional: Vec<Term>,
}

#[derive(Debug, Clone)]
struct Term {
    text: String,
    is_phrase: bool,
}

pub fn parse(pattern: &str) -> Result<Terms, PatternError> {
    let mut cursor = Cursor::new(pattern);
    let mut terms = Terms { required: Vec::new(), excluded: Vec::new(), optional: Vec::new() };
    while !cursor.is_at_end() {
        let into = if cursor.take_here("?") {
            &mut terms.optional
        } else if cursor.take_here("-") {
            &mut terms.excluded
        } else {
            &mut terms.required
        };
        into.push(term(&mut cursor)?);
        let blanks = cursor.take_while(char::is_whitespace);
        if blanks.is_empty() && !cursor.is_at_end() {
            return Err(cursor.unexpected("a space"));
        }
    }
    Ok(terms)
}

fn term(cursor: &mut Cursor<'_>) -> Result<Term, PatternError> {
    if cursor.starts_with("\"") {
        return Ok(Term { text: cursor.quoted('"')?, is_phrase: true });
    }
    let word = cursor.take_while(is_of_word);
    if word.is_empty() {
        return Err(
            cursor.unexpected("a term, in quotes if it has other characters than letters, digits and _,")
        );
    }
    Ok(Term { text: word.to_owned(), is_phrase: false })
}

fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

impl Terms {
    /// Returns `true` if a line matches.
    pub fn match_text(&self, text: &str) -> bool {
        if self.required.is_empty() && self.excluded.is_empty() {
            return self.optional.iter().any(|term| term.is_in(text));
        }
        self.required.iter().all(|term| term.is_in(text))
            && !self.excluded.iter().any(|term| term.is_in(text))
    }
}

impl Term {
    fn is_in(&self, text: &str) -> bool {
        if self.is_phrase {
            return self.text.trim().is_empty() || text.contains(&self.text);
        }
        text.match_indices(&self.text).any(|(start, found)| {
            let before = text[..start].chars().next_back();
            let after = text[start + found.len()..].chars().next();
            !before.is_some_and(is_of_word) && !after.is_some_and(is_of_word)
        })
    }
}
