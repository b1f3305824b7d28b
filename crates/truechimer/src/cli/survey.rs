//! The arguments of `survey`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use truechimer_time::Span;

use super::{Daemon, Family, Output, patience, spelled};
use crate::survey::protocol::Protocol;
use crate::survey::search::QUESTIONS_MAX;

/// Measure the clocks of many hosts from here, by whatever they speak
///
/// Exit 0: all that were named have answered, and nothing is wrong with their clocks as far as is known. Exit 1: somebody lies, is
/// beyond the limit, contradicts himself, is not synchronised, or could not be measured; the table says who. An address out of a network
/// need not answer. Exit 111: the system failed, or no host could be reached at all.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(group(clap::ArgGroup::new("whom").required(true).multiple(true).args(["hosts", "files"])))]
pub struct Survey {
    /// Whom to ask: a name, an address or a network (192.0.2.0/24), with a port or not, after a protocol (http://) or not
    #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub hosts: Vec<String>,
    /// Also those in this file, one a line, with remarks after `#`; `-` is stdin
    #[arg(long = "file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// What to try, in this order, with hosts that name no protocol: ntp, nts, taiclock, icmp, time, daytime, https, http, time-tcp,
    /// daytime-tcp
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = protocol)]
    pub protocols: Vec<Protocol>,
    /// Other ports than those of the register, such as ntp=1123,http=8080
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = protocol_port)]
    pub ports: Vec<(Protocol, u16)>,
    /// How many exchanges by a protocol that tells more than seconds
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=i64::from(QUESTIONS_MAX)))]
    pub samples: u8,
    /// How many questions for the turn of a second, by one that tells seconds alone
    #[arg(long, value_name = "N", default_value_t = QUESTIONS_MAX, value_parser = clap::value_parser!(u8).range(1..=i64::from(QUESTIONS_MAX)))]
    pub turns: u8,
    /// How long to wait for an answer
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = patience)]
    pub timeout: Span,
    /// How many hosts to ask at once
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub concurrency: u16,
    /// How many hosts to begin with in a second, at most
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
    /// Survey more than 65536 addresses, up to 1048576
    #[arg(long)]
    pub wide: bool,
    /// How to reach the names
    #[command(flatten)]
    pub family: Family,
    /// Who vouches for the certificates of NTS and HTTPS, in PEM, instead of those whom the system trusts
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
    /// How far off a clock may be
    #[arg(long, value_name = "DURATION", value_parser = spelled::<Span>)]
    pub limit: Option<Span>,
    /// Write down who is done with, so that the survey can go on after it was ended
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "watch")]
    pub state: Option<PathBuf>,
    /// Go on with the survey in that file
    #[arg(long, requires = "state")]
    pub resume: bool,
    /// Survey again and again, so long after the last began, and show how fast clocks drift
    #[arg(long, value_name = "DURATION", value_parser = between_rounds)]
    pub watch: Option<Span>,
    /// So many times; without it until it is ended
    #[arg(long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// Keep in this file what was measured, and reckon drifts with what is there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub history: Option<PathBuf>,
    /// How many rows of the table, at most
    #[arg(short = 'n', long = "most", value_name = "NUMBER", default_value_t = usize::MAX, hide_default_value = true)]
    pub most: usize,
    /// Print comma-separated values instead
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    pub csv: bool,
    /// Draw all intervals into this file: NAME.svg, or NAME.png where this program was built with PNG
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub plot: Option<PathBuf>,
    /// Write numbers for Prometheus into this file, whole each time
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub prometheus: Option<PathBuf>,
    /// Whose word is true time: the daemon of this machine, if it runs
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

fn protocol(word: &str) -> Result<Protocol, String> {
    let words = || Protocol::ALL.map(Protocol::word).join(", ");
    Protocol::named(word).ok_or_else(|| format!("it must be one of {}", words()))
}

fn protocol_port(text: &str) -> Result<(Protocol, u16), String> {
    let (word, port) = text.split_once('=').ok_or("it must be like ntp=1123")?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or("the port must be 1 to 65535")?;
    Ok((protocol(word)?, port))
}

fn between_rounds(text: &str) -> Result<Span, String> {
    let span = spelled::<Span>(text)?;
    match Span::from_secs(1) <= span && span <= Span::from_secs(86_400) {
        true => Ok(span),
        false => Err("it must be 1s to 1d".to_owned()),
    }
}
