//! Binaries whose clock differs from that of the machine.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use loadtest::harness::clock_files::libfaketime;

use crate::{BINARIES, binaries};

/// Writes scripts into a folder that start the binaries of the same names, with a time of day that is ahead of
/// the machine's by `ahead_s`. The monotonic clock is the machine's.
pub fn write_shifted_binaries(folder: &Path, ahead_s: i64) {
    let (library, binaries) = (libfaketime().unwrap(), binaries());
    std::fs::create_dir_all(folder).unwrap();
    for name in BINARIES {
        let script = folder.join(name);
        let binary = binaries.join(name);
        let text = format!(
            "#!/bin/sh\nexport LD_PRELOAD={library} FAKETIME={ahead_s:+} FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1\nexec '{}' \"$@\"\n",
            binary.display()
        );
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}
