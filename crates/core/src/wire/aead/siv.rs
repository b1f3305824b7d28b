//! The mode of AES-SIV-CMAC-256 (RFC 5297): which blocks the block cipher encrypts, and what becomes of them.
//!
//! The block cipher is the library's. So could the mode be, and the tests compare every byte with it; but it calls the
//! block cipher block by block, which on today's processors costs several times what the encryption does, and expands
//! a key at each use. A server does this four times for each question, so here all blocks under one key go in one call.
//!
//! ```text
//!   V = S2V(K1, associated data, nonce, text)      the tag
//!   C = text xor AES-CTR(K2, V)                    two bits of V cleared
//! ```

use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt as _, BlockSizeUser, KeyInit as _,
};
use aes::{Aes128Enc, Block};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const BLOCK_LEN: usize = 16;
const HALF_LEN: usize = 16;

/// The bits of the tag that are cleared before it counts blocks (RFC 5297, section 2.6).
const COUNTER_MASK: u128 = !(1 << 63 | 1 << 31);

/// A key, ready to seal and to open.
pub(super) struct Siv {
    mac: Aes128Enc,
    masks: Masks,
    text_key: Zeroizing<[u8; HALF_LEN]>,
    /// Expanded when there is a text for the first time: questions have none.
    text: Option<Aes128Enc>,
}

/// What CMAC adds to the last block, if it is full and if it is not (RFC 4493, section 2.3), and what S2V begins with.
struct Masks {
    full: Zeroizing<u128>,
    part: Zeroizing<u128>,
    /// The CMAC of a block of zeros, doubled.
    start: Zeroizing<u128>,
}

impl Siv {
    pub(super) fn new(key: &[u8; 2 * HALF_LEN]) -> Self {
        let (mac_key, text_key) = key.split_at(HALF_LEN);
        let mut half = Zeroizing::new([0; HALF_LEN]);
        half.copy_from_slice(mac_key);
        let mac = Aes128Enc::new((&*half).into());
        half.copy_from_slice(text_key);
        let mut masks = Masks { full: Zeroizing::new(0), part: Zeroizing::new(0), start: Zeroizing::new(0) };
        mac.encrypt_with_backend(Prepare { masks: &mut masks });
        Self { mac, masks, text_key: half, text: None }
    }

    /// Encrypts the text in place and gives the tag.
    pub(super) fn seal(&mut self, nonce: &[u8], associated: &[u8], text: &mut [u8]) -> [u8; BLOCK_LEN] {
        let tag = self.s2v(nonce, associated, text);
        self.xor_keystream(tag, text);
        tag.to_be_bytes()
    }

    /// Decrypts the text in place, if the tag is right; else leaves it as it is.
    pub(super) fn open(
        &mut self,
        nonce: &[u8],
        associated: &[u8],
        tag: &[u8; BLOCK_LEN],
        text: &mut [u8],
    ) -> bool {
        let tag = u128::from_be_bytes(*tag);
        self.xor_keystream(tag, text);
        let is_right: bool = self.s2v(nonce, associated, text).ct_eq(&tag).into();
        if !is_right {
            self.xor_keystream(tag, text);
        }
        is_right
    }

    fn s2v(&self, nonce: &[u8], associated: &[u8], text: &[u8]) -> u128 {
        let mut tag = 0;
        let parts = S2v { masks: &self.masks, nonce, associated, text, tag: &mut tag };
        self.mac.encrypt_with_backend(parts);
        tag
    }

    fn xor_keystream(&mut self, tag: u128, text: &mut [u8]) {
        if !text.is_empty() {
            let cipher = self.text.get_or_insert_with(|| Aes128Enc::new((&*self.text_key).into()));
            cipher.encrypt_with_backend(Keystream { counter: tag & COUNTER_MASK, text });
        }
    }
}

/// Makes the masks of a key.
struct Prepare<'a> {
    masks: &'a mut Masks,
}

impl BlockSizeUser for Prepare<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Prepare<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let full = doubled(encrypted(backend, 0));
        *self.masks.full = full;
        *self.masks.part = doubled(full);
        *self.masks.start = doubled(encrypted(backend, full));
    }
}

/// S2V of three strings (RFC 5297, section 2.4).
struct S2v<'a> {
    masks: &'a Masks,
    nonce: &'a [u8],
    associated: &'a [u8],
    text: &'a [u8],
    tag: &'a mut u128,
}

impl BlockSizeUser for S2v<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for S2v<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mac = |chain, bytes: &[u8]| cmac(backend, self.masks, chain, bytes);
        let empty = Block::default();
        let sum = doubled(*self.masks.start ^ mac(empty, self.associated)) ^ mac(empty, self.nonce);
        *self.tag = match self.text.split_last_chunk::<BLOCK_LEN>() {
            None => mac(empty, &(doubled(sum) ^ padded(self.text)).to_be_bytes()),
            Some((before, end)) => {
                // The sum goes into the last 16 bytes, which lie in one block or across two.
                let (blocks, part) = before.as_chunks::<BLOCK_LEN>();
                let mut tail = [0; 2 * BLOCK_LEN];
                let tail = &mut tail[..part.len() + BLOCK_LEN];
                tail[..part.len()].copy_from_slice(part);
                tail[part.len()..].copy_from_slice(&(u128::from_be_bytes(*end) ^ sum).to_be_bytes());
                mac(chained(backend, empty, blocks), tail)
            }
        };
    }
}

/// Counter mode (RFC 5297, section 2.5).
struct Keystream<'a> {
    counter: u128,
    text: &'a mut [u8],
}

impl BlockSizeUser for Keystream<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Keystream<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(mut self, backend: &B) {
        let (blocks, rest) = self.text.as_chunks_mut::<BLOCK_LEN>();
        for block in blocks {
            add(block, &encrypted(backend, self.counter).to_be_bytes());
            self.counter = self.counter.wrapping_add(1);
        }
        if !rest.is_empty() {
            let stream = encrypted(backend, self.counter).to_be_bytes();
            rest.iter_mut().zip(stream).for_each(|(byte, stream)| *byte ^= stream);
        }
    }
}

/// CMAC (RFC 4493) of what is chained already and these bytes. If anything is, there are some.
#[inline(always)]
fn cmac<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    masks: &Masks,
    chain: Block,
    bytes: &[u8],
) -> u128 {
    let whole = bytes.len().saturating_sub(1) / BLOCK_LEN * BLOCK_LEN;
    let (blocks, last) = bytes.split_at(whole);
    let (blocks, _) = blocks.as_chunks();
    let mut chain = chained(backend, chain, blocks);
    let last = match <[u8; BLOCK_LEN]>::try_from(last) {
        Ok(full) => u128::from_be_bytes(full) ^ *masks.full,
        Err(_) => padded(last) ^ *masks.part,
    };
    add(&mut chain.0, &last.to_be_bytes());
    backend.encrypt_block((&mut chain).into());
    u128::from_be_bytes(chain.into())
}

/// Chains whole blocks. They stay bytes: as numbers they would leave the vector registers and come back each time.
#[inline(always)]
fn chained<B: BlockCipherEncBackend<BlockSize = U16>>(
    backend: &B,
    mut chain: Block,
    blocks: &[[u8; BLOCK_LEN]],
) -> Block {
    for block in blocks {
        add(&mut chain.0, block);
        backend.encrypt_block((&mut chain).into());
    }
    chain
}

#[inline(always)]
fn add(chain: &mut [u8; BLOCK_LEN], block: &[u8; BLOCK_LEN]) {
    chain.iter_mut().zip(block).for_each(|(chain, byte)| *chain ^= byte);
}

#[inline(always)]
fn encrypted<B: BlockCipherEncBackend<BlockSize = U16>>(backend: &B, block: u128) -> u128 {
    let mut block = Block::from(block.to_be_bytes());
    backend.encrypt_block((&mut block).into());
    u128::from_be_bytes(block.into())
}

/// Fewer bytes than a block, a bit, and zeros.
#[inline(always)]
fn padded(bytes: &[u8]) -> u128 {
    let mut block = [0; BLOCK_LEN];
    block[..bytes.len()].copy_from_slice(bytes);
    block[bytes.len()] = 0x80;
    u128::from_be_bytes(block)
}

/// Times x in the field of 2^128 elements (RFC 5297, section 2.3), without a branch.
#[inline(always)]
fn doubled(block: u128) -> u128 {
    block << 1 ^ 0x87 & 0u128.wrapping_sub(block >> 127)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes_siv::siv::Aes128Siv;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]
        #[test]
        fn every_byte_is_that_of_the_library(
            key in any::<[u8; 32]>(),
            nonce in prop::collection::vec(any::<u8>(), 0..40),
            associated in prop::collection::vec(any::<u8>(), 0..300),
            text in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut sealed = text.clone();
            let tag = Siv::new(&key).seal(&nonce, &associated, &mut sealed);
            prop_assert_eq!([&tag[..], &sealed].concat(), theirs(&key, &nonce, &associated, &text));
            prop_assert!(Siv::new(&key).open(&nonce, &associated, &tag, &mut sealed));
            prop_assert_eq!(sealed, text);
        }
    }

    #[test]
    fn every_length_is_that_of_the_library() {
        let key = core::array::from_fn(|at| at as u8);
        let bytes: Vec<u8> = (0..100).collect();
        let mut siv = Siv::new(&key);
        for length in 0..100 {
            for (associated, text) in [(length, 40), (40, length)] {
                let (associated, text) = (&bytes[..associated], &bytes[..text]);
                let mut sealed = text.to_vec();
                let tag = siv.seal(b"a nonce", associated, &mut sealed);
                assert_eq!([&tag[..], &sealed].concat(), theirs(&key, b"a nonce", associated, text));
            }
        }
    }

    fn theirs(key: &[u8; 32], nonce: &[u8], associated: &[u8], text: &[u8]) -> Vec<u8> {
        let mut sealed = text.to_vec();
        let tag = Aes128Siv::new(key.into())
            .encrypt_inout_detached([associated, nonce], sealed.as_mut_slice().into())
            .expect("a short text");
        [&tag[..], &sealed].concat()
    }
}
