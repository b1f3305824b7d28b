//! SHA-1 (FIPS 180-4), by which `leap-seconds.list` finds that it was damaged. It is no protection against those who
//! mean harm, and nothing else uses it.

/// The five words of a hash.
pub(super) type Digest = [u32; 5];

const START: Digest = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
const BLOCK: usize = 64;

/// A hash in the making.
pub(super) struct Sha1 {
    state: Digest,
    /// The beginning of a block, and how much of it there is: always less than a whole one.
    block: [u8; BLOCK],
    filled: usize,
    /// Bytes so far.
    length: u64,
}

impl Sha1 {
    pub(super) const fn new() -> Self {
        Self { state: START, block: [0; BLOCK], filled: 0, length: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        bytes.iter().for_each(|byte| self.put(*byte));
    }

    /// The hash of all that came.
    pub(super) fn finish(mut self) -> Digest {
        let bits = self.length * 8;
        self.put(0x80);
        while self.filled != BLOCK - 8 {
            self.put(0);
        }
        bits.to_be_bytes().into_iter().for_each(|byte| self.put(byte));
        self.state
    }

    fn put(&mut self, byte: u8) {
        self.block[self.filled] = byte;
        self.filled += 1;
        if self.filled == BLOCK {
            self.filled = 0;
            self.state = compress(self.state, &self.block);
        }
    }
}

fn compress(state: Digest, block: &[u8; BLOCK]) -> Digest {
    let schedule = expand(block);
    let [mut a, mut b, mut c, mut d, mut e] = state;
    for (t, word) in schedule.into_iter().enumerate() {
        let (mixed, constant) = match t {
            0..20 => (b & c | !b & d, 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            60.. => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next =
            a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(word);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    let added = [a, b, c, d, e];
    core::array::from_fn(|i| state[i].wrapping_add(added[i]))
}

/// The message schedule of a block.
fn expand(block: &[u8; BLOCK]) -> [u32; 80] {
    let mut words = [0; 80];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for t in 16..80 {
        words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha1(parts: &[&[u8]]) -> Digest {
        let mut hash = Sha1::new();
        parts.iter().for_each(|part| hash.update(part));
        hash.finish()
    }

    /// The examples of FIPS 180 and of its validation suite.
    #[test]
    fn known_answers_come_out() {
        assert_eq!(sha1(&[]), [0xda39_a3ee, 0x5e6b_4b0d, 0x3255_bfef, 0x9560_1890, 0xafd8_0709]);
        assert_eq!(sha1(&[b"a", b"bc"]), [0xa999_3e36, 0x4706_816a, 0xba3e_2571, 0x7850_c26c, 0x9cd0_d89d]);
        assert_eq!(
            sha1(&[b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"]),
            [0x8498_3e44, 0x1c3b_d26e, 0xbaae_4aa1, 0xf951_29e5, 0xe546_70f1]
        );
        assert_eq!(
            sha1(&[[b'a'; 1000].as_slice(); 1000]),
            [0x34aa_973c, 0xd4c4_daa4, 0xf61e_eb2b, 0xdbad_2731, 0x6534_016f]
        );
    }
}
