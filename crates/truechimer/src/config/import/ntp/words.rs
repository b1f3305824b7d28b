//! The commands of ntp.conf that have no key here, with the reason; one table, which the manual is held against.

use super::super::Fate;
use Fate::{Default, LeftOut, Needless};

/// Those that are read.
pub(in super::super) const TAKEN: &[&str] = &[
    "server",
    "pool",
    "peer",
    "refclock",
    "fudge",
    "includefile",
    "keys",
    "trustedkey",
    "leapfile",
    "leapsmearinterval",
    "tinker",
    "tos",
    "restrict",
    "interface",
    "nic",
    "discard",
    "enable",
    "disable",
    "nts",
    "statistics",
];

/// Those that are only spoken of.
pub(in super::super) const SAID: &[(&str, Fate, &str)] = &[
    ("driftfile", Default, "what is learned is kept in [state] dir, /var/lib/truechimer; it is learned anew"),
    ("controlkey", Needless, "nobody is commanded over the network"),
    ("requestkey", Needless, "nobody is commanded over the network"),
    ("statsdir", Needless, "[statistics] dir is written where `statistics` asks for it"),
    ("filegen", Needless, "[statistics] max_size and keep say how much is kept"),
    ("logfile", Needless, "the log goes to stderr: to the journal, or to a logger"),
    ("logconfig", Needless, "[log] level says how much is told"),
    ("pidfile", Needless, "one daemon is seen to by a lock in [state] dir"),
    ("mru", Needless, "[serve] clients says how many are remembered"),
    ("rlimit", Needless, "memory has limits of its own"),
    ("setvar", Needless, "there are no variables to ask for"),
    ("mdnstries", Needless, "nothing is announced"),
    ("calldelay", Needless, "no telephone is used"),
    ("reset", Needless, "counters begin with the daemon"),
    ("saveconfigdir", Needless, "nobody is commanded over the network"),
    ("tick", Needless, "the precision is measured"),
    ("broadcast", LeftOut, "nothing is sent to all: clients ask"),
    ("broadcastclient", LeftOut, "what is sent to all is not heard: name servers"),
    ("multicastclient", LeftOut, "what is sent to many is not heard: name servers"),
    ("manycastclient", LeftOut, "servers are not sought: name them"),
    ("manycastserver", LeftOut, "servers are not sought: clients name them"),
    ("broadcastdelay", Needless, "nothing is sent to all"),
    ("autokey", LeftOut, "it has been broken: take keys, or NTS"),
    ("automax", Needless, "there is no autokey"),
    ("crypto", LeftOut, "autokey has been broken: take keys, or NTS"),
    ("revoke", Needless, "there is no autokey"),
    ("keysdir", Needless, "there is no autokey"),
    ("phone", LeftOut, "no telephone is used"),
    ("trap", LeftOut, "nobody is told over the network: [hook] program is called"),
    ("ttl", LeftOut, "nothing is sent to many"),
    ("dscp", LeftOut, "packets are not marked: say it by nftables"),
    ("unpool", LeftOut, "leave the source out instead"),
    ("unpeer", LeftOut, "leave the source out instead"),
    ("extra", LeftOut, "time is served at the ports of [serve] ntp: add one there"),
    ("monitor", Needless, "`truechimer clients` shows who asks"),
    ("simulate", LeftOut, "`truechimer sim` has scenarios of its own"),
];

/// What is said of a command that has no key here.
pub(super) fn said(name: &str) -> Option<(Fate, &'static str)> {
    SAID.iter().find(|(known, _, _)| *known == name).map(|(_, fate, why)| (*fate, *why))
}

/// A flag of `restrict`.
pub(super) enum Flag {
    /// Who it is for gets no time.
    Refuses,
    /// Something else.
    Said(Fate, &'static str),
}

/// What a flag means here.
pub(super) fn flag(name: &str) -> Option<Flag> {
    Some(match name.to_ascii_lowercase().as_str() {
        "ignore" | "noserve" => Flag::Refuses,
        "nomodify" | "noquery" | "nopeer" | "noepeer" | "notrap" | "lowpriotrap" | "nomrulist" => {
            Flag::Said(Default, "nothing but the time is told, and nobody is taken for a peer")
        }
        "limited" | "kod" => Flag::Said(
            Default,
            "all clients are limited: [serve] limit_interval; of those beyond, one in four is answered",
        ),
        "notrust" => {
            Flag::Said(LeftOut, "questions without a seal are answered; [[serve.key]] is for those with one")
        }
        "version" => Flag::Said(Needless, "versions 1 to 4 are answered"),
        "ntpport" | "mssntp" | "flake" | "ippeerlimit" | "serverresponse" | "fuzz" => {
            Flag::Said(LeftOut, "nothing of the kind is here")
        }
        _ => return None,
    })
}

/// Options of a source that have no key, with the number of their arguments.
pub(in super::super) const OPTIONS: &[(&str, usize, Fate, &str)] = &[
    ("iburst", 0, Default, "each source begins with six questions"),
    ("burst", 0, Needless, "an answer counts by its delay; more questions are not asked of others"),
    ("preempt", 0, Needless, "a pool gives up servers that are of no use"),
    ("dynamic", 0, Needless, "an address may come later"),
    ("noval", 0, LeftOut, "certificates are always looked at"),
    ("aead", 1, Needless, "the cipher is agreed on"),
    ("mode", 1, Needless, "drivers have no modes here"),
    ("bias", 1, LeftOut, "a server's time is taken as it is; its error is in the bound"),
    ("version", 1, LeftOut, "version 4 is spoken"),
    ("ttl", 1, LeftOut, "nothing is sent to many"),
    ("autokey", 0, LeftOut, "it has been broken: take keys, or NTS"),
    ("ask", 1, LeftOut, "the server of keys says where the time is"),
    ("require", 1, LeftOut, "the server of keys says where the time is"),
    ("expire", 1, Needless, "cookies are used once"),
    ("cert", 1, LeftOut, "a source does not ask who we are"),
    ("baud", 1, LeftOut, "receivers are read by gpsd"),
    ("subtype", 1, LeftOut, "receivers are read by gpsd"),
    ("path", 1, LeftOut, "receivers are read by gpsd"),
    ("ppspath", 1, LeftOut, "name the pulses as a source of kind = \"pps\""),
    ("flag1", 1, Needless, "the driver has no such switch here"),
    ("flag3", 1, Needless, "pulses are not left to the kernel"),
    ("flag4", 1, Needless, "the driver has no such switch here"),
    ("stratum", 1, LeftOut, "a source counts by its distance, not by its stratum"),
    ("holdover", 1, Needless, "the clock goes on at its learned rate"),
];
