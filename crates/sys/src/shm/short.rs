//! A page whose header is the caller's and short, as a format of others has it: the generation has 16 bits.
//!
//! ```text
//!   magic, two u32 | size in bytes, u32 | version, u16 | generation, u16 | 8 words, u64     in this machine's order
//! ```
//!
//! It is written as the long one is, by the same lock. 16 bits come round: a reader that was asleep for exactly 32,767 writes
//! takes what it has for new.

use std::path::Path;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use super::{Mapping, PageError, lock, published};

/// How many words a short page carries.
pub const SHORT_WORDS: usize = 8;

/// Bytes of all.
const BYTES: usize = size_of::<Words>();

/// The end that writes. There is to be one of a page.
#[derive(Debug)]
pub struct ShortPageWriter {
    page: Mapping<Words>,
}

#[derive(Debug)]
#[repr(C)]
struct Words {
    magic: [AtomicU32; 2],
    size: AtomicU32,
    version: AtomicU16,
    generation: AtomicU16,
    words: [AtomicU64; SHORT_WORDS],
}

impl ShortPageWriter {
    /// Publishes a page at `path`. One that is there, is ours and has this magic number and version is taken over, so that
    /// its readers go on; anything else of that name is replaced.
    ///
    /// # Errors
    /// [`PageError::File`] where it cannot be made.
    pub fn publish<const MAGIC: u64, const VERSION: u16>(path: &Path) -> Result<Self, PageError> {
        let magic = halves(MAGIC);
        let mut blank =
            [magic[0].to_ne_bytes(), magic[1].to_ne_bytes(), (BYTES as u32).to_ne_bytes()].concat();
        blank.extend([VERSION.to_ne_bytes(), [0, 0]].concat());
        blank.resize(BYTES, 0);
        Ok(Self { page: published(path, &blank, Words::is_page::<MAGIC, VERSION>)? })
    }

    /// Writes all words at once, as far as readers can see.
    pub fn write(&mut self, words: &[u64; SHORT_WORDS]) {
        let page = self.page.words();
        lock::write(&page.generation, &page.words, words);
    }
}

impl Words {
    fn is_page<const MAGIC: u64, const VERSION: u16>(&self) -> bool {
        let magic = [&self.magic[0], &self.magic[1]].map(|half| half.load(Ordering::Relaxed));
        let size = self.size.load(Ordering::Relaxed);
        magic == halves(MAGIC) && size == BYTES as u32 && self.version.load(Ordering::Relaxed) == VERSION
    }
}

/// The upper half comes first.
const fn halves(magic: u64) -> [u32; 2] {
    [(magic >> 32) as u32, magic as u32]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::fs;

    type Writer = ShortPageWriter;

    fn publish(path: &Path) -> Writer {
        Writer::publish::<0x0102_0304_0506_0708, 2>(path).unwrap()
    }

    fn generation(path: &Path) -> u16 {
        let bytes = fs::read(path).unwrap();
        u16::from_ne_bytes([bytes[14], bytes[15]])
    }

    #[test]
    fn the_words_lie_where_the_picture_says() {
        let scratch = Scratch::new();
        let path = scratch.file("short");
        publish(&path).write(&std::array::from_fn(|place| place as u64 + 1));
        let bytes = fs::read(&path).unwrap();
        let header = [0x0102_0304_u32, 0x0506_0708, 80].map(u32::to_ne_bytes).concat();
        assert_eq!(bytes[..12], header);
        assert_eq!(bytes[12..16], [2u16, 2].map(u16::to_ne_bytes).concat());
        assert_eq!(bytes[16..], [1u64, 2, 3, 4, 5, 6, 7, 8].map(u64::to_ne_bytes).concat());
    }

    #[test]
    fn a_restart_takes_the_page_over_and_another_format_is_replaced() {
        let scratch = Scratch::new();
        let path = scratch.file("short");
        publish(&path).write(&[1; SHORT_WORDS]);
        publish(&path).write(&[2; SHORT_WORDS]);
        assert_eq!(generation(&path), 4);
        Writer::publish::<7, 2>(&path).unwrap().write(&[3; SHORT_WORDS]);
        assert_eq!(generation(&path), 2);
    }

    #[test]
    fn the_generation_comes_round_and_is_never_that_of_a_page_that_was_never_written() {
        let scratch = Scratch::new();
        let path = scratch.file("short");
        let mut writer = publish(&path);
        for _ in 0..32_767 {
            writer.write(&[1; SHORT_WORDS]);
        }
        assert_eq!(generation(&path), 65_534);
        writer.write(&[1; SHORT_WORDS]);
        assert_eq!(generation(&path), 2);
    }
}
