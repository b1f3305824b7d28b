//! What is thought of the sources, as metrics.
//!
//! What a source is to the vote changes, and a label that changes makes another series of every number of it. So the standing
//! is a label of one family alone, and all others of a source are joined to it by name, address and operator.

use super::{Family, Labels, count, truth};
use crate::talk::{NtsReply, SourceReply, SourcesReply};

/// Each word for what a source is to the vote.
pub(super) const STANDINGS: [&str; 12] = [
    "truechimer",
    "on probation",
    "falseticker",
    "undecided",
    "mute",
    "too vague",
    "unreachable",
    "not found",
    "no keys",
    "provisional",
    "loop",
    "same server",
];

pub(super) fn families(reply: &SourcesReply) -> Vec<Family> {
    let sources = &reply.sources;
    [standings(sources), numbers(sources), traffic(sources), protection(sources)].concat()
}

/// What names a source.
fn labels(source: &SourceReply) -> Labels {
    let address = source.address.map_or_else(String::new, |address| address.to_string());
    vec![("name", source.name.clone()), ("address", address), ("operator", source.operator.clone())]
}

fn standings(sources: &[SourceReply]) -> Vec<Family> {
    let number = Family::gauge("truechimer_sources", "How many sources are what to the vote");
    let number = STANDINGS.into_iter().fold(number, |family, word| {
        let those = sources.iter().filter(|source| source.standing == word).count();
        family.with(vec![("standing", word.to_owned())], count(those as u64))
    });
    let each = Family::info("truechimer_source", "What a source is to the vote, and of which pool it is");
    let each = sources.iter().fold(each, |family, source| {
        let pool = source.pool.clone().unwrap_or_default();
        let more = [("standing", source.standing.clone()), ("pool", pool)];
        family.with(labels(source).into_iter().chain(more).collect(), 1.0)
    });
    vec![number, each]
}

/// A family with one number of each source.
fn each(
    sources: &[SourceReply],
    name: &'static str,
    help: &'static str,
    value: impl Fn(&SourceReply) -> Option<f64>,
) -> Family {
    let with = |family: Family, source: &SourceReply| family.with(labels(source), value(source));
    sources.iter().fold(Family::gauge(name, help), with)
}

fn numbers(sources: &[SourceReply]) -> Vec<Family> {
    let gauge = |name, help, value: fn(&SourceReply) -> Option<f64>| each(sources, name, help, value);
    vec![
        gauge("truechimer_source_reachable", "It answered one of the last eight polls", |it| {
            Some(truth(it.reach != 0))
        }),
        gauge("truechimer_source_answered_polls", "How many of the last eight polls it answered", |it| {
            Some(f64::from(it.reach.count_ones()))
        }),
        gauge("truechimer_source_offset_seconds", "Right time by it alone minus the local clock", |it| {
            it.offset
        }),
        gauge("truechimer_source_sigma_seconds", "One standard deviation of its offset", |it| it.sigma),
        gauge("truechimer_source_bound_seconds", "Its offset can be wrong by this", |it| it.bound),
        gauge("truechimer_source_delay_seconds", "The way of its last answer, there and back", |it| it.delay),
        gauge("truechimer_source_root_distance_seconds", "How far it says to be from the truth", |it| {
            it.root_distance
        }),
        gauge("truechimer_source_age_seconds", "Its last answer came so long ago", |it| it.age),
        gauge("truechimer_source_interval_seconds", "It is asked again after so long", |it| {
            Some(it.interval)
        }),
        gauge("truechimer_source_due_seconds", "It is asked next after so long", |it| Some(it.due)),
        gauge("truechimer_source_samples", "On how many samples its estimate rests", |it| {
            Some(f64::from(it.samples))
        }),
        gauge("truechimer_source_smeared", "It was found to smear leap seconds", |it| {
            Some(truth(it.smearing.is_some()))
        }),
        gauge("truechimer_source_stratum", "Its stratum", |it| it.stratum.map(f64::from)),
    ]
}

fn traffic(sources: &[SourceReply]) -> Vec<Family> {
    let questions = Family::counter("truechimer_source_questions", "How often it was asked");
    let answers = Family::counter("truechimer_source_answers", "How often it answered");
    let refused =
        Family::counter("truechimer_source_refused", "What came from it and was not used, by reason");
    let refusals = sources.iter().flat_map(|source| {
        let labels = |reason: &str| [labels(source), vec![("reason", reason.to_owned())]].concat();
        source.refused.iter().map(move |(reason, times)| (labels(reason), f64::from(*times)))
    });
    let sum = |family: Family, value: fn(&SourceReply) -> u64| {
        sources.iter().fold(family, |family, source| family.with(labels(source), count(value(source))))
    };
    vec![
        sum(questions, |source| source.traffic.questions),
        sum(answers, |source| source.traffic.answers),
        refusals.fold(refused, |family, (labels, times)| family.with(labels, times)),
    ]
}

fn certificates(sources: &[SourceReply]) -> Family {
    each(
        sources,
        "truechimer_source_nts_certificate_until_seconds",
        "Until then the certificate is valid that it last showed, in seconds of UTC since 1970",
        |source| source.nts.as_ref()?.certificate_until,
    )
}

fn protection(sources: &[SourceReply]) -> Vec<Family> {
    let protected = || sources.iter().filter_map(|source| Some((source, source.nts.as_ref()?)));
    let all = |family: Family, value: fn(&NtsReply) -> f64| {
        protected().fold(family, |family, (source, nts)| family.with(labels(source), value(nts)))
    };
    vec![
        all(
            Family::gauge(
                "truechimer_source_nts_cookies",
                "So many questions can be asked before new cookies come",
            ),
            |nts| count(nts.cookies as u64),
        ),
        all(Family::counter("truechimer_source_nts_failures", "Key exchanges that led to nothing"), |nts| {
            f64::from(nts.failures)
        }),
        all(Family::counter("truechimer_source_nts_naks", "How often our cookie was refused"), |nts| {
            f64::from(nts.naks)
        }),
        certificates(sources),
    ]
}
