//! Parses a query.

use regex::bytes::RegexBuilder;

use super::aggregate::{Aggregate, Aggregation, Stats};
use super::error::MalformedQuery;
use super::expression::Expression;
use super::functions::Function;
use super::lexer::{Span, Token, tokens};
use super::query::{Command, Ending, MAX_ROWS, Query, Segment};
use super::record::Source;
use super::value::Value;
use crate::cloudwatch_logs::operator::Operator;

/// Maximum length of a query, in characters. Source: CloudWatch Logs API Reference, `StartQuery`.
const MAX_CHARACTERS: usize = 10_000;
/// Maximum number of `stats` commands. Source: user guide, "stats", "Use multiple stats commands".
const MAX_STATS: usize = 2;
/// Maximum nesting of an expression, in levels. Parentheses and arguments are a level; a chain of operators is none.
const MAX_DEPTH: usize = 100;

pub(super) struct Parser<'a> {
    query: &'a str,
    tokens: Vec<(Token<'a>, Span)>,
    at: usize,
    depth: usize,
    /// Sources of the slots of the current segment.
    sources: Vec<Source>,
    /// Aliases of the current segment, with their slots.
    aliases: Vec<(String, usize)>,
    /// `true` if the input of the segment is the rows of a `stats`, which have no other fields.
    of_rows: bool,
}

pub(super) fn parse(text: &str) -> Result<Query, MalformedQuery> {
    if text.chars().count() > MAX_CHARACTERS {
        return Err(MalformedQuery::new(format!("the query has more than {MAX_CHARACTERS} characters")));
    }
    let mut parser = Parser {
        query: text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
        sources: Vec::new(),
        aliases: Vec::new(),
        of_rows: false,
    };
    parser.query()
}

impl<'a> Parser<'a> {
    fn query(&mut self) -> Result<Query, MalformedQuery> {
        let mut segments = Vec::new();
        let mut commands = Vec::new();
        let mut ending = Ending::default();
        loop {
            let command = self.word("a command")?;
            match command {
                "stats" => {
                    if !ending.sort.is_empty() || ending.limit.is_some() {
                        return Err(MalformedQuery::new("stats has to come before sort and limit"));
                    }
                    if segments.len() == MAX_STATS {
                        return Err(MalformedQuery::new(format!(
                            "a query can have {MAX_STATS} stats commands"
                        )));
                    }
                    let stats = self.stats()?;
                    ending = Ending::default();
                    segments.push(self.end_segment(std::mem::take(&mut commands), stats, &mut ending));
                }
                "filter" if ending.limit.is_some() => {
                    return Err(MalformedQuery::new("filter has to come before limit"));
                }
                _ => self.command(command, &mut commands, &mut ending)?,
            }
            if self.tokens.get(self.at).is_none() {
                break;
            }
            self.expect("|")?;
        }
        if ending.shown.is_empty() {
            for name in ["@timestamp", "@message"] {
                let slot = self.named(name)?;
                ending.shown.push((name.to_owned(), slot));
            }
        }
        if segments.is_empty() {
            // Rows that are events have the pointer `@ptr`.
            let pointer = self.source(Source::Pointer);
            ending.shown.push(("@ptr".to_owned(), pointer));
            if ending.sort.is_empty() {
                ending.latest_first = Some(self.source(Source::Timestamp));
            }
        }
        let sources = std::mem::take(&mut self.sources);
        Ok(Query { segments, last: Segment { sources, commands, stats: None }, ending })
    }

    fn command(
        &mut self,
        command: &str,
        commands: &mut Vec<Command>,
        ending: &mut Ending,
    ) -> Result<(), MalformedQuery> {
        match command {
            "fields" => self.fields(commands, ending),
            "display" => {
                if !std::mem::replace(&mut ending.is_display, true) {
                    ending.shown.clear();
                }
                let mut display = Ending::default();
                self.fields(commands, &mut display)?;
                ending.shown = display.shown;
                Ok(())
            }
            "filter" => {
                let condition = self.expression()?;
                if !condition.is_condition() {
                    return Err(MalformedQuery::new("filter needs a condition, such as status = 200"));
                }
                commands.push(Command::Filter(condition));
                Ok(())
            }
            "sort" => self.sort(ending),
            "limit" => {
                let Some(Token::Number(limit)) = self.next() else {
                    return Err(MalformedQuery::new("limit needs a number"));
                };
                ending.limit = Some(row_limit(*limit)?);
                Ok(())
            }
            _ => Err(MalformedQuery::new(format!(
                "the local stack supports the commands fields, display, filter, stats, sort and limit, not {command}"
            ))),
        }
    }

    fn fields(&mut self, commands: &mut Vec<Command>, ending: &mut Ending) -> Result<(), MalformedQuery> {
        loop {
            let start = self.at;
            let expression = self.expression()?;
            let text = self.text_since(start);
            let alias = self.alias()?;
            let slot = if let (Expression::Slot(slot), None) = (&expression, &alias) {
                *slot
            } else {
                let slot = self.source(Source::Computed);
                commands.push(Command::Compute(slot, expression));
                self.define(alias.clone().unwrap_or_else(|| text.clone()), slot);
                slot
            };
            let name = alias.unwrap_or(text);
            if !ending.is_display {
                ending.shown.retain(|(shown, _)| *shown != name);
                ending.shown.push((name, slot));
            }
            if !self.take(",") {
                return Ok(());
            }
        }
    }

    fn sort(&mut self, ending: &mut Ending) -> Result<(), MalformedQuery> {
        ending.sort.clear();
        loop {
            let start = self.at;
            let slot = match self.expression()? {
                Expression::Slot(slot) => slot,
                // `sort count(*) desc` refers to a column by its expression.
                _ => self.known(&self.text_since(start)).ok_or_else(|| {
                    MalformedQuery::new(format!(
                        "sort needs fields or aliases, not {}",
                        self.text_since(start)
                    ))
                })?,
            };
            let descending = self.take_word("desc");
            if !descending {
                self.take_word("asc");
            }
            ending.sort.push((slot, descending));
            if !self.take(",") {
                return Ok(());
            }
        }
    }

    fn stats(&mut self) -> Result<Stats, MalformedQuery> {
        let mut stats = Stats::default();
        loop {
            let start = self.at;
            let aggregate = self.aggregate()?;
            let text = self.text_since(start);
            stats.aggregates.push((self.alias()?.unwrap_or(text), aggregate));
            if !self.take(",") {
                break;
            }
        }
        if self.take_word("by") {
            loop {
                let start = self.at;
                let expression = self.expression()?;
                let text = self.text_since(start);
                stats.groups.push((self.alias()?.unwrap_or(text), expression));
                if !self.take(",") {
                    break;
                }
            }
        }
        let names = stats.names();
        if let Some(name) = names.iter().find(|name| names.iter().filter(|other| other == name).count() > 1) {
            return Err(MalformedQuery::new(format!("two columns of stats have the name {name}")));
        }
        Ok(stats)
    }

    fn aggregate(&mut self) -> Result<Aggregate, MalformedQuery> {
        let name = self.word("an aggregation")?;
        let aggregation = Aggregation::from_name(name).ok_or_else(|| {
            MalformedQuery::new(format!(
                "the local stack supports the aggregations count, count_distinct, sum, avg, min and max, not {name}"
            ))
        })?;
        self.expect("(")?;
        if aggregation == Aggregation::Count && (self.take("*") || self.peek_symbol(")")) {
            self.expect(")")?;
            return Ok(Aggregate { aggregation, argument: None });
        }
        let argument = self.expression()?;
        self.expect(")")?;
        Ok(Aggregate { aggregation, argument: Some(argument) })
    }

    /// Ends the segment with a `stats`, whose columns are the fields of the next segment.
    fn end_segment(&mut self, commands: Vec<Command>, stats: Stats, ending: &mut Ending) -> Segment {
        let names = stats.names();
        let sources = std::mem::replace(&mut self.sources, vec![Source::Computed; names.len()]);
        self.aliases.clear();
        for (slot, name) in names.into_iter().enumerate() {
            ending.shown.push((name.clone(), slot));
            self.aliases.push((name, slot));
        }
        self.of_rows = true;
        Segment { sources, commands, stats: Some(stats) }
    }

    fn alias(&mut self) -> Result<Option<String>, MalformedQuery> {
        if !self.take_word("as") {
            return Ok(None);
        }
        let name = match self.next() {
            Some(Token::Word(name) | Token::Quoted(name)) => *name,
            _ => return Err(MalformedQuery::new("a name has to follow as")),
        };
        if name.is_empty() || name.contains(|c: char| c == ',' || c.is_whitespace()) {
            return Err(MalformedQuery::new(format!(
                "{name:?} has a comma or a blank, which no alias can have"
            )));
        }
        Ok(Some(name.to_owned()))
    }

    fn define(&mut self, name: String, slot: usize) {
        self.aliases.retain(|(alias, _)| *alias != name);
        self.aliases.push((name, slot));
    }

    fn source(&mut self, source: Source) -> usize {
        if source != Source::Computed
            && let Some(slot) = self.sources.iter().position(|known| *known == source)
        {
            return slot;
        }
        self.sources.push(source);
        self.sources.len() - 1
    }

    fn known(&self, name: &str) -> Option<usize> {
        self.aliases.iter().find(|(alias, _)| alias == name).map(|(_, slot)| *slot)
    }

    fn named(&mut self, name: &str) -> Result<usize, MalformedQuery> {
        if let Some(slot) = self.known(name) {
            return Ok(slot);
        }
        if self.of_rows {
            return Err(MalformedQuery::new(format!(
                "after stats the only fields are its columns, and {name} is not one of them"
            )));
        }
        let source = Source::from_name(name).ok_or_else(|| {
            MalformedQuery::new(format!("the local stack does not support the field {name}"))
        })?;
        Ok(self.source(source))
    }

    fn expression(&mut self) -> Result<Expression, MalformedQuery> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(MalformedQuery::new(format!(
                "an expression is nested more than {MAX_DEPTH} levels deep; use fewer parentheses"
            )));
        }
        let expression = self.conditions("or", Self::conjunction, Expression::Or)?;
        self.depth -= 1;
        Ok(expression)
    }

    fn conjunction(&mut self) -> Result<Expression, MalformedQuery> {
        self.conditions("and", Self::negation, Expression::And)
    }

    /// Parses conditions between the words `and` or `or`, or one expression without such a word.
    fn conditions(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Result<Expression, MalformedQuery>,
        combined: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression, MalformedQuery> {
        let first = part(self)?;
        if !self.take_word(word) {
            return Ok(first);
        }
        let mut parts = vec![first, part(self)?];
        while self.take_word(word) {
            parts.push(part(self)?);
        }
        if parts.iter().all(Expression::is_condition) {
            return Ok(combined(parts));
        }
        Err(MalformedQuery::new("and and or need a condition on both sides"))
    }

    fn negation(&mut self) -> Result<Expression, MalformedQuery> {
        let mut negations = 0;
        while self.take_word("not") {
            negations += 1;
        }
        let inner = self.comparison()?;
        if negations > 0 && !inner.is_condition() {
            return Err(MalformedQuery::new("a condition has to follow not"));
        }
        Ok(if negations % 2 == 1 { Expression::Not(Box::new(inner)) } else { inner })
    }

    fn comparison(&mut self) -> Result<Expression, MalformedQuery> {
        let left = self.sum()?;
        if let Some(Token::Symbol(symbol)) = self.peek() {
            let symbol = *symbol;
            if let Some(operator) = Operator::parse(symbol) {
                self.at += 1;
                return Ok(Expression::Compare(operator, Box::new([left, self.sum()?])));
            }
            if symbol == "=~" {
                self.at += 1;
                return self.like(left);
            }
        }
        let start = self.at;
        let unless = self.take_word("not");
        let inner = if self.take_word("like") {
            self.like(left)?
        } else if self.take_word("in") {
            Expression::In(Box::new(left), self.list()?)
        } else {
            self.at = start;
            return Ok(left);
        };
        Ok(if unless { Expression::Unless(Box::new(inner)) } else { inner })
    }

    fn like(&mut self, left: Expression) -> Result<Expression, MalformedQuery> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Expression::Contains(Box::new(left), text.clone())),
            Some(Token::Regex(regex)) => {
                let built = RegexBuilder::new(regex).unicode(false).build();
                let regex = built
                    .map_err(|error| MalformedQuery::new(format!("/{regex}/ cannot be used: {error}")))?;
                Ok(Expression::Matches(Box::new(left), regex))
            }
            _ => Err(MalformedQuery::new("a text or a /regular expression/ has to follow like")),
        }
    }

    fn list(&mut self) -> Result<Vec<Value<'static>>, MalformedQuery> {
        self.expect("[")?;
        let mut list = Vec::new();
        loop {
            let is_negative = self.take("-");
            list.push(match self.next() {
                Some(Token::Text(text)) if !is_negative => Value::text(text.clone()),
                Some(Token::Number(number)) => Value::Number(if is_negative { -number } else { *number }),
                _ => return Err(MalformedQuery::new("in needs texts and numbers in brackets")),
            });
            if !self.take(",") {
                break;
            }
        }
        self.expect("]")?;
        Ok(list)
    }

    fn sum(&mut self) -> Result<Expression, MalformedQuery> {
        self.arithmetic(&["+", "-"], Self::product)
    }

    fn product(&mut self) -> Result<Expression, MalformedQuery> {
        self.arithmetic(&["*", "/", "%"], Self::power)
    }

    fn power(&mut self) -> Result<Expression, MalformedQuery> {
        self.arithmetic(&["^"], Self::atom)
    }

    /// Parses operands between operators of one precedence.
    fn arithmetic(
        &mut self,
        operators: &[&str],
        operand: fn(&mut Self) -> Result<Expression, MalformedQuery>,
    ) -> Result<Expression, MalformedQuery> {
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(operators) {
            rest.push((operator, operand(self)?));
        }
        Ok(if rest.is_empty() { first } else { Expression::Arithmetic(Box::new(first), rest) })
    }

    fn atom(&mut self) -> Result<Expression, MalformedQuery> {
        if self.take("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let mut negations = 0;
        while self.take("-") {
            negations += 1;
        }
        if negations > 0 {
            let inner = self.atom()?;
            return Ok(if negations % 2 == 1 { Expression::Negative(Box::new(inner)) } else { inner });
        }
        match self.next().cloned() {
            Some(Token::Number(number)) => Ok(Expression::Constant(Value::Number(number))),
            Some(Token::Text(text)) => Ok(Expression::Constant(Value::text(text))),
            Some(Token::Word(word)) if is_reserved(word) => {
                Err(MalformedQuery::new(format!("expected a value instead of the word {word}")))
            }
            Some(Token::Word(name)) if self.peek_symbol("(") => self.call(name),
            Some(Token::Quoted(name) | Token::Word(name)) => self.named(name).map(Expression::Slot),
            _ => {
                self.at = self.at.saturating_sub(1);
                Err(self.unexpected("a value"))
            }
        }
    }

    fn call(&mut self, name: &str) -> Result<Expression, MalformedQuery> {
        self.expect("(")?;
        if matches!(name, "bin" | "datefloor") {
            return self.time_floor(name);
        }
        let (function, fewest, most) = Function::from_name(name).ok_or_else(|| {
            MalformedQuery::new(format!("the local stack does not support the function {name}"))
        })?;
        let mut arguments = Vec::new();
        if !self.peek_symbol(")") {
            loop {
                arguments.push(self.expression()?);
                if !self.take(",") {
                    break;
                }
            }
        }
        self.expect(")")?;
        if !(fewest..=most).contains(&arguments.len()) {
            return Err(MalformedQuery::new(format!("{name} does not take {} arguments", arguments.len())));
        }
        Ok(Expression::Call(function, arguments))
    }

    /// Parses the arguments of `bin(5m)` or `datefloor(@timestamp, 5m)`.
    fn time_floor(&mut self, name: &str) -> Result<Expression, MalformedQuery> {
        let time = if name == "bin" {
            Expression::Slot(self.named("@timestamp")?)
        } else {
            let time = self.expression()?;
            self.expect(",")?;
            time
        };
        let Some(Token::Period(count, unit)) = self.next() else {
            return Err(MalformedQuery::new(format!("{name} takes a period, such as 5m")));
        };
        let period_ms = period_ms(*count, unit).ok_or_else(|| {
            MalformedQuery::new(format!("{count}{unit} is not a period of ms, s, m, h, d or w"))
        })?;
        self.expect(")")?;
        Ok(Expression::Bin(Box::new(time), period_ms))
    }

    fn operator(&mut self, operators: &[&str]) -> Option<char> {
        let Some(Token::Symbol(symbol)) = self.peek() else { return None };
        let operator = operators.contains(symbol).then(|| symbol.chars().next())??;
        self.at += 1;
        Some(operator)
    }

    fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<&Token<'a>> {
        self.at += 1;
        self.tokens.get(self.at - 1).map(|(token, _)| token)
    }

    fn peek_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.peek_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if *found == word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), MalformedQuery> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(symbol)) }
    }

    fn word(&mut self, wanted: &str) -> Result<&'a str, MalformedQuery> {
        if let Some(Token::Word(word)) = self.peek() {
            let word = *word;
            self.at += 1;
            return Ok(word);
        }
        Err(self.unexpected(wanted))
    }

    fn unexpected(&self, wanted: &str) -> MalformedQuery {
        let found = self.tokens.get(self.at).map_or("the end", |(_, (start, end))| &self.query[*start..*end]);
        MalformedQuery::new(format!("expected {wanted} before {found}"))
    }

    /// Returns the text of the query from a token to the current one.
    fn text_since(&self, start: usize) -> String {
        let from = self.tokens[start].1.0;
        let to = self.tokens[self.at - 1].1.1;
        self.query[from..to].trim_matches('`').to_owned()
    }
}

fn is_reserved(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "like" | "in" | "as" | "by" | "asc" | "desc")
}

/// Converts the argument of `limit`.
pub(super) fn row_limit(limit: f64) -> Result<usize, MalformedQuery> {
    #[expect(clippy::cast_precision_loss, reason = "the constant is small")]
    let is_allowed = limit >= 1.0 && limit.fract() == 0.0 && limit <= MAX_ROWS as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the limit is small and positive"
    )]
    if is_allowed {
        Ok(limit as usize)
    } else {
        Err(MalformedQuery::new(format!("the limit has to be between 1 and {MAX_ROWS}")))
    }
}

/// Returns the length of a period. A count above the maximum of its unit means that maximum.
/// Source: user guide, "Datetime functions". Months, quarters and years are not supported, because their
/// lengths vary.
fn period_ms(count: u32, unit: &str) -> Option<i64> {
    let singular = unit.strip_suffix('s').filter(|unit| unit.len() > 1 && *unit != "m").unwrap_or(unit);
    let (unit_ms, cap) = match singular {
        "ms" | "msec" | "millisecond" => (1, 1_000),
        "s" | "sec" | "second" => (1_000, 60),
        "m" | "min" | "minute" => (60_000, 60),
        "h" | "hr" | "hour" => (3_600_000, 24),
        "d" | "day" => (86_400_000, u32::MAX),
        "w" | "week" => (7 * 86_400_000, u32::MAX),
        _ => return None,
    };
    (count > 0).then(|| i64::from(count.min(cap)) * unit_ms)
}
