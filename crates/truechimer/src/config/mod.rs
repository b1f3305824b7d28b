//! What the operator wants, from TOML to values that hold.
//!
//! The files are read once, at the start, by whoever starts the daemon. A [`Config`] that exists is within all
//! limits; nothing behind this module looks at a text again. Nothing is read from the current folder unless the
//! operator names a path in it, and nothing that anybody but root or we could have written.
//!
//! ```
//! use truechimer::config::Config;
//! let config = Config::parse("example", "accuracy = \"250us\"\n[clock]\ntarget = \"user\"\n").unwrap();
//! assert_eq!(Config::parse("again", &config.to_toml()).unwrap(), config);
//! ```

mod address;
mod check;
mod chrony;
mod classic;
mod default;
mod error;
mod import;
mod keys;
mod lone;
mod merge;
mod metrics;
mod nts;
mod offered;
mod place;
mod pool;
mod quantity;
mod read;
mod reference;
mod serve;
mod show;
mod words;
mod written;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use truechimer_core::policy::{ClockPolicy, Policy, Rhythm, TrustPolicy};
use truechimer_time::Span;

pub use address::{Address, AddressError, NTP_PORT, NoPrefix, PathError};
pub use check::{
    BURST_MAX, INTERVAL_MAX, INTERVAL_MIN_NEAR, INTERVAL_MIN_POLITE, OPERATOR_LENGTH_MAX, SLEW_MAX,
    STATISTICS_KEEP_MAX,
};
pub use chrony::Chrony;
pub use classic::{Classic, Master};
pub use default::LEAP_FILE;
pub(crate) use error::Texts;
pub use error::{ConfigError, Fault, Place};
pub use import::{Fate, FileFault, ImportError, Imported, Line, Origin, Said, import, import_text};
pub use keys::{KEYS_BYTES_MAX, Keys, KeysError, KeysFault, ServedKey};
pub(crate) use keys::{kind_named, name_of};
pub(crate) use lone::lone;
pub use metrics::Metrics;
pub use nts::{NoServerName, ServeNts};
pub use offered::{FOLDER as OFFERED_FOLDER, OFFERED_MAX, OPERATOR as OFFERED_OPERATOR};
pub use place::Place as SourcePlace;
pub use pool::{POOL_MAX, Placed, Pool};
pub use quantity::{QuantityError, Size, Spelled};
pub use read::{CONFIG_BYTES_MAX, CONFIG_FILE, DROP_INS_MAX};
pub use reference::{Edge, RefIdError, Reference};
pub use serve::{LISTEN_MAX, Serve, WORKERS_MAX};
pub use truechimer_core::server::access::{PREFIXES_MAX, Prefix, PrefixError};
pub use words::{Account, AccountError, Host, HostError, Kind, Level, Target, WordError};

/// How often the clocks are compared to see whether somebody else moves ours: a step shall be noticed within a
/// second.
const WATCH: Span = Span::from_millis(900);

/// The number by which two sides know a key that they share.
pub type KeyId = NonZeroU32;

/// All that the operator decides, within limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How right the clock shall be. None: as right as the longest polite interval gives.
    pub accuracy: Option<Span>,
    /// By what rule the sources are asked again.
    pub schedule: Rhythm,
    /// A file of the kernel that says how warm it is near the oscillator, if any.
    pub temperature: Option<PathBuf>,
    /// The account of the process that talks to the network.
    pub user: Account,
    /// Whom to ask; no two at the same address.
    pub sources: Vec<Source>,
    /// Where the keys are that we share with sources and clients. They are [read](Keys::load) apart from the rest.
    pub keys_file: Option<PathBuf>,
    /// Which clock, and what may be done to it.
    pub clock: Clock,
    /// What is taken for granted of the machine's oscillator (`[assume]`), and what an answer must be like to be
    /// used (`[select]`).
    pub trust: TrustPolicy,
    /// What we serve, if we serve.
    pub serve: Option<Serve>,
    /// Where chronyc may ask, if it may.
    pub chrony: Option<Chrony>,
    /// What the measurement service of the clockspeed set-up is told.
    pub classic: Classic,
    /// Where things are kept.
    pub state: State,
    /// What is written down of each measurement.
    pub statistics: Statistics,
    /// A program that is called for each thing that happened, if any.
    pub hook: Option<PathBuf>,
    /// How much is told.
    pub log: Level,
    /// Where the time is published for clients of ClockBound. None: nowhere.
    pub clockbound: Option<PathBuf>,
    /// A file of numbers for monitors, if one is to be written.
    pub metrics: Option<Metrics>,
    /// A file of leap seconds. None: [`LEAP_FILE`] if it can be read, else the table within the program.
    pub leap_file: Option<PathBuf>,
}

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Where it is.
    pub address: SourcePlace,
    /// What it speaks.
    pub kind: Kind,
    /// The key that it shares with us, if it shall be believed in nothing that is not sealed with it.
    pub key: Option<KeyId>,
    /// Who vouches for the certificate of its key exchange server, if not those whom the system trusts.
    pub ca: Option<PathBuf>,
    /// Never ask more often than this, save in a burst.
    pub min_interval: Span,
    /// Never ask more rarely than this.
    pub max_interval: Span,
    /// How many exchanges begin the acquaintance; 0 and 1 both mean one.
    pub burst: u8,
    /// Who runs it.
    pub operator: String,
    /// Where it is a truechimer, lean on it.
    pub prefer: bool,
    /// Believe it against any majority.
    pub trust: bool,
    /// No selection without it.
    pub require: bool,
    /// Ask it after each answer when that has really left.
    pub interleaved: bool,
    /// What it is, if it is a reference clock of this machine.
    pub reference: Option<Reference>,
    /// How many servers of its name are asked, if it is a pool.
    pub pool: Option<Pool>,
}

/// `[clock]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// Which clock.
    pub target: Target,
    /// What may be done to it.
    pub policy: ClockPolicy,
}

/// `[state]`
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What outlives a restart of the machine.
    pub dir: PathBuf,
    /// What does not: sockets and shared memory.
    pub run_dir: PathBuf,
}

/// `[statistics]`
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Where the files are written. None: nothing is.
    pub dir: Option<PathBuf>,
    /// A file of this size is put aside for a new one.
    pub max_size: Size,
    /// How many files that were put aside are kept.
    pub keep: u32,
}

impl Config {
    /// The named file alone; without a name the one in `/etc` with its drop-ins, or the defaults if there is none.
    ///
    /// Errors name the file, the place in it and what to do.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        check::checked(&read::texts(path)?)
    }

    /// What holds where nobody says otherwise: every default, and the default set of sources.
    pub fn defaults() -> Self {
        default::config()
    }

    /// The configuration of one text; `name` stands for its file in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let mut texts = error::Texts::default();
        texts.add(Path::new(name), text.to_owned());
        check::checked(&texts)
    }

    /// The effective configuration, every key written out. Reading it gives this configuration again.
    pub fn to_toml(&self) -> String {
        show::toml(self)
    }

    /// What the node needs of it, with the keys of the file that it names.
    pub fn policy(&self, keys: &Keys) -> Policy {
        Policy {
            sources: self.places().map(|place| place.policy(keys)).collect(),
            accuracy: self.accuracy,
            rhythm: self.schedule,
            clock: self.clock.policy,
            trust: self.trust,
            watch: WATCH,
        }
    }

    /// The places that its sources have in a node that is born with it, in their order.
    pub fn places(&self) -> impl Iterator<Item = Placed<'_>> {
        pool::places(&self.sources)
    }

    /// The keys that it refers to, and where.
    fn keys_wanted(&self) -> impl Iterator<Item = (KeyId, String)> {
        let source = |source: &Source| Some((source.key?, format!("the source \"{}\"", source.address)));
        let served = self.serve.iter().flat_map(|serve| &serve.keys);
        let served = served.map(|key| (key.id, "[[serve.key]]".to_owned()));
        self.sources.iter().filter_map(source).chain(served)
    }

    /// How many operators have a vote. Fewer than three cannot outvote a liar.
    pub fn operators(&self) -> usize {
        operators(&self.sources)
    }
}

/// Those that have a vote: all but pulses.
fn voters(sources: &[Source]) -> impl Iterator<Item = Placed<'_>> {
    let is_pulse = |place: &Placed<'_>| place.source.reference.is_some_and(|it| it.vouched.is_pulse);
    pool::places(sources).filter(move |place| !is_pulse(place))
}

fn operators(sources: &[Source]) -> usize {
    let mut names: Vec<String> = voters(sources).map(|place| place.operator()).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

/// One vote for each operator; if there is but one, one for each of its sources.
fn votes(sources: &[Source]) -> usize {
    match operators(sources) {
        1 => voters(sources).count(),
        operators => operators,
    }
}

/// So many of the votes are of sources that are asked by NTS.
fn protected_votes(sources: &[Source]) -> usize {
    let protected = || voters(sources).filter(|place| place.source.kind == Kind::Nts);
    match operators(sources) {
        1 => protected().count(),
        _ => {
            let mut names: Vec<String> = protected().map(|place| place.operator()).collect();
            names.sort_unstable();
            names.dedup();
            names.len()
        }
    }
}

impl Source {
    /// A source of which only the address was given, in a configuration that says nothing about the schedule.
    pub fn at(address: Address) -> Self {
        let (min_interval, max_interval) = default::intervals(Rhythm::Adaptive, None);
        Self {
            operator: address.operator(),
            address: SourcePlace::Network(address),
            kind: Kind::Ntp,
            key: None,
            ca: None,
            min_interval,
            max_interval,
            burst: default::BURST,
            prefer: false,
            trust: false,
            require: false,
            interleaved: false,
            reference: None,
            pool: None,
        }
    }
}

#[cfg(test)]
mod tests;
