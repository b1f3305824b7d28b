//! How right the time is, as an object.

use serde::{Deserialize, Serialize};
use truechimer_core::discipline::holdover::Leaning;
use truechimer_core::node::reckoning::Reckoning;
use truechimer_core::node::report::{Report, SourceReport};
use truechimer_core::server::ntp::Served;
use truechimer_time::{LeapTable, Rate, Span};

use super::sources::leap_word;
use super::{ASSUMPTIONS, ServerCounts, TrafficReply, VERSION};
use crate::ui::stamp;

/// How right the time is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReply {
    /// The version of this object.
    pub version: u32,
    /// `synchronised`, `degraded`, `holdover`, `disrupted` or `unknown`.
    pub status: String,
    /// Which clock is steered: `kernel` or `user`.
    pub clock: String,
    /// The likeliest time, UTC.
    pub utc: Option<String>,
    /// TAI minus UTC, seconds.
    pub tai_minus_utc: Option<i32>,
    /// Right time minus local clock.
    pub offset: Option<f64>,
    /// The likeliest time is at most this far from the truth, under the assumptions.
    pub bound: Option<f64>,
    /// One standard deviation of it.
    pub sigma: Option<f64>,
    /// A majority was last heard so long ago.
    pub age: Option<f64>,
    /// How much faster than true time the raw counter runs, ppm.
    pub counter_ppm: Option<f64>,
    /// The counter's rate is known to within this, ppm.
    pub counter_error_ppm: f64,
    /// The rate that the local clock has against the counter, ppm.
    pub clock_ppm: f64,
    /// The error is beyond the panic limit.
    pub panicking: bool,
    /// How long each bound holds if nothing more is measured.
    pub forecast: Vec<Forecast>,
    /// How long the likely error stays within each of the same limits, 999 times in 1000. Replies of older daemons have none.
    #[serde(default)]
    pub likely: Vec<Forecast>,
    /// What that leans on: `line`, `day` or `temperature`.
    #[serde(default)]
    pub leaning: String,
    /// The assumptions of the bound.
    pub assumptions: Assumptions,
    /// Sources that agree, that do not, and all.
    pub sources: SourceCounts,
    /// Sources that are asked by NTS, if there are any. Replies of older daemons have none.
    #[serde(default)]
    pub nts: Option<NtsCounts>,
    /// The stratum that is served to others; 16: unsynchronised.
    pub stratum: u8,
    /// What the sources are asked.
    pub traffic: TrafficReply,
    /// The standard error of the clock over all time at the present pace, where an accuracy is configured.
    pub rms: Option<f64>,
    /// What the server has done.
    pub server: Option<ServerCounts>,
    /// What is told to those whom we serve, or would be; none if the time is not known. Replies of older daemons have nothing
    /// of what follows.
    #[serde(default)]
    pub served: Option<ServedReply>,
    /// By how much the time moved when it was last reckoned anew.
    #[serde(default)]
    pub reckoning: Option<ReckoningReply>,
    /// The daemon runs for so long.
    #[serde(default)]
    pub uptime: Option<f64>,
    /// How often each thing has happened since the start, by its label.
    #[serde(default)]
    pub events: Vec<(String, u64)>,
}

/// What is told of our time to those whom we serve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServedReply {
    /// Where we have the time from, as eight hexadecimal digits.
    pub reference_id: String,
    /// Whether a leap second comes: `none`, `insert`, `delete`.
    pub leap: String,
    /// When the time was last reckoned anew: seconds of UTC since 1970.
    pub reference: f64,
    /// The round trip to the reference clock.
    pub root_delay: f64,
    /// How far the time may be off apart from that.
    pub root_dispersion: f64,
}

impl ServedReply {
    fn of(served: &Served) -> Option<Self> {
        served.synchronised.then(|| Self {
            reference_id: format!("{:08x}", u32::from_be_bytes(served.reference_id)),
            leap: leap_word(served.leap).to_owned(),
            reference: served.reference.since_epoch().as_seconds(),
            root_delay: served.root_delay.as_seconds(),
            root_dispersion: served.root_dispersion.as_seconds(),
        })
    }
}

/// By how much what is known of the time moved when it was last reckoned anew.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReckoningReply {
    /// By so much what was thought to be the right time was moved forward,
    pub moved: f64,
    /// and usually is: the root of the mean square.
    pub usually: f64,
    /// So long after the reckoning before it.
    pub after: f64,
}

impl ReckoningReply {
    fn of(reckoning: Reckoning) -> Self {
        let [moved, usually, after] =
            [reckoning.moved, reckoning.usually, reckoning.after].map(Span::as_seconds);
        Self { moved, usually, after }
    }
}

/// How long a bound or a likely error holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The bound, or the limit of the likely error.
    pub bound: f64,
    /// For so long it holds.
    pub holds: f64,
}

/// What the bound rests on, beside an honest majority.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assumptions {
    /// The version of the set of assumptions: what A1 and A2 say. 2: A2's number may be learned.
    pub version: u32,
    /// A1: the raw counter's rate is at most so far from nominal, ppm.
    pub max_rate_ppm: f64,
    /// A2: it stays within this of its average over any stretch of the last day, ppm. At most what is configured, less
    /// where the oscillator has been watched for days.
    pub max_drift_ppm: f64,
}

/// How many sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCounts {
    /// All that are configured.
    pub configured: usize,
    /// They agree.
    pub truechimers: usize,
    /// They do not.
    pub falsetickers: usize,
}

/// How many sources are asked by NTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NtsCounts {
    /// All that are configured so.
    pub configured: usize,
    /// There are cookies to ask them with.
    pub keyed: usize,
}

impl NtsCounts {
    fn of(sources: &[SourceReport]) -> Option<Self> {
        let protected = || sources.iter().filter_map(|source| source.nts.as_ref());
        let keyed = protected().filter(|nts| nts.cookies > 0).count();
        Some(protected().count()).filter(|count| *count > 0).map(|configured| Self { configured, keyed })
    }
}

impl StatusReply {
    /// The reply from a report.
    pub fn of(report: &Report, max_rate: Rate, leaps: &LeapTable) -> Self {
        let count = |word: &str| report.sources.iter().filter(|s| s.standing.word() == word).count();
        let reading = report.reading.as_ref();
        Self {
            version: VERSION,
            status: report.status.to_string(),
            clock: String::new(),
            utc: reading.map(|reading| stamp::utc(reading.best, leaps)),
            tai_minus_utc: report.tai_minus_utc,
            offset: reading.map(|_| report.offset.as_seconds()),
            bound: reading.map(|reading| reading.bound().as_seconds()),
            sigma: reading.map(|reading| reading.sigma.as_seconds()),
            age: reading.map(|reading| reading.age.as_seconds()),
            counter_ppm: report.rate.map(|rate| (-rate).as_ppm()),
            counter_error_ppm: report.rate_error.as_ppm(),
            clock_ppm: report.clock_rate.as_ppm(),
            panicking: report.is_panicking,
            forecast: forecasts(&report.forecast),
            likely: forecasts(&report.likely),
            leaning: leaning_word(report.leaning).to_owned(),
            assumptions: Assumptions {
                version: ASSUMPTIONS,
                max_rate_ppm: max_rate.as_ppm(),
                max_drift_ppm: report.drift_allowed.as_ppm(),
            },
            sources: SourceCounts {
                configured: report.sources.len(),
                truechimers: count("truechimer"),
                falsetickers: count("falseticker"),
            },
            nts: NtsCounts::of(&report.sources),
            stratum: if report.served.synchronised { report.served.stratum } else { 16 },
            traffic: TrafficReply::of(report.sources.iter().filter(|source| !source.is_reference)),
            rms: report.rms.map(Span::as_seconds),
            server: None,
            served: ServedReply::of(&report.served),
            reckoning: report.reckoning.map(ReckoningReply::of),
            uptime: None,
            events: Vec::new(),
        }
    }
}

fn forecasts(holding: &[(Span, Span)]) -> Vec<Forecast> {
    let forecast =
        |(bound, holds): &(Span, Span)| Forecast { bound: bound.as_seconds(), holds: holds.as_seconds() };
    holding.iter().map(forecast).collect()
}

fn leaning_word(leaning: Leaning) -> &'static str {
    match leaning {
        Leaning::Line => "line",
        Leaning::Day { .. } => "day",
        Leaning::Temperature => "temperature",
    }
}
