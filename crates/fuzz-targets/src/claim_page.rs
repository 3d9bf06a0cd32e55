//! Pages of claims, as they are stored: any bytes are read or refused, and what is read round-trips.

use metering_core::claims::page::Page;

/// Checks the bytes of a page.
pub fn check(input: &[u8]) {
    let Ok(page) = Page::decode(input) else { return };
    let written = page.encode();
    assert!(written.len() <= page.encoded_bytes(), "the stated length is an upper bound");
    assert_eq!(Page::decode(&written).as_ref(), Ok(&page), "a page round-trips");
    assert_eq!(Page::decode(&written).map(|page| page.encode()), Ok(written), "its form is unique");
}
