//! The files that the web pages share.
//!
//! The binaries that serve a page contain them. The files of uPlot are those of its npm package, written by
//! `cargo run -p dev -- generate`.

#![warn(missing_docs)]

/// The content type of a page.
pub const HTML: &str = "text/html; charset=utf-8";
/// The content type of a style sheet.
pub const CSS: &str = "text/css; charset=utf-8";
/// The content type of a text for people.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// The content type of a script.
pub const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Name of the file, which the pages use as a path relative to their own.
    pub name: &'static str,
    /// Value of the header `content-type`.
    pub content_type: &'static str,
    /// Content of the file.
    pub text: &'static str,
}

impl File {
    /// Describes a file that a page has.
    pub const fn new(name: &'static str, content_type: &'static str, text: &'static str) -> Self {
        Self { name, content_type, text }
    }
}

/// The files that every page may use.
pub const FILES: &[File] = &[
    File::new("base.css", CSS, include_str!("web/base.css")),
    File::new("graph.css", CSS, include_str!("web/graph.css")),
    File::new("uPlot.css", CSS, include_str!("web/uplot/uPlot.css")),
    File::new("uPlot.js", JAVASCRIPT, include_str!("web/uplot/uPlot.js")),
    File::new("uPlot-LICENSE", TEXT, include_str!("web/uplot/LICENSE")),
    File::new("dom.js", JAVASCRIPT, include_str!("web/dom.js")),
    File::new("graph.js", JAVASCRIPT, include_str!("web/graph.js")),
    File::new("plot-options.js", JAVASCRIPT, include_str!("web/plot-options.js")),
    File::new("theme.js", JAVASCRIPT, include_str!("web/theme.js")),
    File::new("units.js", JAVASCRIPT, include_str!("web/units.js")),
    File::new("url-state.js", JAVASCRIPT, include_str!("web/url-state.js")),
];

/// Returns the content of a file, for a page that joins several into one.
///
/// # Panics
/// Panics if no file has the name.
pub fn text(name: &str) -> &'static str {
    FILES.iter().find(|file| file.name == name).expect("a file of the pages").text
}
