//! Hosts: how each writes its lines, and what is left of what was known of its clock.

use std::fmt::Write as _;

use truechimer::history::{At, Entry, What};
use truechimer::timeline::evidence;
use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::discipline::model::Model;
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::status::Status;
use truechimer_time::{Civil, LeapTable, Rate, Span, Tai, Tai64N, Time, Utc};
use truechimer_timeline::course::{Course, Triples};
use truechimer_timeline::evidence::chrony::Tracking;
use truechimer_timeline::evidence::measured::Measurements;
use truechimer_timeline::shown::{Habits, Hints, Labels};
use truechimer_timeline::story::Host;

use crate::clock::{Chance, Clock, Fate, LEAP, LIFE, SECOND};

/// How a host writes when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    /// ISO 8601 with microseconds.
    Iso,
    /// RFC 5424, and a claim of how right the clock is, if any.
    Syslog(Option<i64>),
    /// RFC 3164, in Berlin.
    Bsd,
    /// JSON with nanoseconds.
    Json,
    /// A web server's log.
    Access,
    /// glog's, in UTC.
    Klog,
    /// multilog's labels, the clock and ten seconds.
    Multilog,
    /// s6-log's labels, TAI.
    S6,
}

/// What is left of what was known of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Our daemon's history.
    History,
    /// The tracking log of chronyd.
    Chrony,
    /// Nothing, but the user believes that it was at most so wrong.
    Belief(i64),
    /// Nothing.
    Nothing,
}

/// A kind of host.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) writes: Writes,
    pub(crate) leaves: Leaves,
    pub(crate) fate: Fate,
}

const FAR: i64 = 281 * SECOND;

const QUIET: Fate =
    Fate { wrong: 0, slews: 400_000, steps: (0, 0), sleeps: false, reboots: false, leaps: true };

/// The twelve of the fleet.
pub(crate) const FLEET: [Kind; 12] = [
    Kind {
        name: "web",
        writes: Writes::Iso,
        leaves: Leaves::History,
        fate: Fate { wrong: SECOND / 1000, ..QUIET },
    },
    Kind {
        name: "stepped",
        writes: Writes::Syslog(None),
        leaves: Leaves::History,
        fate: Fate { wrong: SECOND, steps: (4, 100 * SECOND), ..QUIET },
    },
    Kind {
        name: "reborn",
        writes: Writes::Bsd,
        leaves: Leaves::History,
        fate: Fate { wrong: SECOND / 10, steps: (1, SECOND), reboots: true, ..QUIET },
    },
    Kind {
        name: "laptop",
        writes: Writes::Json,
        leaves: Leaves::History,
        fate: Fate { sleeps: true, ..QUIET },
    },
    Kind {
        name: "cache",
        writes: Writes::Access,
        leaves: Leaves::Chrony,
        fate: Fate { wrong: SECOND / 1000, slews: 2_000, ..QUIET },
    },
    Kind {
        name: "queue",
        writes: Writes::Klog,
        leaves: Leaves::Chrony,
        fate: Fate { wrong: SECOND / 10, steps: (2, SECOND), slews: 2_000, ..QUIET },
    },
    Kind {
        name: "old",
        writes: Writes::Multilog,
        leaves: Leaves::Chrony,
        fate: Fate { wrong: SECOND / 100, slews: 2_000, ..QUIET },
    },
    Kind {
        name: "new",
        writes: Writes::S6,
        leaves: Leaves::History,
        fate: Fate { wrong: SECOND / 100, ..QUIET },
    },
    Kind { name: "far", writes: Writes::Iso, leaves: Leaves::Nothing, fate: Fate { wrong: FAR, ..QUIET } },
    Kind {
        name: "believed",
        writes: Writes::Json,
        leaves: Leaves::Belief(FAR + 10 * SECOND),
        fate: Fate { wrong: FAR, ..QUIET },
    },
    // It says that it is right to 100 µs; its history knows better.
    Kind {
        name: "liar",
        writes: Writes::Syslog(Some(SECOND / 10_000)),
        leaves: Leaves::History,
        fate: Fate { wrong: 3 * SECOND, ..QUIET },
    },
    // Its claim is all that there is, and it is true.
    Kind {
        name: "honest",
        writes: Writes::Syslog(Some(15 * SECOND)),
        leaves: Leaves::Nothing,
        fate: Fate { wrong: SECOND, ..QUIET },
    },
];

/// When a life begins, and whether a leap second comes in its middle.
#[derive(Clone, Copy)]
pub(crate) struct Era {
    /// TAI.
    pub(crate) begin: i64,
    pub(crate) leaps: bool,
}

impl Era {
    /// In turn: the leap second at the end of 2016, and a day in November 2026.
    pub(crate) fn of(seed: u64) -> Self {
        let leap = LeapTable::COMPILED.leaps().last().expect("there was one").begins();
        match seed % 2 {
            0 => Self { begin: leap.since_epoch().as_nanos() - LEAP, leaps: true },
            _ => Self { begin: 1_795_420_837 * SECOND, leaps: false },
        }
    }

    pub(crate) fn tai(self, at: i64) -> Time<Tai> {
        Time::from_epoch(Span::from_nanos(self.begin + at))
    }

    /// What a clock shows that is ahead by so much, as POSIX counts.
    fn reading(self, at: i64, ahead: i64) -> i64 {
        let before = LeapTable::COMPILED.utc_of_tai(self.tai(0)).offset;
        self.begin + at + ahead - i64::from(before) * SECOND
    }

    /// What a right clock is ahead of one that knows of no leap second.
    pub(crate) fn right(self, at: i64) -> i64 {
        if self.leaps && LEAP <= at { -SECOND } else { 0 }
    }
}

/// A host that has lived.
pub(crate) struct Lived {
    pub(crate) host: Host,
    pub(crate) log: String,
    pub(crate) hints: Hints,
    /// When each line was written, nanoseconds since the beginning.
    pub(crate) written: Vec<i64>,
}

impl Kind {
    /// Lives, and writes so many lines, each with its number.
    pub(crate) fn live(&self, chance: &mut Chance, era: Era, lines: usize, first: usize) -> Lived {
        let clock = Clock::new(chance, Fate { leaps: era.leaps && self.fate.leaps, ..self.fate });
        let mut written: Vec<i64> = (0..lines).map(|_| chance.between(0, LIFE)).collect();
        written.retain(|at| !clock.leg(*at).is_down);
        written.sort_unstable();
        let mut log = String::new();
        for (number, at) in written.iter().enumerate() {
            self.line(&mut log, era.reading(*at, clock.ahead(*at)), first + number);
        }
        let course = match self.leaves {
            Leaves::History => history(chance, era, &clock),
            Leaves::Chrony => tracking(chance, era, &clock),
            Leaves::Belief(_) | Leaves::Nothing => Course::default(),
        };
        let assumed = match self.leaves {
            Leaves::Belief(most) => Some(Span::from_nanos(most)),
            Leaves::History | Leaves::Chrony | Leaves::Nothing => None,
        };
        let zone = match self.writes {
            Writes::Bsd => jiff::tz::TimeZone::get("Europe/Berlin").expect("it is installed"),
            _ => jiff::tz::TimeZone::UTC,
        };
        let labels = match self.writes {
            Writes::Multilog => Some(Labels::ClockAndTen),
            Writes::S6 => Some(Labels::Tai),
            _ => None,
        };
        let host = Host {
            name: self.name.to_owned(),
            course,
            habits: Habits { zone: Some(zone), labels, boot: None },
            assumed,
        };
        let year = if era.leaps { 2016 } else { 2026 };
        Lived { host, log, hints: Hints { year: Some(year), labels: None }, written }
    }

    fn line(&self, log: &mut String, reading: i64, number: usize) {
        let civil = |ahead: i64| Civil::of(Time::from_epoch(Span::from_nanos(reading + ahead)));
        let date = |ahead: i64| {
            let text = civil(ahead).to_string();
            (text[..10].to_owned(), text[11..19].to_owned())
        };
        let micros = reading.rem_euclid(SECOND) / 1000;
        let (day, clock) = date(0);
        let month = |civil: &Civil| {
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
                [usize::from(civil.month) - 1]
        };
        // Writing to a string does not fail.
        let _ = match self.writes {
            Writes::Iso => writeln!(log, "{day}T{clock}.{micros:06}Z n={number}"),
            Writes::Syslog(None) => {
                writeln!(log, "<34>1 {day}T{clock}.{micros:06}Z {} app - - - n={number}", self.name)
            }
            Writes::Syslog(Some(right)) => {
                let right = right / 1000;
                let quality = format!(r#"[timeQuality tzKnown="1" isSynced="1" syncAccuracy="{right}"]"#);
                writeln!(log, "<34>1 {day}T{clock}.{micros:06}Z {} app - - {quality} n={number}", self.name)
            }
            Writes::Bsd => {
                let berlin = civil(3600 * SECOND);
                let (_, clock) = date(3600 * SECOND);
                writeln!(log, "<34>{} {:2} {clock} {} app: n={number}", month(&berlin), berlin.day, self.name)
            }
            Writes::Json => writeln!(log, r#"{{"body":"n={number}","timeUnixNano":"{reading}"}}"#),
            Writes::Access => {
                let utc = civil(0);
                let (day, month, year) = (utc.day, month(&utc), utc.year);
                writeln!(
                    log,
                    r#"192.0.2.1 - - [{day:02}/{month}/{year}:{clock} +0000] "GET / HTTP/1.1" 200 n={number}"#
                )
            }
            Writes::Klog => {
                writeln!(log, "I{}{} {clock}.{micros:06}   12 file.go:1] n={number}", &day[5..7], &day[8..10])
            }
            Writes::Multilog => writeln!(log, "{} n={number}", label(reading + 10 * SECOND)),
            Writes::S6 => {
                let utc: Time<Utc> = Time::from_epoch(Span::from_nanos(reading));
                let tai = LeapTable::COMPILED.tai_of_utc(utc);
                writeln!(log, "{} n={number}", label(tai.since_epoch().as_nanos()))
            }
        };
    }
}

fn label(tai: i64) -> Tai64N {
    Tai64N::of(Time::from_epoch(Span::from_nanos(tai))).expect("it is near")
}

/// Outages: nobody is heard in this time.
fn outage(chance: &mut Chance) -> (i64, i64) {
    let begin = chance.between(0, LIFE);
    (begin, begin + chance.magnitude(60 * SECOND, 7200 * SECOND))
}

/// What our daemon writes down: all turns of the clock, and what it knows at times of its own choice. It knows a little too much,
/// or too little, and never anything false.
fn history(chance: &mut Chance, era: Era, clock: &Clock) -> Course {
    let outage = outage(chance);
    let mut moments: Vec<(i64, bool)> = clock.legs.iter().map(|leg| (leg.since, false)).collect();
    let mut next = chance.between(0, 600 * SECOND);
    while next < LIFE {
        moments.push((next, true));
        next += chance.magnitude(16 * SECOND, 1800 * SECOND);
    }
    moments.sort_unstable();
    let mut entries = Vec::new();
    let mut boot = None;
    for (moment, is_measured) in moments {
        let leg = clock.leg(moment);
        if leg.is_down {
            continue;
        }
        let at = |moment| at(era, clock, moment);
        if boot.replace(leg.boot) != Some(leg.boot) {
            let born = What::Born { boot: leg.boot.to_string(), clocksource: "tsc".into() };
            entries.push(Entry { at: at(moment), what: born });
        } else if leg.is_set && leg.since == moment && !clock.leg(moment - 1).is_down {
            // A step is told on both of its sides.
            let before = clock.leg(moment - 1);
            entries.push(Entry { at: at(moment - 1), what: runs(clock, before.gains) });
        }
        match is_measured {
            false => entries.push(Entry { at: at(moment), what: runs(clock, leg.gains) }),
            true if outage.0 <= moment && moment < outage.1 => {}
            true => {
                let model = Some(model(chance, era, clock, moment));
                entries.push(Entry {
                    at: at(moment),
                    what: What::Known { status: Status::Synchronised, model },
                });
            }
        }
    }
    let (course, contradictions) = evidence::course(&entries, Triples::default());
    assert_eq!(contradictions, [], "nothing false was written down");
    course
}

fn at(era: Era, clock: &Clock, moment: i64) -> At {
    let leg = clock.leg(moment);
    At {
        mono: Time::from_epoch(Span::from_nanos(clock.raw(moment))),
        raw: Time::from_epoch(Span::from_nanos(clock.raw(moment))),
        local: Time::from_epoch(Span::from_nanos(era.reading(moment, clock.ahead(moment)))),
        asleep: Span::from_nanos(leg.asleep),
    }
}

fn ratio(parts: i64) -> f64 {
    parts as f64 / 1e9
}

fn runs(clock: &Clock, gains: i64) -> What {
    What::Runs(Rate::from_ratio((1.0 + ratio(gains)) / (1.0 + ratio(clock.counter_gains)) - 1.0))
}

fn model(chance: &mut Chance, era: Era, clock: &Clock, moment: i64) -> Model {
    let truth = era.tai(moment);
    let bound = chance.magnitude(20_000, 10_000_000);
    let before = chance.between(0, bound);
    let earliest = truth - Span::from_nanos(before);
    let latest = truth + Span::from_nanos(bound - before);
    let best = earliest + Span::from_nanos(chance.between(0, bound));
    let rate = 1.0 / (1.0 + ratio(clock.counter_gains)) - 1.0;
    let error = chance.between(-1000, 1000);
    let margin = error.abs() + chance.between(1, 1000);
    let likely = Rate::from_ratio(rate + ratio(error));
    Model {
        best,
        rate: likely,
        bracket: Bracket { at: Time::from_epoch(Span::from_nanos(clock.raw(moment))), earliest, latest },
        limits: RateLimits::around(likely, Rate::from_ppb(margin)).drifting(Rate::from_ppb(15_000)),
        sigma: Span::from_nanos(bound / 4),
        rate_sigma: Rate::from_ppb(1),
        wander: Rate::from_ppb(1),
    }
}

/// What chronyd writes down: a line each 64 s or so, with the greatest error since the line before. A banner comes at its start, and after
/// each 32 lines.
fn tracking(chance: &mut Chance, era: Era, clock: &Clock) -> Course {
    let outage = outage(chance);
    let mut tracking = Tracking::default();
    let (mut last, mut written) = (0, 0);
    let mut next = chance.between(0, 64 * SECOND);
    while next < LIFE {
        let is_out = outage.0 <= next && next < outage.1;
        if clock.leg(next).is_down {
            written = 0;
        }
        let is_heard = !is_out && !clock.leg(next).is_down;
        if is_heard {
            if written % 32 == 0 {
                for line in ["=====", "   Date (UTC) Time", "====="] {
                    tracking.take_in(line.as_bytes());
                }
            }
            written += 1;
            let worst = clock.worst(last, next, |at| era.right(at));
            let claimed = worst + chance.between(1000, 2_000_000);
            let reading = era.reading(next, clock.ahead(next));
            let text = Civil::of(Time::from_epoch(Span::from_nanos(reading))).to_string();
            let (day, time, error) = (&text[..10], &text[11..19], claimed as f64 / 1e9 * 1.001);
            let line = format!(
                "{day} {time} 203.0.113.15 2 -3.3 0.006 1.2e-06 N 1 1.2e-05 2.0e-05 1.5e-03 3.8e-04 {error:.3e}"
            );
            tracking.take_in(line.as_bytes());
            last = next;
        }
        next += chance.between(60 * SECOND, 70 * SECOND);
    }
    tracking.course(Measurements::default(), Triples::default()).0
}
