//! The files of the page, as they are served.
//!
//! The page names one script and one style sheet, so that opening it needs few requests: a function URL with a small
//! reserved concurrency answers few at a time. Their names change with their content, so no browser mixes versions.

use std::io::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use page_parts::{CSS, HTML, JAVASCRIPT, TEXT};
use sha2::{Digest, Sha256};

/// For files whose content never changes under their name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For files that a browser asks for each time.
const ASK_EACH_TIME: &str = "no-cache";

/// A file of the page.
#[derive(Debug)]
pub struct ServedFile {
    /// The last part of its path. That of the page is empty, because it stands for the folder of the others.
    pub name: String,
    /// Value of the header `content-type`.
    pub content_type: &'static str,
    /// Value of the header `cache-control`.
    pub cache_control: &'static str,
    /// Content of the file.
    pub text: String,
    /// The content compressed by gzip, as base64.
    pub gzip_base64: String,
}

impl ServedFile {
    fn new(name: String, content_type: &'static str, cache_control: &'static str, text: String) -> Self {
        let gzip_base64 = STANDARD.encode(gzip(&text));
        Self { name, content_type, cache_control, text, gzip_base64 }
    }

    /// Returns a file whose name has the first eight bytes of its content's digest.
    fn versioned(extension: &str, content_type: &'static str, text: String) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let version = digest.first_chunk().expect("a digest has 32 bytes");
        let version = u64::from_be_bytes(*version);
        Self::new(format!("portal-{version:016x}.{extension}"), content_type, FOR_EVER, text)
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    written.expect("a vector takes all bytes")
}

static FILES: LazyLock<[ServedFile; 4]> = LazyLock::new(|| {
    let script = [page_parts::text("uPlot.js"), include_str!("web/bundle/portal.js")].concat();
    let style = ["base.css", "uPlot.css", "graph.css"].map(page_parts::text).concat();
    let script = ServedFile::versioned("js", JAVASCRIPT, script);
    let style = ServedFile::versioned("css", CSS, style + include_str!("web/portal.css"));
    let page = include_str!("web/portal.html");
    let page = page.replace("{script}", &script.name).replace("{style}", &style.name);
    let licence = page_parts::text(LICENCE).to_owned();
    [
        ServedFile::new(String::new(), HTML, ASK_EACH_TIME, page),
        ServedFile::new(LICENCE.to_owned(), TEXT, ASK_EACH_TIME, licence),
        script,
        style,
    ]
});

/// The licence of a part of the script, which has to be given with it.
const LICENCE: &str = "uPlot-LICENSE";

/// Returns the file of a name.
pub fn file(name: &str) -> Option<&'static ServedFile> {
    FILES.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn the_page_names_one_script_and_one_style_sheet() {
        let page = &file("").unwrap().text;
        let names: Vec<&str> = page.split('"').filter(|text| text.starts_with("portal-")).collect();
        let types: Vec<&str> = names.iter().map(|name| file(name).unwrap().content_type).collect();
        assert_eq!(types, [CSS, JAVASCRIPT]);
        assert!(!page.contains('{'), "{page}");
        assert!(file("portal.html").is_none());
    }

    #[test]
    fn a_name_changes_with_the_content() {
        let named = |text: &str| ServedFile::versioned("js", JAVASCRIPT, text.to_owned()).name;
        assert_eq!(named("1"), named("1"));
        assert_ne!(named("1"), named("2"));
    }

    #[test]
    fn the_compressed_content_is_that_of_the_file_and_much_smaller() {
        for file in &*FILES {
            let compressed = STANDARD.decode(&file.gzip_base64).unwrap();
            let mut text = String::new();
            GzDecoder::new(compressed.as_slice()).read_to_string(&mut text).unwrap();
            assert_eq!(text, file.text, "{}", file.name);
            assert!(compressed.len() * 3 < text.len() * 2, "{}: {} bytes", file.name, compressed.len());
        }
    }
}
