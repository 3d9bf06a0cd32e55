//! Common code of the end-to-end tests, which run the functions, `meter` and
//! `loadtest` as the binaries that scripts/build-local.sh builds.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]
#![expect(clippy::missing_panics_doc, reason = "a test stops where something is wrong")]

use std::path::{Path, PathBuf};

use deployment::environment::variables;
use deployment::functions;

pub mod caller;
pub mod calls;
pub mod clock;
pub mod load;
pub mod meter;

/// The binaries that tests start.
const BINARIES: [&str; 9] = [
    functions::CONSUMER,
    functions::AUTHORIZER,
    functions::FANOUT,
    functions::USAGE_ENDPOINT,
    functions::PORTAL,
    functions::RECONCILER,
    functions::CANARY,
    "meter",
    "loadtest",
];

/// Returns the folder of the binaries: `METER_BINARIES`, else the profile folder of
/// the running test.
pub fn binaries() -> PathBuf {
    let folder = std::env::var_os(variables::METER_BINARIES.name).map_or_else(profile_folder, PathBuf::from);
    for name in BINARIES {
        let binary = folder.join(name);
        assert!(
            binary.is_file(),
            "{} is missing; build it with scripts/build-local.sh, or name the folder of the binaries in METER_BINARIES",
            binary.display()
        );
    }
    folder.canonicalize().unwrap()
}

/// Returns the profile folder of the running test, which is in its folder `deps`.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}
