//! Finds and opens files: regular ones, folders, pipes and standard input,
//! whether or not they are gzipped, in UTF-8 or UTF-16.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use flate2::bufread::MultiGzDecoder;

use super::utf16::{Order, Utf16Reader};

/// What CloudWatch Logs writes into the bucket of an export to see whether it may.
/// Source: CloudWatch Logs User Guide, "Export log data to Amazon S3 using the AWS CLI".
const EXPORT_TEST_FILE: &str = "aws-logs-write-test";
/// How often a file can be gzipped: Firehose compresses what CloudWatch Logs has compressed.
const MAX_GZIP_LAYERS: usize = 3;
/// How many bytes a file is recognised by.
const HEAD_BYTES: usize = 8 << 10;
/// How many bytes are read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Standard,
    /// A file or a pipe.
    Path(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => formatter.write_str("standard input"),
            Self::Path(path) => path.display().fmt(formatter),
        }
    }
}

/// What is to be read, and what is left out on purpose.
#[derive(Debug, Default)]
pub struct Sources {
    /// To be read, in order.
    pub found: Vec<Source>,
    /// Left out, with the reason.
    pub left_out: Vec<(PathBuf, &'static str)>,
}

impl Source {
    /// `-` is standard input.
    pub fn of(path: &Path) -> Self {
        if path == Path::new("-") { Self::Standard } else { Self::Path(path.to_owned()) }
    }

    /// The size in bytes; 0 where it is not known.
    pub fn size(&self) -> u64 {
        let Self::Path(path) = self else { return 0 };
        path.metadata().map_or(0, |metadata| if metadata.is_file() { metadata.len() } else { 0 })
    }

    /// Opens it as it stands.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self) -> std::io::Result<Box<dyn Read>> {
        match self {
            Self::Standard => Ok(Box::new(std::io::stdin())),
            Self::Path(path) => Ok(Box::new(File::open(path)?)),
        }
    }
}

impl Sources {
    /// Finds what these paths name; of folders all files below them, by name.
    ///
    /// # Errors
    /// When a path names nothing, or a folder cannot be read.
    pub fn find(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut sources = Self::default();
        for path in paths {
            match Source::of(path) {
                Source::Path(path) => sources.add(path)?,
                standard @ Source::Standard => sources.found.push(standard),
            }
        }
        Ok(sources)
    }

    fn add(&mut self, path: PathBuf) -> anyhow::Result<()> {
        let shown = path.display();
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("{shown} is not there; name files, folders, or - for standard input")
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

    /// Adds what a folder has, but for what nobody means by it.
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

/// Inflates and decodes what a source gives, without its byte order mark.
pub fn text(source: impl Read + 'static) -> Box<dyn BufRead> {
    let (mut head, mut reader) = with_head(source, HEAD_BYTES);
    for _ in 0..MAX_GZIP_LAYERS {
        if !head.starts_with(&[0x1f, 0x8b]) {
            break;
        }
        (head, reader) = with_head(MultiGzDecoder::new(reader), HEAD_BYTES);
    }
    decoded(&head, reader)
}

/// The first bytes of a source, at most `length`, and a reader of all. An
/// error comes where it is met, behind what could be read before it.
pub fn with_head(mut source: impl Read + 'static, length: usize) -> (Vec<u8>, Box<dyn BufRead>) {
    let mut head = Vec::with_capacity(length);
    let failure = (&mut source).take(length as u64).read_to_end(&mut head).err();
    let all = Cursor::new(head.clone()).chain(Failure(failure)).chain(source);
    (head, Box::new(BufReader::with_capacity(BUFFER_BYTES, all)))
}

/// Gives an error once, then nothing.
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
        // Without a mark, the zeros beside ASCII tell.
        [1..=0x7f, 0, 1..=0x7f, 0, ..] => (0, Some(Order::Little)),
        [0, 1..=0x7f, 0, 1..=0x7f, ..] => (0, Some(Order::Big)),
        _ => (0, None),
    };
    let mut left = mark_bytes;
    while left > 0 {
        // The head has shown that these bytes are there.
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
    fn wrappings_are_taken_off() {
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
    fn folders_are_searched_and_what_is_left_out_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["export/b.gz", "export/a/000000.gz", "aws-logs-write-test", ".DS_Store"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let sources = Sources::find(&[folder.path().to_owned(), PathBuf::from("-")]).unwrap();
        let path = |name: &str| folder.path().join(name);
        let found = [Source::Path(path("export/a/000000.gz")), Source::Path(path("export/b.gz"))];
        assert_eq!(sources.found, [found.to_vec(), vec![Source::Standard]].concat());
        let left_out: Vec<PathBuf> = sources.left_out.into_iter().map(|(path, _)| path).collect();
        assert_eq!(left_out, [path(".DS_Store"), path("aws-logs-write-test")]);
        let problem = Sources::find(&[path("no-such-file")]).unwrap_err().to_string();
        assert!(problem.contains("no-such-file is not there"), "{problem}");
    }
}
