//! The checksums of a release.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::{read, sorted_files};

/// Name of the file with the checksums, in the format of `sha256sum --check`.
pub const FILE: &str = "SHA256SUMS";

/// Writes the checksums of all files of a folder.
///
/// # Errors
/// When a file cannot be read, or the checksums cannot be written.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    let mut text = String::new();
    for path in files_below(folder)? {
        for byte in Sha256::digest(read(&path)?) {
            write!(text, "{byte:02x}")?;
        }
        writeln!(text, "  {}", path.strip_prefix(folder)?.display())?;
    }
    std::fs::write(folder.join(FILE), text).with_context(|| format!("{FILE} cannot be written"))
}

fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in sorted_files(folder)? {
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_of_all_files_are_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("functions")).unwrap();
        std::fs::write(folder.path().join("functions/a.zip"), "abc").unwrap();
        std::fs::write(folder.path().join("z"), "").unwrap();
        write(folder.path()).unwrap();
        // Source: FIPS 180-4, the examples of SHA-256 for "abc" and for no message.
        let expected = "\
ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  functions/a.zip
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  z
";
        assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), expected);
    }
}
