//! `truechimer keys`: a new key, as a line for a file of keys.

use std::io::{self, Write};

use anyhow::Context;
use truechimer_core::wire::mac::KeyKind;
use zeroize::Zeroizing;

use crate::cli::{self, KeysVerb};
use crate::command::Outcome;
use crate::config::{KeyId, name_of};

/// The fewest bits of a secret: fewer can be tried out.
const BITS_MIN: usize = 80;

/// Where a type takes secrets of any length: of 256 bits for digests of 256, ..
const BITS_SHA256: usize = 256;

/// .. and of 160 bits for the older ones, as `chronyc keygen` makes them.
const BITS_OLD: usize = 160;

/// Does with keys what was wanted.
pub fn keys(arguments: &cli::Keys) -> anyhow::Result<Outcome> {
    match arguments.verb {
        KeysVerb::New { id, kind, bits } => match length(kind, bits) {
            Ok(length) => new(id, kind, length),
            Err(why) => {
                writeln!(io::stderr(), "truechimer: {why}")?;
                Ok(Outcome::Misused)
            }
        },
    }
}

fn new(id: KeyId, kind: KeyKind, length: usize) -> anyhow::Result<Outcome> {
    let mut secret = Zeroizing::new(vec![0; length]);
    getrandom::fill(&mut secret).context("the kernel gives no random numbers")?;
    io::stdout().lock().write_all(line(id, kind, &secret).as_bytes())?;
    if kind.is_for_old_peers() {
        writeln!(io::stderr(), "truechimer: {} is for old peers only: AES128 is better", name_of(kind))?;
    }
    Ok(Outcome::Yes)
}

fn line(id: KeyId, kind: KeyKind, secret: &[u8]) -> Zeroizing<String> {
    let head = format!("{id} {} HEX:", name_of(kind));
    // Room from the start: what a text leaves behind where it grows is not wiped.
    let mut line = Zeroizing::new(String::with_capacity(head.len() + 2 * secret.len() + 1));
    line.push_str(&head);
    for byte in secret {
        for nibble in [byte >> 4, byte & 0xf] {
            line.extend(char::from_digit(nibble.into(), 16).map(|digit| digit.to_ascii_uppercase()));
        }
    }
    line.push('\n');
    line
}

/// How many bytes the secret has.
fn length(kind: KeyKind, bits: Option<usize>) -> Result<usize, String> {
    let (least, most) = kind.secret_lens();
    let usual = match kind {
        KeyKind::Aes128 | KeyKind::Aes256 => least * 8,
        KeyKind::Sha256 => BITS_SHA256,
        KeyKind::Sha1 | KeyKind::Md5 => BITS_OLD,
    };
    let (least, most) = ((least * 8).max(BITS_MIN), most * 8);
    match bits.unwrap_or(usual) {
        bits if bits < least || bits > most || bits % 8 != 0 => {
            let name = name_of(kind);
            Err(match least == most {
                true => format!("a secret of {name} has {least} bits"),
                false => format!("a secret of {name} has {least} to {most} bits, in steps of 8"),
            })
        }
        bits => Ok(bits / 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [KeyKind; 5] =
        [KeyKind::Aes128, KeyKind::Aes256, KeyKind::Sha256, KeyKind::Sha1, KeyKind::Md5];

    #[test]
    fn a_line_is_written_as_chronyd_reads_it() {
        let id = KeyId::new(7).unwrap();
        assert_eq!(*line(id, KeyKind::Aes128, &[0x0a, 0xff]), "7 AES128 HEX:0AFF\n");
    }

    #[test]
    fn every_type_has_a_length_that_it_takes() {
        for kind in KINDS {
            let (least, most) = kind.secret_lens();
            assert!((least..=most).contains(&length(kind, None).unwrap()), "{kind:?}");
        }
        assert_eq!(length(KeyKind::Aes256, Some(256)), Ok(32));
        assert_eq!(length(KeyKind::Sha1, Some(80)), Ok(10));
        assert_eq!(length(KeyKind::Aes128, Some(256)), Err("a secret of AES128 has 128 bits".to_owned()));
        for bits in [72, 81, 2056] {
            let why = length(KeyKind::Sha256, Some(bits)).unwrap_err();
            assert_eq!(why, "a secret of SHA256 has 80 to 2048 bits, in steps of 8");
        }
    }
}
