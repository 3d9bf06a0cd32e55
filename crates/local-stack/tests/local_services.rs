//! The document of the services is what the tables say.

use std::path::Path;

use local_stack::api::listing;
use local_stack::api::tables::SERVICES;

#[test]
fn the_document_lists_what_the_tables_offer() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/LOCAL_SERVICES.md");
    let document = std::fs::read_to_string(document).unwrap();
    assert!(
        document == listing(&SERVICES),
        "write docs/LOCAL_SERVICES.md again with scripts/generate-stack-files.sh"
    );
}
