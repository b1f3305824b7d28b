//! `[classic]`: what the measurement service of the clockspeed set-up is told. One text serves all hosts of a network: it
//! names the master, and each host finds its own part in it by its name.

use std::path::PathBuf;

use truechimer_core::classic::count::{KernelCount, PeerCount};
use truechimer_core::wire::taiclock;
use truechimer_time::Span;

use super::address::{Address, NTP_PORT};
use super::check::{Flaw, INTERVAL_MAX, INTERVAL_MIN_NEAR, INTERVAL_MIN_POLITE, Limits, within};
use super::error::Fault;
use super::quantity::Spelled;
use super::words::{Host, Kind};
use super::written::{Key, Spelling, WrittenClassic};
use super::{Config, Source, default};

/// The folder that the scripts of the original call CLOCK_DIR.
const HOME: &str = "/usr/local/clockspeed";

/// `[classic]`
#[derive(Clone, Debug, PartialEq)]
pub struct Classic {
    /// The folder of the daemon clockspeed, with its fifo `adjust`.
    pub home: PathBuf,
    /// What the kernel's clock counts.
    pub kernel: KernelCount,
    /// Whom to measure instead of the sources, if anybody.
    pub master: Option<Master>,
    /// The wait after the first measurement. None: the longest of the sources' `min_interval`.
    pub first_wait: Option<Span>,
    /// The longest wait. None: the shortest of the sources' `max_interval`.
    pub longest_wait: Option<Span>,
    /// Where the state of the service is written. None: nowhere.
    pub status: Option<PathBuf>,
}

/// The one host of a network that measures the sources, and that the others measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Master {
    /// What it calls itself. None: it does not read this configuration, so that nobody is the master.
    pub host: Option<Host>,
    /// Where the others find it.
    pub address: Address,
    /// What it speaks: NTP or TAICLOCK.
    pub kind: Kind,
    /// What its TAICLOCK labels are.
    pub labels: PeerCount,
}

impl Classic {
    pub(super) fn defaults() -> Self {
        Self {
            home: PathBuf::from(HOME),
            kernel: KernelCount::Utc,
            master: None,
            first_wait: None,
            longest_wait: None,
            status: None,
        }
    }
}

impl Config {
    /// The first wait of the measurement service, and the longest one. Where they are not written they are those of the
    /// sources on the network, each of which has to be content.
    pub fn waits(&self) -> (Span, Span) {
        let by_default = default::intervals(self.schedule, self.accuracy);
        let asked = || self.sources.iter().filter(|source| source.reference.is_none());
        let least = asked().map(|source| source.min_interval).max().unwrap_or(by_default.0);
        let most = asked().map(|source| source.max_interval).min().unwrap_or(by_default.1);
        let first = self.classic.first_wait.unwrap_or(least);
        (first, self.classic.longest_wait.unwrap_or(most).max(first))
    }
}

pub(super) fn classic(written: &WrittenClassic, sources: &[Source]) -> Result<Classic, Flaw> {
    let defaults = Classic::defaults();
    let path = |key: &Option<Spelling<PathBuf>>| key.as_ref().map(|path| path.0.clone());
    let master = master(written)?;
    let is_near = sources
        .iter()
        .filter_map(|source| source.address.network())
        .chain(master.as_ref().map(|m| &m.address));
    let least =
        if is_near.into_iter().all(Address::is_near) { INTERVAL_MIN_NEAR } else { INTERVAL_MIN_POLITE };
    let first_wait = wait(&written.first_wait, "first_wait", least)?;
    let longest_wait = wait(&written.longest_wait, "longest_wait", first_wait.unwrap_or(least))?;
    Ok(Classic {
        home: path(&written.home).unwrap_or(defaults.home),
        kernel: written.kernel.as_ref().map_or(defaults.kernel, |word| word.get_ref().0),
        master,
        first_wait,
        longest_wait,
        status: path(&written.status),
    })
}

fn wait(written: &Key<Spelling<Span>>, what: &'static str, least: Span) -> Result<Option<Span>, Flaw> {
    let limits = Limits { what, least, most: INTERVAL_MAX };
    written.is_some().then(|| within(written, Span::ZERO, limits)).transpose()
}

/// A master that has no address is found by its name.
fn master(written: &WrittenClassic) -> Result<Option<Master>, Flaw> {
    let host = written.master.as_ref().map(|host| host.get_ref().0.clone());
    let address = match (&written.master_address, &written.master) {
        (Some(address), _) => address.get_ref().0.clone(),
        (None, Some(host)) => Address::read(host.get_ref().0.as_str())
            .map_err(|error| Flaw(host.span(), Fault::Wrong(format!("\"{}\" {error}", host.get_ref().0))))?,
        (None, None) => return Ok(None),
    };
    let kind = kind(&written.master_kind)?;
    let labels = written.master_labels.as_ref().map_or(PeerCount::Tai, |word| word.get_ref().0);
    Ok(Some(Master { host, address: at_its_port(address, kind), kind, labels }))
}

fn kind(written: &Key<Spelling<Kind>>) -> Result<Kind, Flaw> {
    let Some(written) = written else { return Ok(Kind::Taiclock) };
    match written.get_ref().0 {
        kind @ (Kind::Ntp | Kind::Taiclock) => Ok(kind),
        other @ (Kind::Nts | Kind::Time | Kind::Phc | Kind::Pps | Kind::Shm | Kind::Sock) => {
            Err(Flaw(written.span(), Fault::MasterSpeaks(other.name())))
        }
    }
}

/// Nobody serves TAICLOCK at the port of NTP, which is that of an address without a port.
fn at_its_port(address: Address, kind: Kind) -> Address {
    let is_taiclock = kind == Kind::Taiclock;
    match address {
        Address::Name { host, port: NTP_PORT } if is_taiclock => Address::Name { host, port: taiclock::PORT },
        Address::Literal(mut place) if is_taiclock && place.port() == NTP_PORT => {
            place.set_port(taiclock::PORT);
            Address::Literal(place)
        }
        there @ (Address::Name { .. } | Address::Literal(_)) => there,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classic(text: &str) -> Result<Classic, String> {
        Config::parse("t", text).map(|config| config.classic).map_err(|error| error.to_string())
    }

    fn waits(text: &str) -> (i64, i64) {
        let config = Config::parse("t", text).expect(text);
        let (first, longest) = config.waits();
        (first.as_seconds() as i64, longest.as_seconds() as i64)
    }

    #[test]
    fn a_master_is_found_by_its_name_unless_its_address_is_written() {
        let place = |text: &str| classic(text).unwrap().master.unwrap().address.to_string();
        assert_eq!(place("[classic]\nmaster = \"clock1\"\n"), "clock1:4014");
        assert_eq!(place("[classic]\nmaster = \"clock1\"\nmaster_kind = \"ntp\"\n"), "clock1");
        assert_eq!(place("[classic]\nmaster_address = \"10.0.0.1\"\n"), "10.0.0.1:4014");
        assert_eq!(place("[classic]\nmaster_address = \"10.0.0.1:99\"\n"), "10.0.0.1:99");
        assert_eq!(classic("").unwrap().master, None);
    }

    #[test]
    fn a_name_that_is_no_host_is_not_guessed_at() {
        let message = classic("[classic]\nmaster = \"300.1.1.1\"\n").unwrap_err();
        assert!(message.contains("\"300.1.1.1\" is neither a host name nor an address"), "{message}");
        let message = classic("[classic]\nmaster = \"c\"\nmaster_kind = \"nts\"\n").unwrap_err();
        assert!(message.contains("a master that speaks `nts` cannot be measured"), "{message}");
    }

    #[test]
    fn the_waits_are_those_of_the_sources_unless_they_are_written() {
        assert_eq!(waits(""), (64, 1024));
        assert_eq!(waits("accuracy = \"1ms\"\n"), (64, 129_600));
        assert_eq!(waits("schedule = \"classic\"\n"), (600, 7_884_000));
        assert_eq!(waits("source = []\nschedule = \"classic\"\n"), (600, 7_884_000));
        assert_eq!(
            waits("[classic]\nfirst_wait = \"541s\"\nlongest_wait = \"2617923s\"\n"),
            (541, 2_617_923)
        );
        assert_eq!(waits("[classic]\nfirst_wait = \"2h\"\n"), (7200, 7200));
    }

    #[test]
    fn strangers_are_not_asked_too_often() {
        assert!(
            classic("[classic]\nfirst_wait = \"15s\"\n").unwrap_err().contains("first_wait must be 16s to")
        );
        let near = "[[source]]\naddress = \"127.0.0.1\"\n[classic]\nfirst_wait = \"1s\"\n";
        assert_eq!(classic(near).unwrap().first_wait, Some(Span::from_secs(1)));
        assert!(classic(&format!("{near}master_address = \"192.0.2.1\"\n")).is_err());
        assert!(classic(&format!("{near}longest_wait = \"500ms\"\n")).is_err());
    }
}
