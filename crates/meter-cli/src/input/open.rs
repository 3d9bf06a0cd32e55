//! Finds and opens input: files, folders, pipes and standard input, compressed with gzip or not, in UTF-8 or
//! UTF-16.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use flate2::bufread::GzDecoder;

use super::utf16::{Order, Utf16Reader};

/// The file that CloudWatch Logs writes to the bucket of an export to test its permissions.
/// Source: CloudWatch Logs User Guide, "Export log data to Amazon S3 using the AWS CLI".
const EXPORT_TEST_FILE: &str = "aws-logs-write-test";
/// Maximum number of gzip layers. Firehose compresses data that CloudWatch Logs has already compressed.
const MAX_GZIP_LAYERS: usize = 3;
/// Number of bytes by which the encoding is recognized.
const HEAD_BYTES: usize = 8 << 10;
/// Size of the read buffer, in bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// A source of input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    StandardInput,
    /// A file or a pipe.
    Path(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StandardInput => formatter.write_str("standard input"),
            Self::Path(path) => path.display().fmt(formatter),
        }
    }
}

/// The sources that paths name.
#[derive(Debug, Default)]
pub struct Sources {
    /// Sources to read, in order.
    pub found: Vec<Source>,
    /// Files that are excluded on purpose, with the reason.
    pub left_out: Vec<(PathBuf, &'static str)>,
}

impl Source {
    /// Returns the source of a path; `-` is standard input.
    pub fn from_path(path: &Path) -> Self {
        if path == Path::new("-") { Self::StandardInput } else { Self::Path(path.to_owned()) }
    }

    /// Returns the size in bytes; `0` if it is not known.
    pub fn size(&self) -> u64 {
        let Self::Path(path) = self else { return 0 };
        path.metadata().map_or(0, |metadata| if metadata.is_file() { metadata.len() } else { 0 })
    }

    /// Opens the source without decoding it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self) -> std::io::Result<Box<dyn Read>> {
        match self {
            Self::StandardInput => Ok(Box::new(std::io::stdin())),
            Self::Path(path) => Ok(Box::new(File::open(path)?)),
        }
    }
}

impl Sources {
    /// Finds the sources of paths. A folder stands for all files below it, sorted by name.
    ///
    /// # Errors
    /// When a path does not exist, or a folder cannot be read.
    pub fn find(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut sources = Self::default();
        for path in paths {
            match Source::from_path(path) {
                Source::Path(path) => sources.add(path)?,
                standard @ Source::StandardInput => sources.found.push(standard),
            }
        }
        Ok(sources)
    }

    fn add(&mut self, path: PathBuf) -> anyhow::Result<()> {
        let shown = path.display();
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("{shown} does not exist; pass files, folders, or - for standard input")
            }
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
        };
        if path.file_name().is_some_and(|name| name == EXPORT_TEST_FILE) {
            self.left_out.push((path, "the test file that CloudWatch Logs writes before an export"));
        } else if metadata.is_dir() {
            let entries = std::fs::read_dir(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let entries = entries.with_context(|| format!("the folder {shown} cannot be read"))?;
            let mut entries: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
            entries.sort();
            for entry in entries {
                self.add_found(entry)?;
            }
        } else {
            self.found.push(Source::Path(path));
        }
        Ok(())
    }

    /// Adds an entry of a folder, unless it is hidden or a link to a folder.
    fn add_found(&mut self, path: PathBuf) -> anyhow::Result<()> {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden {
            self.left_out.push((path, "a hidden file"));
        } else if path.is_symlink() && path.is_dir() {
            self.left_out.push((path, "a link to a folder"));
        } else {
            self.add(path)?;
        }
        Ok(())
    }
}

/// Decompresses and decodes a source as UTF-8 without a byte order mark.
pub fn text(source: impl Read + 'static) -> Box<dyn BufRead> {
    let (mut head, mut reader) = with_head(source, HEAD_BYTES);
    for _ in 0..MAX_GZIP_LAYERS {
        if !head.starts_with(&[0x1f, 0x8b]) {
            break;
        }
        (head, reader) = with_head(Members(Some(GzDecoder::new(reader))), HEAD_BYTES);
    }
    decoded(&head, reader)
}

/// The content of gzip members, one after the other. Firehose can append a newline to each record, also to one
/// that is compressed; `gzip` allows zeros at the end.
struct Members(Option<GzDecoder<Box<dyn BufRead>>>);

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.0 = match self.0.take().map(GzDecoder::into_inner) {
                Some(mut rest) => begins_member(&mut rest)?.then(|| GzDecoder::new(rest)),
                None => None,
            };
        }
        Ok(0)
    }
}

/// Skips what may stand between two members, and returns `true` unless it is the end.
fn begins_member(rest: &mut impl BufRead) -> std::io::Result<bool> {
    loop {
        let bytes = rest.fill_buf()?;
        let between = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | 0)).count();
        if between == 0 {
            return Ok(!bytes.is_empty());
        }
        rest.consume(between);
    }
}

/// Returns at most `length` first bytes of a source, and a reader of the whole source. If reading the first
/// bytes fails, the reader returns the error after the bytes before it.
pub fn with_head(mut source: impl Read + 'static, length: usize) -> (Vec<u8>, Box<dyn BufRead>) {
    let mut head = Vec::with_capacity(length);
    let failure = (&mut source).take(length as u64).read_to_end(&mut head).err();
    let all = Cursor::new(head.clone()).chain(Failure(failure)).chain(source);
    (head, Box::new(BufReader::with_capacity(BUFFER_BYTES, all)))
}

/// A reader that returns an error once, and then the end of the input.
struct Failure(Option<std::io::Error>);

impl Read for Failure {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

fn decoded(head: &[u8], mut reader: Box<dyn BufRead>) -> Box<dyn BufRead> {
    let (mark_bytes, order) = match head {
        [0xef, 0xbb, 0xbf, ..] => (3, None),
        [0xff, 0xfe, ..] => (2, Some(Order::Little)),
        [0xfe, 0xff, ..] => (2, Some(Order::Big)),
        // Without a mark, zeros between ASCII characters show the order.
        [1..=0x7f, 0, 1..=0x7f, 0, ..] => (0, Some(Order::Little)),
        [0, 1..=0x7f, 0, 1..=0x7f, ..] => (0, Some(Order::Big)),
        _ => (0, None),
    };
    let mut left = mark_bytes;
    while left > 0 {
        // The first bytes have shown that the mark exists.
        let length = reader.fill_buf().map_or(0, <[u8]>::len).min(left);
        if length == 0 {
            break;
        }
        reader.consume(length);
        left -= length;
    }
    match order {
        Some(order) => Box::new(BufReader::new(Utf16Reader::new(reader, order))),
        None => reader,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compression_and_encodings_are_removed() {
        let utf16 = |order: fn(u16) -> [u8; 2], mark: &[u8]| {
            [mark.to_vec(), "{\"a\":1}".encode_utf16().flat_map(order).collect()].concat()
        };
        let plain = b"{\"a\":1}".to_vec();
        for wrapped in [
            plain.clone(),
            [b"\xef\xbb\xbf".as_slice(), &plain].concat(),
            utf16(u16::to_le_bytes, b"\xff\xfe"),
            utf16(u16::to_be_bytes, b"\xfe\xff"),
            utf16(u16::to_le_bytes, b""),
            utf16(u16::to_be_bytes, b""),
            gzip(&plain),
            gzip(&gzip(&utf16(u16::to_le_bytes, b"\xff\xfe"))),
            [gzip(&plain[..3]), gzip(&plain[3..])].concat(),
        ] {
            let mut read = Vec::new();
            text(Cursor::new(wrapped)).read_to_end(&mut read).unwrap();
            assert_eq!(read, plain);
        }
    }

    #[test]
    fn three_layers_of_gzip_are_removed_and_not_one_more() {
        let layered = |layers: usize| {
            let mut data = b"{}".to_vec();
            for _ in 0..layers {
                data = gzip(&data);
            }
            let mut read = Vec::new();
            text(Cursor::new(data)).read_to_end(&mut read).unwrap();
            read
        };
        assert_eq!(layered(MAX_GZIP_LAYERS), b"{}");
        assert!(layered(MAX_GZIP_LAYERS + 1).starts_with(&[0x1f, 0x8b]), "a value that is not JSON");
    }

    #[test]
    fn folders_are_searched_and_excluded_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["export/b.gz", "export/a/000000.gz", "aws-logs-write-test", ".DS_Store"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let sources = Sources::find(&[folder.path().to_owned(), PathBuf::from("-")]).unwrap();
        let path = |name: &str| folder.path().join(name);
        let found = [Source::Path(path("export/a/000000.gz")), Source::Path(path("export/b.gz"))];
        assert_eq!(sources.found, [found.to_vec(), vec![Source::StandardInput]].concat());
        let left_out: Vec<PathBuf> = sources.left_out.into_iter().map(|(path, _)| path).collect();
        assert_eq!(left_out, [path(".DS_Store"), path("aws-logs-write-test")]);
        let problem = Sources::find(&[path("no-such-file")]).unwrap_err().to_string();
        assert!(problem.contains("no-such-file does not exist"), "{problem}");
    }
}
