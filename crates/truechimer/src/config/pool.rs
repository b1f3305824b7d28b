//! `pool = 4` at a source: one name, of whose servers so many are asked at once.
//!
//! Each place of a pool is a source of the node. What the places are called, and who has a vote, is said here.

use truechimer_core::policy::{PoolPolicy, SourcePolicy};
use truechimer_core::source::association::ADDRESSES_MAX;

use super::check::{Flaw, count};
use super::error::Fault;
use super::place::Place;
use super::words::Kind;
use super::written::WrittenSource;
use super::{Keys, Source};

/// The most places of one pool: of one answer to a lookup no more addresses are looked at.
pub const POOL_MAX: u8 = ADDRESSES_MAX as u8;

/// What makes a source a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// So many of its servers are asked at once.
    pub places: u8,
    /// It is a name of our own network.
    pub is_near: bool,
}

/// One of the places that the sources of a configuration have in the node, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// The source.
    pub source: &'a Source,
    /// Which place of the pool it is, counted from one, if it is a pool.
    pub number: Option<u8>,
}

impl Placed<'_> {
    /// What it is called: `2.debian.pool.ntp.org #3`.
    pub fn name(&self) -> String {
        let name = &self.source.address;
        self.number.map_or_else(|| name.to_string(), |number| format!("{name} #{number}"))
    }

    /// Who has its vote. Behind a name of the NTP pool are volunteers who have nothing in common but the register, so that
    /// each of them counts; the servers of any other name, and those that are said to be of one operator, have one vote
    /// together.
    pub fn operator(&self) -> String {
        let Source { address, operator, .. } = self.source;
        let are_strangers = address.network().is_some_and(|address| address.is_of_strangers());
        match self.number.filter(|_| are_strangers && *operator == address.operator()) {
            Some(number) => format!("{operator} #{number}"),
            None => operator.clone(),
        }
    }

    pub(super) fn policy(&self, keys: &Keys) -> SourcePolicy {
        let source = self.source;
        SourcePolicy {
            name: self.name(),
            address: source.address.literal().filter(|_| source.kind != Kind::Nts),
            operator: self.operator(),
            min_interval: source.min_interval,
            max_interval: source.max_interval,
            burst: source.burst,
            prefer: source.prefer,
            trust: source.trust,
            require: source.require,
            key: source.key.and_then(|id| keys.key(id)),
            nts: source.kind == Kind::Nts,
            interleaved: source.interleaved,
            reference: source.reference.map(|reference| reference.vouched),
            pool: source
                .pool
                .map(|pool| PoolPolicy { name: source.address.to_string(), is_near: pool.is_near }),
        }
    }
}

/// The places of these sources, in their order.
pub(super) fn places(sources: &[Source]) -> impl Iterator<Item = Placed<'_>> {
    sources.iter().flat_map(|source| {
        let numbers: Vec<Option<u8>> = match source.pool {
            Some(pool) => (1..=pool.places).map(Some).collect(),
            None => vec![None],
        };
        numbers.into_iter().map(move |number| Placed { source, number })
    })
}

/// What a table says of a pool, if it is one.
pub(super) fn pool(written: &WrittenSource, kind: Kind, address: &Place) -> Result<Option<Pool>, Flaw> {
    let wrong = |span, why: &str| Err(Flaw(span, Fault::Wrong(why.to_owned())));
    let near = written.near.as_ref();
    let Some(places) = &written.pool else {
        return match near {
            Some(near) => {
                wrong(near.span(), "`near` is for pools: say how many are asked with `pool`, or remove it")
            }
            None => Ok(None),
        };
    };
    let is_name = kind == Kind::Ntp && address.network().is_some() && address.literal().is_none();
    if !is_name {
        return wrong(places.span(), "a pool is a name of many NTP servers: name one, or remove `pool`");
    }
    if let Some(trust) = written.trust.as_ref().filter(|trust| *trust.get_ref()) {
        return wrong(
            trust.span(),
            "whoever answers for the name of a pool would be trusted: remove `trust`",
        );
    }
    let is_near = near.is_some_and(|near| *near.get_ref());
    Ok(Some(Pool { places: count(&written.pool, "`pool`", 1, 1..=POOL_MAX)?, is_near }))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parsed(keys: &str) -> Result<Config, String> {
        Config::parse("here", &format!("[[source]]\n{keys}")).map_err(|error| error.to_string())
    }

    fn votes(keys: &str) -> Vec<String> {
        let config = parsed(keys).expect("well written");
        assert_eq!(Config::parse("again", &config.to_toml()).expect("it can be read again"), config);
        config.places().map(|place| place.operator()).collect()
    }

    #[test]
    fn each_server_of_the_ntp_pool_has_a_vote_and_those_of_an_operator_have_one_together() {
        let two = votes("address = \"2.debian.pool.ntp.org\"\npool = 2\n");
        assert_eq!(two, ["2.debian.pool.ntp.org #1", "2.debian.pool.ntp.org #2"]);
        assert_eq!(votes("address = \"time.example.org\"\npool = 3\n"), ["example.org"; 3]);
        let ours = "address = \"2.debian.pool.ntp.org\"\npool = 2\noperator = \"ours\"\n";
        assert_eq!(votes(ours), ["ours"; 2]);
        assert_eq!(votes("address = \"pool.ntp.org\"\n"), ["pool.ntp.org"], "one server of it is a source");
    }

    #[test]
    fn the_places_of_a_pool_are_sources_of_their_own() {
        let config =
            parsed("address = \"ntp.lan\"\npool = 2\nnear = true\nprefer = true\n").expect("well written");
        let sources = config.policy(&Keys::default()).sources;
        assert_eq!(sources.len(), 2);
        let pool = PoolPolicy { name: "ntp.lan".to_owned(), is_near: true };
        assert!(sources.iter().all(|source| source.pool.as_ref() == Some(&pool) && source.prefer));
        assert_eq!(sources[1].name, "ntp.lan #2");
    }

    #[test]
    fn what_is_no_pool_is_refused_with_a_word() {
        let name = "address = \"time.example.org\"\n";
        let cases = [
            (format!("{name}pool = 0\n"), "`pool` must be 1 to 16"),
            (format!("{name}pool = 17\n"), "`pool` must be 1 to 16"),
            (format!("{name}near = true\n"), "`near` is for pools"),
            (format!("{name}pool = 4\ntrust = true\n"), "would be trusted"),
            ("address = \"192.0.2.1\"\npool = 4\n".to_owned(), "a pool is a name"),
            ("address = \"/dev/ptp0\"\nkind = \"phc\"\npool = 4\n".to_owned(), "a pool is a name"),
        ];
        for (keys, why) in cases {
            let error = parsed(&keys).expect_err("it is refused");
            assert!(error.contains(why), "{error}");
        }
        let many: String =
            (0..3).map(|n| format!("[[source]]\naddress = \"{n}.example\"\npool = 12\n")).collect();
        let error = Config::parse("here", &many).expect_err("36 places");
        assert!(error.to_string().contains("more than 32 sources"), "{error}");
    }
}
