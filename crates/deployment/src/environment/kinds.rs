//! The kinds of variables.

/// A text that has to be set and not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredText {
    pub name: &'static str,
    doc: &'static str,
}

/// A text with a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    pub name: &'static str,
    doc: &'static str,
    pub default: &'static str,
}

/// A whole number with a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    pub name: &'static str,
    doc: &'static str,
    pub default: u32,
    /// The lowest value that is accepted.
    pub min: u32,
    /// The highest value that is accepted.
    pub max: u32,
}

/// `true` or `false`, with a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bool {
    pub name: &'static str,
    doc: &'static str,
    pub default: bool,
}

/// A variable of any kind, for lists and documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    doc: &'static str,
    pub kind: Kind,
}

/// The kind of a [`Variable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    RequiredText,
    Text { default: &'static str },
    Number { default: u32, min: u32, max: u32 },
    Bool { default: bool },
}

impl RequiredText {
    /// Declares a variable. `doc` is a noun phrase.
    pub const fn new(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc }
    }

    pub const fn variable(self) -> Variable {
        Variable { name: self.name, doc: self.doc, kind: Kind::RequiredText }
    }
}

impl Text {
    /// Declares a variable. `doc` is a noun phrase.
    pub const fn new(name: &'static str, doc: &'static str, default: &'static str) -> Self {
        Self { name, doc, default }
    }

    pub const fn variable(self) -> Variable {
        Variable { name: self.name, doc: self.doc, kind: Kind::Text { default: self.default } }
    }
}

impl Number {
    /// Declares a variable. `doc` is a noun phrase with the unit.
    pub const fn new(name: &'static str, doc: &'static str, default: u32, [min, max]: [u32; 2]) -> Self {
        Self { name, doc, default, min, max }
    }

    pub const fn variable(self) -> Variable {
        let kind = Kind::Number { default: self.default, min: self.min, max: self.max };
        Variable { name: self.name, doc: self.doc, kind }
    }
}

impl Bool {
    /// Declares a variable. `doc` begins with "`true` if".
    pub const fn new(name: &'static str, doc: &'static str, default: bool) -> Self {
        Self { name, doc, default }
    }

    pub const fn variable(self) -> Variable {
        Variable { name: self.name, doc: self.doc, kind: Kind::Bool { default: self.default } }
    }
}

impl Variable {
    /// The documentation: a noun phrase without a full stop.
    pub fn doc(&self) -> &'static str {
        self.doc.trim_start()
    }

    /// The name of the variable in camel case, as the CDK constructs spell their properties.
    pub fn setting(&self) -> String {
        let mut words = self.name.split('_').map(str::to_ascii_lowercase);
        let first = words.next().unwrap_or_default();
        let capitalised = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
        first + &capitalised.collect::<String>()
    }

    /// The default as a text; `None` if the variable has to be set.
    pub fn default(&self) -> Option<String> {
        match self.kind {
            Kind::RequiredText => None,
            Kind::Text { default } => Some(default.to_owned()),
            Kind::Number { default, .. } => Some(default.to_string()),
            Kind::Bool { default } => Some(default.to_string()),
        }
    }
}
