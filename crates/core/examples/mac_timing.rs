//! Does the time that a wrong MAC takes tell where it is wrong? Bad input 13 (CVE-2016-1550).
//!
//! usage: cargo run --release -p truechimer-core --example mac_timing [TIMINGS]
//!
//! For each kind of key so many refusals (by default a million) are timed of digests that are wrong in their first byte, and
//! as many of digests that are wrong in their last one, in random order, and compared by Welch's t. What interrupts us falls
//! on both alike; the slowest twentieth is left out, as it says nothing of the comparison. Beyond 4.5 the two differ; so
//! they must where the comparison stops at the first difference, which is measured as well: a method that does not find that
//! out finds nothing. Exit 0: no kind of key tells. 1: one does, or the method is blind.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use truechimer_core::wire::mac::{Key, KeyKind};

/// Beyond this, two means are held to be different (the custom of leakage tests: once in 150,000 by chance).
const T_MAX: f64 = 4.5;

/// So many timings of each sort, if nothing else is said.
const TIMINGS: usize = 1_000_000;

/// The header of a packet.
const PACKET: [u8; 48] = [0x24; 48];

const KINDS: [KeyKind; 5] = [KeyKind::Aes128, KeyKind::Aes256, KeyKind::Sha256, KeyKind::Sha1, KeyKind::Md5];

fn main() -> ExitCode {
    let timings = std::env::args().nth(1).map_or(Ok(TIMINGS), |text| text.parse());
    let Ok(timings @ 1000..) = timings else {
        eprintln!("usage: mac_timing [TIMINGS], at least 1000");
        return ExitCode::from(100);
    };
    let mut rng = ChaCha8Rng::from_seed([13; 32]);
    println!("{:<24}{:>12}{:>12}{:>10}", "", "first ns", "last ns", "|t|");
    let mut is_good = true;
    for kind in KINDS {
        let key = key(kind);
        let digest = key.seal(&PACKET).as_bytes()[52..].to_vec();
        let found = compare(&mut rng, timings, &digest, |wrong| key.verify(&PACKET, wrong));
        found.print(&format!("{kind:?}"));
        is_good &= found.t < T_MAX;
    }
    let digest = vec![0x5a; 16];
    let found = compare(&mut rng, timings, &digest, |wrong| stops_early(&digest, wrong));
    found.print("stops at a difference");
    is_good &= found.t > T_MAX;
    ExitCode::from(u8::from(!is_good))
}

fn key(kind: KeyKind) -> Key {
    let (length, _) = kind.secret_lens();
    Key::new(7, kind, vec![0x33; length]).expect("the length is the kind's own")
}

/// How not to compare digests.
#[inline(never)]
fn stops_early(right: &[u8], wrong: &[u8]) -> bool {
    right.iter().zip(wrong).all(|(one, other)| black_box(one) == black_box(other))
}

/// What was found about two sorts of wrong digests.
struct Found {
    first: f64,
    last: f64,
    t: f64,
}

impl Found {
    fn print(&self, name: &str) {
        println!("{name:<24}{:>12.2}{:>12.2}{:>10.2}", self.first, self.last, self.t);
    }
}

fn compare(rng: &mut impl Rng, timings: usize, digest: &[u8], verify: impl Fn(&[u8]) -> bool) -> Found {
    let mut wrong = [digest.to_vec(), digest.to_vec()];
    wrong[0][0] ^= 1;
    wrong[1][digest.len() - 1] ^= 1;
    let mut taken = [Vec::with_capacity(timings), Vec::with_capacity(timings)];
    let mut packet = digest.to_vec();
    while taken.iter().any(|times| times.len() < timings) {
        let sort = (rng.next_u32() & 1) as usize;
        // Both sorts are at one place in memory.
        packet.copy_from_slice(&wrong[sort]);
        let start = Instant::now();
        let verdict = black_box(verify(black_box(&packet)));
        let time = start.elapsed().as_nanos() as f64;
        assert!(!verdict, "it is wrong");
        if taken[sort].len() < timings {
            taken[sort].push(time);
        }
    }
    welch(&taken)
}

/// Welch's t of both, without what took longer than 19 of 20 of them all.
fn welch(taken: &[Vec<f64>; 2]) -> Found {
    let mut all = taken.concat();
    let at = all.len() * 19 / 20;
    let (_, limit, _) = all.select_nth_unstable_by(at, f64::total_cmp);
    let [(first, error_first), (last, error_last)] = [&taken[0], &taken[1]].map(|times| {
        let kept: Vec<f64> = times.iter().copied().filter(|time| *time <= *limit).collect();
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    Found { first, last, t: (first - last).abs() / (error_first + error_last).sqrt() }
}
