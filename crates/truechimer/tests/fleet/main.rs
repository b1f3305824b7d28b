//! A fleet of twelve hosts whose clocks drift, are set, sleep, are born again and pass a leap second, one off by minutes and one that lies. They
//! write logs in eight dialects, and of each line it is known when it was written. Of what the timeline says of it all must be true.
//!
//! `TRUECHIMER_FLEETS=10000 cargo test -p truechimer --test fleet` looks at more of them. `TRUECHIMER_BLESS=1` writes the table anew: read the
//! difference.

mod clock;
mod host;

use std::fmt::Write as _;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer_time::{Local, Span, Time};
use truechimer_timeline::interval::Order;
use truechimer_timeline::story::{Hosts, Log, Told, When, Whose, tell};

use clock::Chance;
use host::{Era, FLEET, Leaves, Lived};

/// Lines of each host, at most.
const LINES: usize = 40;

/// Fleets that the table is made of.
const SEEDS: u64 = 1000;

/// A line that was told, and when it was written.
struct Seen {
    host: usize,
    when: When,
    written: i64,
    era: Era,
}

fn told_of(seed: u64) -> Vec<Seen> {
    let chance = &mut Chance(ChaCha8Rng::seed_from_u64(seed));
    let era = Era::of(seed);
    let mut first = 0;
    let mut written: Vec<i64> = Vec::new();
    let fleet: Vec<Lived> = FLEET
        .iter()
        .map(|kind| {
            let lived = kind.live(chance, era, LINES, first);
            first += lived.written.len();
            written.extend(&lived.written);
            lived
        })
        .collect();
    let mut hosts = Hosts::of(fleet.iter().map(|lived| lived.host.clone()).collect());
    let mut logs: Vec<Log<&[u8]>> = fleet
        .iter()
        .enumerate()
        .map(|(number, lived)| Log::of(lived.log.as_bytes(), Whose::Mostly(number), lived.hints))
        .collect();
    let mut seen = Vec::new();
    tell(&mut hosts, &mut logs, |_, told| {
        let number = number(told);
        let when = told.when.unwrap_or_else(|| panic!("seed {seed}: {} has no stamp", text(told)));
        seen.push(Seen { host: told.host, when, written: written[number], era });
        Ok(())
    })
    .expect("memory can be read");
    assert_eq!(seen.len(), written.len(), "seed {seed}");
    seen
}

fn text(told: &Told<'_>) -> String {
    String::from_utf8_lossy(told.line.bytes).into_owned()
}

fn number(told: &Told<'_>) -> usize {
    let text = text(told);
    let (_, after) = text.rsplit_once("n=").expect("each line has its number");
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

impl Seen {
    fn told(&self) -> Told<'static> {
        let line = truechimer_timeline::lines::Line { bytes: b"", cut: 0 };
        Told { log: self.host, host: self.host, line, when: Some(self.when) }
    }

    /// What a reader of stamps takes for the time.
    fn stamp(&self) -> Time<Local> {
        self.when.shown.from
    }
}

/// What was found in all fleets.
#[derive(Default)]
struct Found {
    lines: u64,
    pairs: u64,
    ordered: u64,
    /// Pairs in a false order by the stamps alone.
    false_by_stamps: u64,
    /// Of each kind of host: how wide its intervals are, and how many lines have none.
    widths: [Vec<Span>; FLEET.len()],
    unknown: [u64; FLEET.len()],
}

impl Found {
    fn look_at(&mut self, seed: u64, seen: &[Seen]) {
        for line in seen {
            self.lines += 1;
            let name = FLEET[line.host].name;
            let truth = line.era.tai(line.written);
            match line.when.truth.map(|truth| truth.interval).filter(|interval| interval.is_bounded()) {
                None => self.unknown[line.host] += 1,
                Some(interval) => {
                    assert!(
                        interval.earliest <= truth && truth <= interval.latest,
                        "seed {seed}: {name}: {:?} is not in {interval:?} ({:?})",
                        truth,
                        line.when
                    );
                    self.widths[line.host].push(interval.latest - interval.earliest);
                }
            }
        }
        for (at, one) in seen.iter().enumerate() {
            for other in &seen[..at] {
                self.pairs += 1;
                let (is_first, was_first) = (one.told().order(&other.told()), one.written < other.written);
                let is_false = match is_first {
                    Order::Before => !was_first,
                    Order::After => was_first,
                    Order::Concurrent => false,
                };
                assert!(
                    !is_false,
                    "seed {seed}: {:?} and {:?} are told in a false order",
                    one.when, other.when
                );
                self.ordered += u64::from(is_first != Order::Concurrent);
                let by_stamps = one.stamp().cmp(&other.stamp());
                self.false_by_stamps += u64::from(by_stamps.is_ne() && by_stamps.is_lt() != was_first);
            }
        }
    }

    fn table(mut self) -> String {
        let share = |part: u64, whole: u64| format!("{:.1} %", part as f64 * 100.0 / whole as f64);
        let mut table = format!("{SEEDS} fleets of {} hosts, {} lines\n\n", FLEET.len(), self.lines);
        let _ = writeln!(table, "{:10} {:10} {:>14} {:>9}", "host", "left", "median width", "unknown");
        for (number, kind) in FLEET.iter().enumerate() {
            let widths = &mut self.widths[number];
            widths.sort_unstable();
            let median = widths.get(widths.len() / 2).map_or("-".to_owned(), |width| {
                format!("{:.3} ms", (width.as_nanos() / 1000) as f64 / 1000.0)
            });
            let left = match kind.leaves {
                Leaves::History => "history",
                Leaves::Chrony => "chrony",
                Leaves::Belief(_) => "belief",
                Leaves::Nothing => "nothing",
            };
            let unknown = share(self.unknown[number], self.unknown[number] + widths.len() as u64);
            let _ = writeln!(table, "{:10} {left:10} {median:>14} {unknown:>9}", kind.name);
        }
        let (ordered, by_stamps) = (share(self.ordered, self.pairs), share(self.false_by_stamps, self.pairs));
        let _ = writeln!(table, "\npairs in a certain order: {ordered}, of which false: 0");
        let _ = writeln!(
            table,
            "pairs in a false order by their stamps alone: {by_stamps} ({})",
            self.false_by_stamps
        );
        table
    }
}

#[test]
fn the_truth_is_always_within_and_no_order_is_false() {
    let seeds = std::env::var("TRUECHIMER_FLEETS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let mut found = Found::default();
    for seed in 0..seeds {
        found.look_at(seed, &told_of(seed));
    }
    let table = found.table();
    println!("{table}");
    if seeds != SEEDS {
        return;
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fleet/golden.txt");
    if std::env::var_os("TRUECHIMER_BLESS").is_some() {
        std::fs::write(&golden, &table).expect("written");
    }
    assert_eq!(
        table,
        std::fs::read_to_string(&golden).unwrap_or_default(),
        "TRUECHIMER_BLESS=1 writes it anew"
    );
}
