//! Reads UTF-16, which Windows PowerShell writes, as UTF-8.

use std::io::{Read, Result};

/// Number of bytes that are read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// The byte order of a code unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

/// A reader that converts UTF-16 to UTF-8. Invalid code units become U+FFFD.
pub struct Utf16Reader<R> {
    source: R,
    order: Order,
    /// Bytes of an incomplete character.
    rest: Vec<u8>,
    /// Converted text, of which `taken` bytes were returned.
    text: Vec<u8>,
    taken: usize,
}

impl<R: Read> Utf16Reader<R> {
    /// Creates a reader of the text after the byte order mark.
    pub fn new(source: R, order: Order) -> Self {
        Self { source, order, rest: Vec::new(), text: Vec::new(), taken: 0 }
    }

    /// Reads until there is text or the source ends.
    fn fill(&mut self) -> Result<()> {
        let mut bytes = vec![0; CHUNK_BYTES];
        while self.taken == self.text.len() {
            let length = self.source.read(&mut bytes)?;
            self.rest.extend_from_slice(&bytes[..length]);
            let is_end = length == 0;
            let mut units = self.units();
            if let (false, Some(0xd800..=0xdbff)) = (is_end, units.last()) {
                // The first half of a surrogate pair, whose second half was not read yet.
                units.pop();
            }
            self.rest.drain(..units.len() * 2);
            let mut text: String =
                char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
            if is_end && !self.rest.is_empty() {
                self.rest.clear();
                text.push(char::REPLACEMENT_CHARACTER);
            }
            (self.text, self.taken) = (text.into_bytes(), 0);
            if is_end {
                return Ok(());
            }
        }
        Ok(())
    }

    fn units(&self) -> Vec<u16> {
        let unit = |pair: &[u8]| match self.order {
            Order::Little => u16::from_le_bytes([pair[0], pair[1]]),
            Order::Big => u16::from_be_bytes([pair[0], pair[1]]),
        };
        self.rest.chunks_exact(2).map(unit).collect()
    }
}

impl<R: Read> Read for Utf16Reader<R> {
    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        if self.taken == self.text.len() {
            self.fill()?;
        }
        let length = (&self.text[self.taken..]).read(target)?;
        self.taken += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that returns one byte at a time.
    struct Drip(Vec<u8>);

    impl Read for Drip {
        fn read(&mut self, target: &mut [u8]) -> Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            target[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn characters_are_whole_however_the_bytes_arrive() {
        let text = "{\"owner\":\"Müller 😀\"}\r\n";
        for order in [Order::Little, Order::Big] {
            let bytes: Vec<u8> = text
                .encode_utf16()
                .flat_map(|unit| if order == Order::Little { unit.to_le_bytes() } else { unit.to_be_bytes() })
                .collect();
            let mut read = String::new();
            Utf16Reader::new(Drip(bytes), order).read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn incomplete_characters_are_replaced_and_not_dropped() {
        let mut read = String::new();
        Utf16Reader::new(Drip(vec![b'a', 0, 0x3d, 0xd8, b'b']), Order::Little)
            .read_to_string(&mut read)
            .unwrap();
        assert_eq!(read, "a\u{fffd}\u{fffd}");
    }
}
