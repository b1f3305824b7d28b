//! What the server has done, as metrics.

use super::{Family, count};
use crate::talk::ServerCounts;

pub(super) fn families(server: Option<&ServerCounts>) -> Vec<Family> {
    let counter = |name, help, value: fn(&ServerCounts) -> u64| {
        Family::counter(name, help).of(server.map(|server| count(value(server))))
    };
    vec![
        counter("truechimer_server_answered", "Questions answered, by any protocol", |it| it.answered),
        classic(server),
        counter("truechimer_server_interleaved", "Answers in interleaved mode", |it| it.interleaved),
        counter("truechimer_server_leaked", "Answers to clients that asked too often", |it| it.leaked),
        counter("truechimer_server_sealed", "Answers sealed by a symmetric key", |it| it.sealed),
        counter("truechimer_server_protected", "Answers protected by NTS", |it| it.protected),
        counter("truechimer_server_refused_cookies", "Answers that a cookie is none of ours", |it| {
            it.refused
        }),
        counter("truechimer_server_unsent", "Answers that the kernel did not take", |it| it.unsent),
        silent(server),
        key_exchanges(server),
    ]
}

fn classic(server: Option<&ServerCounts>) -> Family {
    let family =
        Family::counter("truechimer_server_classic_answered", "Questions answered by older protocols");
    let Some(server) = server else { return family };
    [("taiclock", &server.taiclock), ("time", &server.time)].into_iter().fold(family, |family, (word, it)| {
        family.with(vec![("protocol", word.to_owned())], it.as_ref().map(|it| count(it.answered)))
    })
}

fn silent(server: Option<&ServerCounts>) -> Family {
    let family = Family::counter("truechimer_server_silent", "Datagrams left without an answer, by reason");
    let reasons = server.iter().flat_map(|server| &server.silent);
    reasons
        .fold(family, |family, (reason, times)| family.with(vec![("reason", reason.clone())], count(*times)))
}

fn key_exchanges(server: Option<&ServerCounts>) -> Family {
    let family = Family::counter("truechimer_server_key_exchanges", "What became of those who came for keys");
    let Some(keys) = server.and_then(|server| server.key_exchanges) else { return family };
    [("granted", keys.granted), ("failed", keys.failed), ("limited", keys.limited)]
        .into_iter()
        .fold(family, |family, (word, times)| family.with(vec![("outcome", word.to_owned())], count(times)))
}
