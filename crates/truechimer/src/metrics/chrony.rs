//! The same under the names of `chrony_exporter`, with its signs and units, which are those of chronyd's own protocol.
//!
//! There an offset of a source and a rate that remains are turned against ours: positive, if the local clock is ahead of the source.
//! What stands for which of chrony's values is decided in [`crate::chrony`]; what chronyd counts and we do not is left out.

use std::net::Ipv4Addr;

use super::{Family, Labels, count, truth};
use crate::chrony::server_counts;
use crate::talk::{SourceReply, SourcesReply, StatusReply};

/// What chrony tells as the age of a sample that never came.
const NEVER: f64 = u32::MAX as f64;

pub(super) fn families(status: &StatusReply, sources: &SourcesReply) -> Vec<Family> {
    [tracking(status, &sources.sources), listed(&sources.sources), served(status)].concat()
}

fn tracking(status: &StatusReply, sources: &[SourceReply]) -> Vec<Family> {
    let served = status.served.as_ref();
    let upstream = sources.iter().find(|source| source.upstream).filter(|_| served.is_some());
    let moved = status.reckoning;
    let gauge = Family::gauge;
    let known = |value: Option<f64>| value.unwrap_or(0.0);
    vec![
        info(status, upstream),
        gauge("chrony_tracking_last_offset_seconds", "The offset at the last update")
            .of(known(moved.map(|moved| -moved.moved))),
        gauge("chrony_tracking_reference_timestamp_seconds", "When the last update was")
            .of(known(served.map(|served| served.reference))),
        gauge("chrony_tracking_system_time_seconds", "What is still to be corrected of the local clock")
            .of(known(status.offset)),
        gauge("chrony_tracking_remote_reference", "The time comes from others; 0 if it is not known")
            .of(truth(served.is_some())),
        gauge("chrony_tracking_rms_offset_seconds", "The usual offset at updates")
            .of(known(moved.map(|moved| moved.usually))),
        gauge("chrony_tracking_root_delay_seconds", "The way to the reference clock, there and back")
            .of(known(served.map(|served| served.root_delay))),
        gauge(
            "chrony_tracking_root_dispersion_seconds",
            "With half the root delay it is the bound of the time",
        )
        .of(known(served.map(|served| served.root_dispersion))),
        gauge(
            "chrony_tracking_frequency_ppms",
            "By how much the clock would run fast if it were left alone, in ppm",
        )
        .of(known(status.counter_ppm)),
        gauge(
            "chrony_tracking_residual_frequency_ppms",
            "The rate by the source against the one in use, in ppm",
        )
        .of(known(upstream.and_then(|source| source.residual_ppm).map(|ppm| -ppm))),
        gauge("chrony_tracking_skew_ppms", "How well the rate is known, in ppm").of(status.counter_error_ppm),
        gauge("chrony_tracking_update_interval_seconds", "The time between the last two updates")
            .of(known(moved.map(|moved| moved.after))),
        gauge("chrony_tracking_stratum", "Our stratum, 0 if the time is not known")
            .of(served.map_or(0.0, |_| f64::from(status.stratum))),
    ]
}

fn info(status: &StatusReply, upstream: Option<&SourceReply>) -> Family {
    let family = Family::info("chrony_tracking", "Where the time comes from");
    let Some((served, source)) = status.served.as_ref().zip(upstream) else { return family };
    let place = address(source);
    let name = source.reference_name.clone().unwrap_or_else(|| place.clone());
    let labels = vec![
        ("tracking_address", place),
        ("tracking_name", name),
        ("tracking_refid", served.reference_id.to_uppercase()),
    ];
    family.with(labels, 1.0)
}

/// A reference clock has its four letters where another source has an address.
fn address(source: &SourceReply) -> String {
    match (&source.reference_name, source.address) {
        (Some(name), _) => {
            let mut bytes = [0; 4];
            bytes.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
            Ipv4Addr::from(bytes).to_string()
        }
        (None, address) => address.map_or_else(String::new, |address| address.ip().to_string()),
    }
}

fn labels(source: &SourceReply) -> Labels {
    let name = source.reference_name.as_ref().unwrap_or(&source.name);
    vec![("source_address", address(source)), ("source_name", name.clone())]
}

/// The words of the library by which `chrony_exporter` asks.
pub(crate) fn state_word(source: &SourceReply) -> &'static str {
    match source.mark {
        '*' if source.upstream => "sync",
        '*' => "candidate",
        'x' => "falseticket",
        '~' => "jittery",
        '-' => "outlier",
        _nothing_that_counts => "unreach",
    }
}

fn listed(sources: &[SourceReply]) -> Vec<Family> {
    let gauge = |name, help, value: fn(&SourceReply) -> Option<f64>| {
        let with = |family: Family, source: &SourceReply| family.with(labels(source), value(source));
        sources.iter().fold(Family::gauge(name, help), with)
    };
    let state = sources.iter().fold(
        Family::info("chrony_sources_state", "What a source is to the selection"),
        |family, source| {
            let mode = if source.reference_name.is_some() { "reference clock" } else { "client" };
            let more = [("source_state", state_word(source).to_owned()), ("source_mode", mode.to_owned())];
            family.with(labels(source).into_iter().chain(more).collect(), 1.0)
        },
    );
    vec![
        state,
        gauge("chrony_sources_last_sample_age_seconds", "The age of the last sample", |it| {
            Some(it.age.map_or(NEVER, f64::floor))
        }),
        gauge(
            "chrony_sources_last_sample_offset_seconds",
            "The local clock minus the source by the last sample: positive, if the clock is ahead",
            |it| Some(it.adjusted.map_or(0.0, |adjusted| -adjusted)),
        ),
        gauge("chrony_sources_last_sample_error_margin_seconds", "How far that may be off", |it| {
            Some(it.distance.unwrap_or(0.0))
        }),
        gauge(
            "chrony_sources_polling_interval_seconds",
            "The time between two questions, to a power of two",
            |it| Some(it.interval.log2().round().exp2()),
        ),
        gauge(
            "chrony_sources_reachability_ratio",
            "How many of the last eight questions it answered",
            |it| Some(f64::from(it.reach.count_ones()) / 8.0),
        ),
        gauge("chrony_sources_reachability_success", "It answered the last question", |it| {
            Some(truth(it.reach & 1 == 1))
        }),
        gauge("chrony_sources_stratum", "Its stratum", |it| Some(f64::from(it.stratum.unwrap_or(0)))),
    ]
}

fn served(status: &StatusReply) -> Vec<Family> {
    let counts = server_counts(status.server.as_ref(), 0);
    let counter = |name, help, times: u64| Family::counter(name, help).of(count(times));
    vec![
        counter("chrony_serverstats_ntp_packets_received", "Questions by NTP", counts.ntp_hits),
        counter("chrony_serverstats_ntp_packets_dropped", "Those that came too often", counts.ntp_drops),
        counter("chrony_serverstats_nts_ke_connections_accepted", "Those who came for keys", counts.key_hits),
        counter(
            "chrony_serverstats_nts_ke_connections_dropped",
            "Those who came too often",
            counts.key_drops,
        ),
        // So they spell it.
        counter(
            "chrony_serverstats_auhtenticated_ntp_packets",
            "Answers that were protected",
            counts.protected,
        ),
        counter(
            "chrony_serverstats_interleaved_ntp_packets",
            "Answers in interleaved mode",
            counts.interleaved,
        ),
    ]
}
