//! `[chrony]`: where chronyc and its kind may ask how this machine stands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use toml::Spanned;
use truechimer_core::wire::chrony::PORT;

use super::check::Flaw;
use super::error::{Fault, Texts};
use super::serve::{each_once, places};
use super::written::WrittenChrony;

/// `[chrony]`
#[derive(Clone, Debug, PartialEq)]
pub struct Chrony {
    /// At which addresses to listen. Whoever can reach one may ask.
    pub listen: Vec<SocketAddr>,
    /// The path of a datagram socket to listen at beside them. There are one of both at least.
    pub socket: Option<PathBuf>,
}

/// What `[chrony]` says. The table alone opens the port of chronyd to this machine.
pub(super) fn chrony(written: &Spanned<WrittenChrony>, texts: &Texts) -> Result<Chrony, Flaw> {
    let (span, written) = (written.span(), written.get_ref());
    let socket = written.socket.as_ref().map(|path| path.0.clone());
    let listed = places(&written.listen, |place| place.0)?;
    each_once(&listed.iter().collect::<Vec<_>>(), texts)?;
    let listen = match &written.listen {
        None => own(),
        Some(_) => listed.into_iter().map(|listed| listed.place).collect(),
    };
    match (listen.is_empty(), &socket) {
        (true, None) => {
            Err(Flaw(written.listen.as_ref().map_or(span, Spanned::span), Fault::Missing("listen")))
        }
        (false, _) | (true, Some(_)) => Ok(Chrony { listen, socket }),
    }
}

/// Where chronyd listens by itself: this machine alone.
fn own() -> Vec<SocketAddr> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    loopback.into_iter().map(|ip| SocketAddr::new(ip, PORT)).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parsed(text: &str) -> Result<Config, String> {
        Config::parse("here", text).map_err(|error| error.to_string())
    }

    fn places(text: &str) -> (Vec<String>, Option<String>) {
        let chrony = parsed(text).expect("it is well written").chrony.expect("there is a table");
        let listen = chrony.listen.iter().map(ToString::to_string).collect();
        (listen, chrony.socket.map(|path| path.display().to_string()))
    }

    #[test]
    fn nobody_listens_unless_it_is_written() {
        assert_eq!(parsed("").expect("it is well written").chrony, None);
    }

    #[test]
    fn the_table_alone_listens_to_this_machine_only() {
        let own = vec!["127.0.0.1:323".to_owned(), "[::1]:323".to_owned()];
        assert_eq!(places("[chrony]\n"), (own.clone(), None));
        assert_eq!(places("[chrony]\nsocket = \"/run/a\"\n"), (own, Some("/run/a".to_owned())));
    }

    #[test]
    fn ports_may_be_left_out_and_a_socket_may_be_all() {
        let listen = vec!["127.0.0.1:323".to_owned(), "[::1]:3230".to_owned()];
        assert_eq!(places("[chrony]\nlisten = [\"127.0.0.1\", \"[::1]:3230\"]\n"), (listen, None));
        let socket = "[chrony]\nlisten = []\nsocket = \"/run/a\"\n";
        assert_eq!(places(socket), (Vec::new(), Some("/run/a".to_owned())));
    }

    #[test]
    fn nowhere_and_twice_are_refused() {
        assert!(parsed("[chrony]\nlisten = []\n").is_err_and(|error| error.contains("`listen` is missing")));
        let twice = "[chrony]\nlisten = [\"127.0.0.1\", \"127.0.0.1:323\"]\n";
        assert!(parsed(twice).is_err_and(|error| error.contains("a second time")));
        assert!(parsed("[chrony]\nsocket = \"here\"\n").is_err());
    }

    #[test]
    fn what_holds_is_shown_as_it_is_read() {
        let config = parsed("[chrony]\nsocket = \"/run/a\"\n").expect("it is well written");
        assert_eq!(parsed(&config.to_toml()), Ok(config));
    }
}
