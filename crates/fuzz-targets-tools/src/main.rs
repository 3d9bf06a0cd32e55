//! The process that libFuzzer drives. The variable `FUZZ_TARGET` names the target.

#![no_main]

use std::sync::LazyLock;

use fuzz_targets::harness::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| Target::from_environment(fuzz_targets_tools::TARGETS));

libfuzzer_sys::fuzz_target!(|input: &[u8]| (TARGET.check)(input));
