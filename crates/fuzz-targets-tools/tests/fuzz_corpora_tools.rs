//! The targets of the tools over their corpora.

use std::path::Path;

#[test]
fn every_input_of_the_corpora_passes_its_target() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    fuzz_targets::harness::replay(&corpora, fuzz_targets_tools::TARGETS);
}
