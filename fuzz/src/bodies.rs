//! What holds for any bytes at all. Each function takes bytes from a stranger and asserts what must be true whatever
//! they are; the first thing that must be true is that nothing panics.
//!
//! The same functions are called by libFuzzer, which looks for bytes that break them, and by `cargo test`, which
//! calls them with all bytes that were worth keeping.

use std::path::Path;
use std::str;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer::config::{self, Config, Origin};
use truechimer::talk;
use truechimer_core::classic::atto;
use truechimer_core::classic::record::{self as adjustment, Form};
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::measure::exchange::{Answer, Exchange, Heard, Refusal, Rules};
use truechimer_core::moment::{Stamp, StampedBy};
use truechimer_core::record::{self, LINE_MAX};
use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::server::taiclock;
use truechimer_core::source::association::sample_of;
use truechimer_core::wire::extension::{FIELDS_MAX, Seal, Trailer};
use truechimer_core::wire::mac::{Key, KeyKind};
use truechimer_core::wire::ntp::{Leap, Mode, Packet};
use truechimer_core::wire::taiclock::Question;
use truechimer_core::wire::{DATAGRAM_MAX, HEADER_LEN};
use truechimer_time::leap::DAT_BYTES_MAX;
use truechimer_time::{LeapTable, NtpPrecision, Rate, Span, Tai, Time, Utc};

mod desk;
mod key_server;
mod monitor;
mod node;
mod nts;
mod survey;
mod timeline;

pub use desk::desk;
pub use key_server::key_server;
pub use monitor::monitor;
pub use node::node;
pub use nts::{cookie, key_exchange, protected, sealed};
pub use survey::survey;
pub use timeline::timeline;

/// 2026-11-01, about: where the pivot and the server's clock stand.
const NOW: Time<Utc> = Time::from_epoch(Span::from_secs(1_793_491_200));

/// A datagram that somebody sent to our server.
pub fn packet(datagram: &[u8]) {
    let packet = match Packet::parse(datagram) {
        Ok(packet) => packet,
        Err(_) => return assert!(datagram.len() < HEADER_LEN),
    };
    assert_eq!(packet.write(), datagram[..HEADER_LEN], "writing is the inverse of reading");
    if let Ok(reply) = answer(datagram, NOW - Span::from_millis(1), NOW, &served()) {
        assert!(reply.len() <= datagram.len(), "no amplification");
        assert_eq!(packet.mode, Mode::Client);
        let reply = Packet::parse(&reply).expect("our own answers can be read");
        assert_eq!(
            (reply.mode, reply.version, reply.origin),
            (Mode::Server, packet.version, packet.transmit)
        );
        assert!(answer(&reply.write(), NOW, NOW, &served()).is_err(), "no loop");
    }
}

fn served() -> Served {
    Served {
        synchronised: true,
        leap: Leap::None,
        stratum: 2,
        precision: NtpPrecision { log2_seconds: -20 },
        root_delay: Span::from_millis(20),
        root_dispersion: Span::from_millis(3),
        reference_id: [192, 0, 2, 1],
        reference: NOW - Span::from_secs(100),
    }
}

/// A version, then a datagram of it.
pub fn extension(data: &[u8]) {
    let Some((version, datagram)) = data.split_first() else { return };
    let version = version % 8;
    let Ok(trailer) = Trailer::parse(datagram, version) else { return };
    assert!((HEADER_LEN..=DATAGRAM_MAX).contains(&datagram.len()));
    let fields: Vec<usize> = trailer.fields().map(|field| field.value.len() + 4).collect();
    assert!(fields.len() <= FIELDS_MAX && fields.iter().all(|len| *len >= 16 && len.is_multiple_of(4)));
    assert!(version >= 4 || fields.is_empty(), "older versions have no extension fields");
    let before_seal = HEADER_LEN + fields.iter().sum::<usize>();
    let seal = match trailer.seal {
        Seal::None => 0,
        Seal::CryptoNak => 4,
        Seal::Mac(mac) => {
            assert_eq!(mac.covered, &datagram[..before_seal]);
            4 + mac.digest.len()
        }
    };
    assert_eq!(before_seal + seal, datagram.len(), "every byte belongs to something");
}

/// Bits that say how far to help, a wait, then a datagram that comes in answer to our question. Without help nothing
/// gets past the random bits that it has to give back.
pub fn exchange(data: &[u8]) {
    let Some((&[help, wait], datagram)) = data.split_first_chunk() else { return };
    let key = (help & 1 != 0).then(|| Key::new(7, KeyKind::Aes128, vec![1; 16]).expect("a key"));
    let key = key.map(std::sync::Arc::new);
    let to = "192.0.2.1:123".parse().expect("an address");
    let mut exchange = Exchange::start(&mut ChaCha8Rng::seed_from_u64(1), to, key.clone());
    let sent = Stamp { at: Time::from_epoch(Span::from_secs(1000)), by: StampedBy::Program };
    let heard = Stamp { at: sent.at + Span::from_millis(16 * i64::from(wait)), by: StampedBy::Kernel };
    exchange.sent(sent);
    let mut datagram = datagram.to_vec();
    help_along(&mut datagram, help, exchange.datagram());
    if let (Some(key), true) = (&key, help & 2 != 0) {
        key.append(&mut datagram);
    }
    let rules = Rules::usual(NOW, NOW - Span::from_secs(86_400));
    match exchange.hear(to, heard, &datagram, &rules) {
        Ok(Heard::Answer(answer) | Heard::Departure(answer)) => is_usable(&answer, &rules),
        Ok(Heard::Kiss(kiss)) => assert!(kiss.code.to_string().is_ascii(), "nothing else gets into a log"),
        Err(_) => return assert!(!exchange.is_answered(), "a refusal changes nothing"),
    }
    assert_eq!(exchange.hear(to, heard, &datagram, &rules), Err(Refusal::Duplicate));
}

/// Patches what a fuzzer cannot guess: our random bits, the mode, times near the truth.
fn help_along(datagram: &mut [u8], help: u8, question: &[u8]) {
    if datagram.len() < HEADER_LEN {
        return;
    }
    datagram[24..32].copy_from_slice(&question[40..48]);
    if help & 4 != 0 {
        datagram[0] = 0x24;
    }
    if help & 8 != 0 {
        let seconds = truechimer_time::NtpTimestamp::of(NOW).to_bits().to_be_bytes();
        datagram[32..36].copy_from_slice(&seconds[..4]);
        datagram[40..44].copy_from_slice(&seconds[..4]);
    }
}

fn is_usable(answer: &Answer, rules: &Rules) {
    assert!((1..16).contains(&answer.stratum) && (1..=4).contains(&answer.version));
    assert!(answer.leap != Leap::Unknown);
    assert!(rules.floor <= answer.received && rules.floor <= answer.transmitted);
    assert!(rules.precision <= answer.delay && answer.delay <= rules.delay_max);
    assert!(answer.root_delay.half() + answer.root_dispersion < rules.distance_max);
    let fastest = RateLimits::around(Rate::ZERO, Rate::from_ppb(500_000));
    if let Ok(sample) = sample_of(answer, &LeapTable::COMPILED, fastest, Span::ZERO) {
        assert!(sample.earliest <= sample.middle() && sample.middle() <= sample.latest);
    }
}

/// What the classic programs read: a TAICLOCK datagram on either side, an adjustment, a file of the rate.
pub fn classic(bytes: &[u8]) {
    let now = LeapTable::COMPILED.tai_of_utc(NOW);
    if let Some(told) = taiclock::answer(bytes, now) {
        assert!(told.len() <= bytes.len(), "no amplification");
        assert_eq!(taiclock::answer(&told, now), None, "no loop");
    }
    let question = Question::new(*b"unguessable!");
    if question.read(bytes).is_ok() {
        assert!(bytes.starts_with(b"stai") && bytes.ends_with(b"unguessable!"));
    }
    if let Ok(adjustment) = adjustment::read(bytes) {
        let forms = [Form::Classic, Form::S6].map(|form| form.write(adjustment.span()));
        assert!(forms.iter().flatten().any(|form| form == bytes), "writing is the inverse of reading");
    }
    if let Ok(tick) = atto::read(bytes) {
        assert_eq!(atto::write(tick).as_ref().map(|file| &file[..]), Some(bytes));
    }
}

/// A file of leap seconds, in any of the three formats.
pub fn leap(file: &[u8]) {
    let tables = [
        LeapTable::from_list(file).ok(),
        LeapTable::from_zic(file).ok(),
        LeapTable::from_dat(file).ok().map(|read| read.table),
    ];
    tables.iter().flatten().for_each(is_a_table);
}

fn is_a_table(table: &LeapTable) {
    for leap in table.leaps() {
        for millis in [-1500, -1001, -1000, -999, -500, -1, 0, 1, 500, 999, 1000, 1500] {
            let tai = leap.ends() + Span::from_millis(millis);
            round_trip(table, tai);
        }
    }
    let mut buffer = [0; DAT_BYTES_MAX];
    if let Ok(bytes) = table.to_dat(&mut buffer) {
        let again = LeapTable::from_dat(bytes).expect("what we write can be read").table;
        assert_eq!(again.leaps(), table.leaps());
    }
}

fn round_trip(table: &LeapTable, tai: Time<Tai>) {
    let reading = table.utc_of_tai(tai);
    assert_eq!(reading.tai(), tai);
    if reading.leap_second {
        assert_eq!(table.tai_of_leap_second(reading.time), Some(tai));
    } else {
        assert_eq!(table.tai_of_utc(reading.time), tai);
        assert!(!table.left_out(reading.time), "UTC never shows a second that was left out");
    }
}

/// A line on the control socket.
pub fn control(line: &[u8]) {
    match talk::parse_request(line) {
        Ok(request) => {
            let again = serde_json::to_vec(&request).expect("a request can be written");
            assert_eq!(talk::parse_request(&again), Ok(request));
        }
        Err(why) => {
            assert!(!why.is_empty() && why.chars().count() < 300, "an error is a sentence: {why}");
            assert!(!why.contains(char::is_control), "{why:?}");
        }
    }
}

/// A configuration.
pub fn config(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    match Config::parse("fuzz", text) {
        Ok(config) => {
            let shown = config.to_toml();
            let again = Config::parse("again", &shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
            assert_eq!(again, config, "{shown}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The configuration of another program: a letter that says whose it is, and its text. Any other letter: nobody says.
pub fn import(bytes: &[u8]) {
    let Some((whose, text)) = bytes.split_first() else { return };
    let origin = match whose {
        b'c' => Some(Origin::Chrony),
        b'n' => Some(Origin::Ntp),
        b'r' => Some(Origin::NtpdRs),
        b't' => Some(Origin::Timesyncd),
        b's' => Some(Origin::Clockspeed),
        _ => None,
    };
    let imported = match config::import_text(Path::new("/nowhere/fuzz.conf"), text, origin) {
        Ok(imported) => imported,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(origin.is_none_or(|origin| origin == imported.origin));
    let made = &imported.toml;
    Config::parse("made", made).unwrap_or_else(|error| panic!("{error}\n{made}"));
    let silent = imported.lines.iter().find(|line| line.said.is_empty());
    assert_eq!(silent, None, "a line without a word");
    let attention = imported.attention().join("\n");
    for shown in [made, &imported.report(), &attention] {
        // Nothing of it commands a terminal.
        assert!(!shown.chars().any(|char| char.is_control() && char != '\n'), "{shown:?}");
    }
    if !imported.is_complete() {
        assert!(!attention.is_empty(), "something is left out without a word");
    }
}

/// A record, line by line.
pub fn record(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    for line in text.lines() {
        let Ok((now, input)) = record::parse_input(line) else { continue };
        let written = record::input_line(&now, &input);
        if written.len() <= LINE_MAX {
            assert_eq!(record::parse_input(&written), Ok((now, input)), "{written}");
        }
    }
}
