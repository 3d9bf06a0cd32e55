//! The stack sets stages up with the format that the decoder reads, and draws
//! and watches the metrics that the functions tell.

#[path = "common/stack_files.rs"]
mod files;

use std::path::Path;

use serde_json::Value;

#[test]
fn the_stacks_files_are_those_of_this_version() {
    for (name, expected) in files::stack_files() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stack/lib").join(name);
        let file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(file, expected, "{name}: write it again with scripts/generate-stack-files.sh");
    }
}
