//! What holds where the operator says nothing.

use std::path::PathBuf;

use truechimer_core::policy::{ClockPolicy, Rhythm, TrustPolicy};
use truechimer_time::Span;

use super::address::Address;
use super::quantity::{Size, Spelled};
use super::words::{Account, Level, Target};
use super::{Classic, Clock, Config, Source, State, Statistics};

/// Where the leap seconds of the distribution are (Debian's tzdata, the file of the IERS).
pub const LEAP_FILE: &str = "/usr/share/zoneinfo/leap-seconds.list";

/// RFC 5905, section 7.2: MINPOLL 2^6 s.
const MIN_INTERVAL: Span = Span::from_secs(64);
/// The upper limit that clients of public servers commonly take, 2^10 s.
const MAX_INTERVAL: Span = Span::from_secs(1024);
/// RFC 5905, section 7.2: MAXPOLL 2^17 s, about 36 hours. Where an accuracy is stated, it decides below that.
const MAX_INTERVAL_FOR_ACCURACY: Span = Span::from_secs(129_600);
/// clockspeed's first wait..
const MIN_INTERVAL_CLASSIC: Span = Span::from_secs(600);
/// ..and its last, a quarter of a year.
const MAX_INTERVAL_CLASSIC: Span = Span::from_secs(7_884_000);
pub(super) const BURST: u8 = 6;

/// The default sources: five operators of five jurisdictions and institutions, so that two of them may be wrong.
/// Each offers NTP to the general public under its own name; none smears leap seconds, because smeared and honest
/// time must never be mixed (RFC 8633, section 3.7.1). A bare zone of the NTP pool is not among them: the pool asks
/// that products use a zone of their own.
const SOURCES: [(&str, &str); 5] = [
    // Anycast near to most of the world; its servers are members of the NTP pool, which does not admit smearing.
    ("time.cloudflare.com", "cloudflare"),
    // The national metrology institute of Germany, keeper of UTC(PTB), offers it for computers on the Internet.
    ("ptbtime1.ptb.de", "ptb"),
    // The Swedish national time distribution, atomic clocks at six sites, traceable to UTC(SP), open to all.
    ("ntp.netnod.se", "netnod"),
    // The registry of .nl: stratum 1, documented in the open, "free of charge for anyone".
    ("ntp.time.nl", "sidn"),
    // The national metrology institute of Italy, keeper of UTC(IT), offers it to all users of the Internet.
    ("ntp1.inrim.it", "inrim"),
];

/// The shortest and the longest interval of a source for which none are written.
pub(super) fn intervals(schedule: Rhythm, accuracy: Option<Span>) -> (Span, Span) {
    match (schedule, accuracy) {
        (Rhythm::Adaptive, None) => (MIN_INTERVAL, MAX_INTERVAL),
        (Rhythm::Adaptive, Some(_)) => (MIN_INTERVAL, MAX_INTERVAL_FOR_ACCURACY),
        (Rhythm::Classic, _) => (MIN_INTERVAL_CLASSIC, MAX_INTERVAL_CLASSIC),
    }
}

pub(super) fn config() -> Config {
    Config {
        accuracy: None,
        schedule: Rhythm::Adaptive,
        temperature: None,
        user: account(),
        sources: sources(),
        keys_file: None,
        clock: Clock { target: Target::Kernel, policy: ClockPolicy::default() },
        trust: TrustPolicy::default(),
        serve: None,
        chrony: None,
        classic: Classic::defaults(),
        state: State { dir: PathBuf::from("/var/lib/truechimer"), run_dir: PathBuf::from("/run/truechimer") },
        clockbound: None,
        metrics: None,
        statistics: Statistics { dir: None, max_size: Size(8 << 20), keep: 8 },
        log: Level::Info,
        hook: None,
        leap_file: None,
    }
}

fn account() -> Account {
    Account::read("truechimer").expect("ten small letters are an account name")
}

/// The default sources, within the limits of their intervals.
pub(super) fn sources_within((min_interval, max_interval): (Span, Span)) -> Vec<Source> {
    sources().into_iter().map(|source| Source { min_interval, max_interval, ..source }).collect()
}

fn sources() -> Vec<Source> {
    let source = |(name, operator): &(&str, &str)| {
        let address = Address::read(name).expect("the names above are host names, as a test sees");
        Source { operator: (*operator).to_owned(), ..Source::at(address) }
    };
    SOURCES.iter().map(source).collect()
}
