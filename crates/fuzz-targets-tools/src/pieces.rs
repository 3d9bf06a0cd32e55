//! The pieces of an input file: JSON values and lines.
//!
//! - A text is read to its end, whatever it is.
//! - Pieces are parts of the text in its order, without blanks around them, and their lines are right.
//! - The size of the chunks in which the text arrives changes nothing.

use std::io::{BufRead, BufReader, Cursor};

use meter_cli::input::pieces::{Kind, Pieces};

/// A piece: its kind, bytes, line, marks and container.
type Owned = (Kind, Vec<u8>, u64, u32, u32);

/// Checks the pieces of a text.
pub fn check(input: &[u8]) {
    let (pieces, is_cut) = read(Box::new(Cursor::new(input.to_vec())));
    check_places(input, &pieces);
    let slowly = BufReader::with_capacity(7, Cursor::new(input.to_vec()));
    assert_eq!(read(Box::new(slowly)), (pieces, is_cut), "chunks change nothing");
}

fn read(text: Box<dyn BufRead>) -> (Vec<Owned>, bool) {
    let mut pieces = Pieces::new(text);
    let mut found = Vec::new();
    loop {
        match pieces.next_piece() {
            Ok(Some(piece)) => {
                found.push((piece.kind, piece.bytes.to_vec(), piece.line, piece.marks, piece.container));
            }
            Ok(None) => return (found, pieces.is_cut()),
            Err(error) => panic!("reading from memory does not fail: {error}"),
        }
    }
}

fn check_places(input: &[u8], pieces: &[Owned]) {
    let line_count = input.split(|byte| *byte == b'\n').count() as u64;
    let (mut from, mut line_before) = (0, 1);
    for (kind, bytes, line, ..) in pieces {
        assert!(!bytes.is_empty() && bytes.trim_ascii() == bytes, "a piece is not blank");
        let place = input[from..].windows(bytes.len()).position(|window| window == bytes);
        let Some(place) = place else { panic!("a piece is a part of the text: {bytes:?}") };
        from += place + bytes.len();
        assert!((line_before..=line_count).contains(line), "lines ascend");
        line_before = *line;
        let first = match kind {
            Kind::Object => b'{',
            Kind::Array => b'[',
            Kind::Text => b'"',
            Kind::Line => continue,
        };
        assert_eq!(bytes.first(), Some(&first));
    }
}
