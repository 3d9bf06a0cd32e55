//! The files of the page.

use page_parts::{CSS, FILES, File, HTML, JAVASCRIPT};

/// The page, whose name is empty because it stands for the folder of the other files.
const PAGE: File = File::new("", HTML, include_str!("web/portal.html"));

/// The files of this page alone.
const OWN_FILES: &[File] = &[
    PAGE,
    File::new("portal.css", CSS, include_str!("web/portal.css")),
    File::new("choices.js", JAVASCRIPT, include_str!("web/choices.js")),
    File::new("csv.js", JAVASCRIPT, include_str!("web/csv.js")),
    File::new("group-table.js", JAVASCRIPT, include_str!("web/group-table.js")),
    File::new("groups.js", JAVASCRIPT, include_str!("web/groups.js")),
    File::new("live.js", JAVASCRIPT, include_str!("web/live.js")),
    File::new("periods.js", JAVASCRIPT, include_str!("web/periods.js")),
    File::new("portal.js", JAVASCRIPT, include_str!("web/portal.js")),
    File::new("source.js", JAVASCRIPT, include_str!("web/source.js")),
    File::new("sums.js", JAVASCRIPT, include_str!("web/sums.js")),
    File::new("zones.js", JAVASCRIPT, include_str!("web/zones.js")),
];

/// Returns the file of a name. The empty name is that of the page.
pub fn file(name: &str) -> Option<&'static File> {
    OWN_FILES.iter().chain(FILES).find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_file_names_is_a_file() {
        for source in OWN_FILES {
            let is_name = |text: &&str| [".js", ".css"].iter().any(|ending| text.ends_with(ending));
            let names = source.text.split(['"', '\'']).filter(is_name);
            for name in names.map(|name| name.trim_start_matches("./")) {
                assert!(file(name).is_some(), "{} names {name}", source.name);
            }
        }
        assert_eq!(file("portal.html"), None);
    }
}
