//! What a client keeps for one server that it asks by NTS: keys, cookies, and when to come for new ones
//! (RFC 8915, sections 4.2 and 5.7).
//!
//! ```text
//!                 agreed                         ask: a cookie less            an answer: cookies again
//!   no session ───────────► session, 8 cookies ──────────────────► asked ───────────────────────► session
//!        ▲                        ▲                                  │ no answer, or NAK
//!        │ forgotten              └──────────────────────────────────┘
//! ```
//!
//! A cookie is spent once. When none is left, or the server has refused one (NAK) and the next question remained
//! without an answer as well, new keys are wanted; until they are there, what is left of the old is used on.
//!
//! **Invariant:** a question of this source is protected or is not asked at all.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use truechimer_time::{Mono, Span, Time, Utc};

use crate::reason::reasons;
use crate::wire::HEADER_LEN;
use crate::wire::aead::{Aead, KEY_LEN_MAX, SessionKeys};
use crate::wire::nts::{UNIQUE_ID_LEN, authenticator_len, field_len};
use crate::wire::nts_ke::{COOKIE_MAX, COOKIES_MAX};

/// The longest question that is asked, in bytes: what fits into the smallest packet that IPv6 never breaks, so that no
/// fragment is ever lost or forged.
pub const QUESTION_MAX: usize = 1280 - 40 - 8;

/// How long to wait after the first key exchange that led to nothing (RFC 8915, section 4.2).
pub const WAIT_MIN: Span = Span::from_secs(10);

/// The longest wait between two key exchanges (RFC 8915, section 4.2): five days.
pub const WAIT_MAX: Span = Span::from_secs(432_000);

/// What a server has made of our keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie(Vec<u8>);

impl Cookie {
    /// A cookie from its bytes. `None`, if they are none or more than [`COOKIE_MAX`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=COOKIE_MAX).contains(&bytes.len()).then(|| Self(bytes.to_vec()))
    }

    /// One of so many bytes that no server has made.
    pub(crate) fn stand_in(len: usize) -> Option<Self> {
        (1..=COOKIE_MAX).contains(&len).then(|| Self(vec![0; len]))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Cookie {
    /// Its length alone: who has seen a cookie can recognise who sends it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookie({} bytes)", self.0.len())
    }
}

/// What a key exchange has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The keys.
    pub keys: SessionKeys,
    /// Cookies for them: one to eight.
    pub cookies: Vec<Cookie>,
    /// Where the time is to be asked for with them. At least one place.
    pub servers: Vec<SocketAddr>,
    /// Until then the certificate of the key exchange server is valid, with all those that vouch for it. Nothing is decided by
    /// it, so that a record leaves it out.
    pub certified_until: Option<Time<Utc>>,
}

impl Agreement {
    /// The same as far as a record may tell of it: keys and cookies of as many bytes, and none of them true.
    pub fn without_secrets(&self) -> Self {
        let cookies = self.cookies.iter().map(|cookie| cookie.as_bytes().len());
        Self::stand_in(self.keys.aead(), cookies, self.servers.clone())
    }

    /// One that stands for another of this cipher, with cookies of these lengths. With it nothing can be proved to a
    /// server, nor a server's answer opened.
    pub fn stand_in(aead: Aead, cookies: impl IntoIterator<Item = usize>, servers: Vec<SocketAddr>) -> Self {
        let key = &[0; KEY_LEN_MAX][..aead.key_len()];
        let keys = SessionKeys::new(aead, key, key).expect("it is as long as the keys of the cipher are");
        let cookies = cookies.into_iter().filter_map(Cookie::stand_in).collect();
        Self { keys, cookies, servers, certified_until: None }
    }
}

reasons! {
    /// Why a key exchange has led to no keys. Completes "no keys: ..".
    NoKeys {
        /// The name of the key exchange server, or of the NTP server that it names, cannot be looked up.
        NotFound "not_found" "a name has no address"
        /// Nobody takes the connection.
        NotReached "not_reached" "no connection can be made"
        /// The connection broke.
        Broken "broken" "the connection has ended too early"
        /// Not all was said within the limit of time.
        Late "late" "the key exchange takes too long"
        /// The server speaks no TLS 1.3, or something is wrong with how it does.
        Tls "tls" "the other side does not speak TLS 1.3 as it must"
        /// The server does not agree to speak `ntske/1`.
        Protocol "protocol" "the other side does not speak the protocol of key exchanges"
        /// The certificate is not valid any more.
        Expired "expired" "the certificate has expired by the best that is known of the time"
        /// The certificate is not valid yet.
        NotYetValid "not_yet_valid" "the certificate is not valid yet by the best that is known of the time"
        /// The certificate is somebody else's.
        OtherName "other_name" "the certificate is for another name"
        /// Nobody whom we trust vouches for the certificate.
        UnknownIssuer "unknown_issuer" "the certificate is from an authority that is not trusted here"
        /// Something else is wrong with the certificate.
        Certificate "certificate" "the certificate cannot be used"
        /// What the server said in the end grants no keys.
        Answer "answer" "the answer grants no keys that can be used"
        /// No thread, no socket, no certificates of authorities.
        Ourselves "ourselves" "this machine cannot ask for them"
    }
}

impl NoKeys {
    /// Would the same certificate do at another time?
    pub fn is_about_dates(self) -> bool {
        matches!(self, Self::Expired | Self::NotYetValid)
    }
}

/// What protects one question.
#[derive(Debug)]
pub struct Ticket {
    /// The keys of the session.
    pub keys: Arc<SessionKeys>,
    /// The cookie to spend.
    pub cookie: Cookie,
    /// How many more cookies to ask for: 0 to 7.
    pub placeholders: usize,
}

/// Keys that were agreed on, and cookies for them.
#[derive(Debug)]
struct Session {
    keys: Arc<SessionKeys>,
    /// At most eight, the oldest in front.
    jar: VecDeque<Cookie>,
    /// Whose keys they are is not known for certain.
    is_provisional: bool,
}

/// What became of a protected question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered, and gave these cookies.
    Answered(Vec<Cookie>),
    /// The server refused the cookie: it said so with our unique identifier.
    Nak,
    /// Nothing that is certainly the server's was heard.
    Silence,
}

/// The state of NTS with one server.
#[derive(Debug, Default)]
pub struct Nts {
    session: Option<Session>,
    doubt: Doubt,
    /// How many key exchanges were begun since the server last answered by NTS.
    tries: u32,
    /// Before this no key exchange may begin.
    rests_until: Option<Time<Mono>>,
}

/// Whether the server still knows its own cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doubt {
    /// It was not heard to deny it.
    #[default]
    None,
    /// It refused one. Somebody else may have said so: the next question shows it.
    Refused,
    /// The question after that remained without an answer.
    Lost,
}

impl Nts {
    /// Without keys yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Should a key exchange begin? Whether one is under way is not known here.
    pub fn wants_keys(&self, now: Time<Mono>) -> bool {
        let has_cookies = self.session.as_ref().is_some_and(|session| !session.jar.is_empty());
        let is_rested = self.rests_until.is_none_or(|until| until <= now);
        is_rested && (!has_cookies || self.doubt == Doubt::Lost)
    }

    /// When a key exchange may begin, if one is wanted: from the start, if `None`.
    pub fn rests_until(&self) -> Option<Time<Mono>> {
        self.rests_until
    }

    /// A key exchange begins. The next one may follow after min(10 * 1.5^(n-1), 432000) s, where n is how many were begun
    /// since NTP itself last succeeded: keys alone prove nothing (RFC 8915, section 4.2).
    pub fn begin(&mut self, now: Time<Mono>) {
        self.tries = self.tries.saturating_add(1);
        self.rests_until = Some(now + wait(self.tries));
    }

    /// The wait was for a server that could not be reached from here; now perhaps it can. The next wait is as long as if this
    /// one had been kept.
    pub fn rest_no_longer(&mut self) {
        self.rests_until = None;
    }

    /// A key exchange has succeeded: its keys and cookies replace all that there were. No more than eight are kept.
    pub fn agreed(&mut self, keys: SessionKeys, cookies: impl IntoIterator<Item = Cookie>) {
        let jar = cookies.into_iter().take(COOKIES_MAX).collect();
        self.session = Some(Session { keys: Arc::new(keys), jar, is_provisional: false });
        self.doubt = Doubt::None;
    }

    /// The same with keys for the time being. That the server answers under them does not make the waits between key
    /// exchanges short again: it may not be the one that it says.
    pub fn agreed_provisionally(&mut self, keys: SessionKeys, cookies: impl IntoIterator<Item = Cookie>) {
        self.agreed(keys, cookies);
        self.session.iter_mut().for_each(|session| session.is_provisional = true);
    }

    /// Are there keys, but for the time being?
    pub fn is_provisional(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_provisional)
    }

    /// The keys are of no use any more, because the server is not: new ones are wanted.
    pub fn forget(&mut self) {
        (self.session, self.doubt) = (None, Doubt::None);
    }

    /// Is the server not known to deny its own cookies?
    pub fn is_undoubted(&self) -> bool {
        self.doubt == Doubt::None
    }

    /// The cipher that was agreed on.
    pub fn aead(&self) -> Option<Aead> {
        self.session.as_ref().map(|session| session.keys.aead())
    }

    /// How many cookies are left.
    pub fn cookies(&self) -> usize {
        self.session.as_ref().map_or(0, |session| session.jar.len())
    }

    /// What to protect the next question with, if there is a cookie left: it is spent with that.
    pub fn ticket(&mut self) -> Option<Ticket> {
        let session = self.session.as_mut()?;
        let cookie = session.jar.pop_front()?;
        let missing = COOKIES_MAX - 1 - session.jar.len();
        let placeholders = missing.min(placeholders_max(&session.keys, &cookie));
        Some(Ticket { keys: Arc::clone(&session.keys), cookie, placeholders })
    }

    /// A question that was protected by keys of ours is over. What was asked before the keys changed tells nothing.
    pub fn over(&mut self, keys: &Arc<SessionKeys>, outcome: Outcome) {
        let Some(session) = self.session.as_mut().filter(|session| Arc::ptr_eq(&session.keys, keys)) else {
            return;
        };
        match outcome {
            Outcome::Answered(cookies) => {
                let room = COOKIES_MAX - session.jar.len();
                session.jar.extend(cookies.into_iter().take(room));
                self.doubt = Doubt::None;
                if !session.is_provisional {
                    (self.tries, self.rests_until) = (0, None);
                }
            }
            Outcome::Nak => self.doubt = self.doubt.refused(),
            Outcome::Silence => self.doubt = self.doubt.unanswered(),
        }
    }
}

impl Doubt {
    fn refused(self) -> Self {
        match self {
            Self::None => Self::Refused,
            Self::Refused | Self::Lost => Self::Lost,
        }
    }

    fn unanswered(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Refused | Self::Lost => Self::Lost,
        }
    }
}

/// How many placeholders fit into a question with this cookie.
fn placeholders_max(keys: &SessionKeys, cookie: &Cookie) -> usize {
    let one = field_len(cookie.0.len());
    let least = HEADER_LEN + field_len(UNIQUE_ID_LEN) + one + authenticator_len(keys.aead(), 0);
    QUESTION_MAX.saturating_sub(least) / one
}

/// How long to wait after the n-th key exchange: min(10 * 1.5^(n-1), 432000) s.
fn wait(tries: u32) -> Span {
    let mut wait = WAIT_MIN;
    for _ in 1..tries {
        if WAIT_MAX <= wait {
            break;
        }
        wait = wait + wait.half();
    }
    wait.min(WAIT_MAX)
}

#[cfg(test)]
mod tests;
