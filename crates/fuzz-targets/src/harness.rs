//! Runs targets: over their corpora in a test, or by libFuzzer.

use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Number of changed copies that [`replay`] makes of each input of a corpus.
const COPIES: u64 = 48;
/// Maximum length of an input that is changed, in bytes. Longer inputs are checked as they are.
const MAX_CHANGED_BYTES: usize = 8 << 10;

/// A fuzz target with its statements.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of the target, and of the folder of its corpus.
    pub name: &'static str,
    /// Checks one input. It panics if a statement of the target is false.
    pub check: fn(&[u8]),
}

impl Target {
    /// Returns the target that the variable `FUZZ_TARGET` names.
    ///
    /// # Panics
    /// If the variable names no target.
    pub fn from_environment(targets: &[Self]) -> Self {
        #[expect(clippy::disallowed_methods, reason = "libFuzzer owns the arguments of the process")]
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let names: Vec<&str> = targets.iter().map(|target| target.name).collect();
        let target = targets.iter().find(|target| target.name == name);
        *target.unwrap_or_else(|| panic!("FUZZ_TARGET is {name:?}; set it to one of {names:?}"))
    }
}

/// Checks each input of the corpora in a folder, and changed copies of it.
///
/// The copies are the same in every run. They find again what is easy to find; the search with
/// coverage is `scripts/fuzz.sh`.
///
/// # Panics
/// If a statement of a target is false, a target has no corpus, or a corpus has no target.
pub fn replay(corpora: &Path, targets: &[Target]) {
    let mut folders: Vec<String> = paths(corpora).iter().map(|path| name_of(path)).collect();
    folders.sort();
    let mut names: Vec<&str> = targets.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(folders, names, "{} has one folder for each target", corpora.display());
    for target in targets {
        let inputs = paths(&corpora.join(target.name));
        assert!(!inputs.is_empty(), "the corpus of {} has no input", target.name);
        for path in inputs {
            let input = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let report = Report { path: &path, copy: None };
            (target.check)(&input);
            report.done();
            if input.len() <= MAX_CHANGED_BYTES {
                check_copies(target, &path, &input);
            }
        }
    }
}

fn check_copies(target: &Target, path: &Path, input: &[u8]) {
    for copy in 0..COPIES {
        let report = Report { path, copy: Some(copy) };
        let mut rng = ChaCha8Rng::seed_from_u64(copy);
        (target.check)(&changed(input, &mut rng));
        report.done();
    }
}

/// Names the input of a failed check, because the panic of a target does not.
struct Report<'p> {
    path: &'p Path,
    copy: Option<u64>,
}

impl Report<'_> {
    fn done(self) {
        std::mem::forget(self);
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        match self.copy {
            None => eprintln!("the check of {} failed", self.path.display()),
            Some(copy) => eprintln!("the check of copy {copy} of {} failed", self.path.display()),
        }
    }
}

/// Bytes that mean something in one of the formats.
const SPECIAL: &[u8] = b"\"\\{}[]:,;=*%?!<>()|0123456789-+.eE \n\r\t\x00\x1e\x1f\x7f\x80\xff";

/// Returns a copy with one to four changes.
fn changed(input: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        let place = rng.random_range(0..=bytes.len());
        let end = (place + rng.random_range(1..=16)).min(bytes.len());
        let special = SPECIAL[rng.random_range(0..SPECIAL.len())];
        match rng.random_range(0..7) {
            0 => bytes.insert(place, special),
            1 if place < bytes.len() => bytes[place] = special,
            2 if place < bytes.len() => bytes[place] ^= 1 << rng.random_range(0..8),
            3 => drop(bytes.drain(place..end)),
            4 => {
                let part = bytes[place..end].to_vec();
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, part);
            }
            5 => bytes.truncate(place),
            _ => bytes.extend_from_within(place..end),
        }
    }
    bytes
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
