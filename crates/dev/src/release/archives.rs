//! Archives that are the same for the same content: without the times, owners and folders of this machine.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use tar::{Builder, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Mode of an executable file.
pub const EXECUTABLE: u32 = 0o755;
/// Mode of another file.
pub const FILE: u32 = 0o644;

/// Time of all files in tar archives, in seconds since 1970: 1980-01-01T00:00:00Z, that of zip archives.
const TIME_S: u64 = 315_532_800;

/// Writes a zip archive with one executable file.
///
/// # Errors
/// When the archive cannot be written.
pub fn zip(path: &Path, name: &str, content: &[u8]) -> anyhow::Result<()> {
    let mut zip = ZipWriter::new(create(path)?);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(EXECUTABLE);
    zip.start_file(name, options)?;
    zip.write_all(content)?;
    zip.finish()?;
    Ok(())
}

/// A compressed tar archive, all files of which are in one folder.
pub struct TarGz {
    builder: Builder<GzEncoder<File>>,
    folder: String,
}

impl TarGz {
    /// Creates an archive.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, folder: &str) -> anyhow::Result<Self> {
        let gzip = GzBuilder::new().mtime(0).write(create(path)?, Compression::default());
        Ok(Self { builder: Builder::new(gzip), folder: folder.to_owned() })
    }

    /// Adds a file.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn add(&mut self, name: &str, content: &[u8], mode: u32) -> anyhow::Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(content.len().try_into()?);
        header.set_mode(mode);
        header.set_mtime(TIME_S);
        self.builder.append_data(&mut header, format!("{}/{name}", self.folder), content)?;
        Ok(())
    }

    /// Completes the archive.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn finish(self) -> anyhow::Result<()> {
        self.builder.into_inner()?.finish()?;
        Ok(())
    }
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("{} cannot be created", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_of_the_same_files_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let write = |number: u32| {
            let (zip_path, tar_path) =
                (folder.path().join(format!("{number}.zip")), folder.path().join(format!("{number}.tar.gz")));
            zip(&zip_path, "bootstrap", b"content").unwrap();
            let mut tar = TarGz::create(&tar_path, "release").unwrap();
            tar.add("meter", b"content", EXECUTABLE).unwrap();
            tar.finish().unwrap();
            [zip_path, tar_path].map(|path| std::fs::read(path).unwrap())
        };
        assert_eq!(write(1), write(2));
    }

    #[test]
    fn a_tar_archive_has_its_files_with_their_modes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar.gz");
        let mut tar = TarGz::create(&path, "release").unwrap();
        tar.add("meter", b"#!", EXECUTABLE).unwrap();
        tar.add("man/man1/meter.1", b"page", FILE).unwrap();
        tar.finish().unwrap();
        let mut read = tar::Archive::new(flate2::read::GzDecoder::new(File::open(path).unwrap()));
        let files: Vec<(String, u32, u64)> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.path().unwrap().to_str().unwrap().to_owned();
                (name, entry.header().mode().unwrap(), entry.header().mtime().unwrap())
            })
            .collect();
        let expected = [("release/meter", EXECUTABLE), ("release/man/man1/meter.1", FILE)];
        assert_eq!(files, expected.map(|(name, mode)| (name.to_owned(), mode, TIME_S)));
    }
}
