//! The same under the names of ntpd-rs's exporter, which has our sign: a positive offset says that the clock has to move forward.
//!
//! What ntpd-rs tells and our replies do not is left out: the sum of its steps and their limit, the root delay and root
//! dispersion of a source (ours have their distance), and what is counted of NTS apart from the rest.

use truechimer_core::server::Silence;

use super::{Family, Labels, count};
use crate::talk::{ServerCounts, SourceReply, SourcesReply, StatusReply};

/// NTP's leap indicator where nothing is known (RFC 5905, figure 9).
const LEAP_UNKNOWN: f64 = 3.0;

pub(super) fn families(status: &StatusReply, sources: &SourcesReply) -> Vec<Family> {
    [system(status, &sources.sources), listed(&sources.sources), served(status.server.as_ref())].concat()
}

fn system(status: &StatusReply, sources: &[SourceReply]) -> Vec<Family> {
    let served = status.served.as_ref();
    let shortest = sources.iter().map(|source| source.interval).reduce(f64::min);
    let leap = served.map_or(LEAP_UNKNOWN, |served| match served.leap.as_str() {
        "none" => 0.0,
        "insert" => 1.0,
        "delete" => 2.0,
        _no_other => LEAP_UNKNOWN,
    });
    vec![
        Family::gauge("ntp_uptime_seconds", "The daemon runs for so long").of(status.uptime),
        Family::gauge(
            "ntp_system_poll_interval_seconds",
            "The shortest time between two questions to a source",
        )
        .of(shortest),
        Family::gauge("ntp_system_leap_indicator", "A leap second comes: 1 inserted, 2 deleted, 3 not known")
            .of(leap),
        Family::gauge("ntp_system_root_delay_seconds", "The way to the reference clock, there and back")
            .of(served.map(|served| served.root_delay)),
        Family::gauge(
            "ntp_system_root_dispersion_seconds",
            "With half the root delay it is the bound of the time",
        )
        .of(served.map(|served| served.root_dispersion)),
        Family::gauge("ntp_system_stratum", "Our stratum, 16 without synchronisation")
            .of(f64::from(status.stratum)),
    ]
}

fn listed(sources: &[SourceReply]) -> Vec<Family> {
    let gauge = |name, help, value: fn(&SourceReply) -> Option<f64>| {
        let with = |family: Family, (place, source): (usize, &SourceReply)| {
            family.with(labels(place, source), value(source))
        };
        (1..).zip(sources).fold(Family::gauge(name, help), with)
    };
    vec![
        gauge("ntp_source_poll_interval_seconds", "The time between two questions", |it| Some(it.interval)),
        gauge(
            "ntp_source_unanswered_polls",
            "Questions since the last one that was answered, at most eight",
            |it| Some(f64::from(it.reach.trailing_zeros().min(8))),
        ),
        gauge("ntp_source_offset_seconds", "The time of the source minus the local clock", |it| it.offset),
        gauge("ntp_source_delay_seconds", "The way there and back", |it| it.delay),
        gauge("ntp_source_uncertainty_seconds", "One standard deviation of the offset", |it| it.sigma),
    ]
}

fn labels(place: usize, source: &SourceReply) -> Labels {
    let address = source.address.map_or_else(String::new, |address| address.to_string());
    vec![("name", source.name.clone()), ("address", address), ("id", place.to_string())]
}

/// All places are counted together, so there is one series, which names them all.
fn served(server: Option<&ServerCounts>) -> Vec<Family> {
    let counter = |name, help, value: fn(&ServerCounts) -> u64| {
        let family = Family::counter(name, help);
        let Some(server) = server else { return family };
        let places: Vec<String> = server.listening.iter().map(ToString::to_string).collect();
        family.with(vec![("listen_address", places.join(","))], count(value(server)))
    };
    vec![
        counter("ntp_server_received_packets", "Datagrams that came", |it| answered(it) + silent(it)),
        counter("ntp_server_accepted_packets", "Those that were answered with the time", |it| {
            answered(it).saturating_sub(it.refused)
        }),
        counter("ntp_server_denied_packets", "Those from addresses that are not served", denied),
        counter("ntp_server_ignored_packets", "Those that were no question or could not be read", |it| {
            silent(it) - denied(it) - it.limited()
        }),
        counter("ntp_server_rate_limited_packets", "Those that came too often", ServerCounts::limited),
        counter("ntp_server_response_send_errors", "Answers that the kernel did not take", |it| it.unsent),
        counter("ntp_server_nts_accepted_packets", "Answers protected by NTS", |it| it.protected),
        counter("ntp_server_nts_nak_packets", "Answers that a cookie is none of ours", |it| it.refused),
    ]
}

/// By NTP alone.
fn answered(server: &ServerCounts) -> u64 {
    let older = [&server.taiclock, &server.time].into_iter().flatten().map(|it| it.answered).sum();
    server.answered.saturating_sub(older)
}

fn silent(server: &ServerCounts) -> u64 {
    server.silent.iter().map(|(_, times)| times).sum()
}

fn denied(server: &ServerCounts) -> u64 {
    let is_it = |(why, _): &&(String, u64)| why == Silence::NotAllowed.label();
    server.silent.iter().find(is_it).map_or(0, |(_, times)| *times)
}
