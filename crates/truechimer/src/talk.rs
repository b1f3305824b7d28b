//! What the daemon and the commands say to each other over the control socket: one JSON object on a line each way.
//!
//! Spans are floating seconds, rates parts per million, instants RFC 3339 texts. `docs/formats/control.md` describes
//! every field; the same objects are what `--json` prints. Fields may be added; none changes its meaning while
//! `version` stays the same.

mod ballot;
mod clients;
mod server;
mod sources;
mod status;

use serde::{Deserialize, Serialize};

use crate::happened::Happened;

pub use clients::{ClientReply, ClientsReply};
pub use server::{ClassicCounts, KeyExchangeCounts, ServerCounts};
pub use sources::{NtsReply, SourceReply, SourcesReply, SpreadReply, TrafficReply};
pub use status::{Assumptions, Forecast, NtsCounts, ReckoningReply, ServedReply, SourceCounts, StatusReply};

/// The version of these objects.
pub const VERSION: u32 = 1;

/// The version of the assumptions under which a bound is true. 2: A2's number may be learned.
pub const ASSUMPTIONS: u32 = 2;

/// The longest request that is read, its end included.
pub const REQUEST_MAX: usize = 4096;

/// So many characters are said at most of what is wrong with a request.
const WHY_MAX: usize = 200;

/// The longest reply that is read.
pub const REPLY_MAX: usize = 1 << 20;

/// So many clients are told of at once.
pub const CLIENTS_MAX: usize = 4096;

/// The socket's name in the run folder.
pub const SOCKET_NAME: &str = "control";

/// What can be asked of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// How right is the time? Anybody may ask.
    Status {},
    /// What is thought of the sources? Anybody may ask.
    Sources {},
    /// Who asks us for the time? For root and the daemon's own account: it is nobody else's business.
    Clients {},
    /// Tell me what happens, as it happens. Anybody may ask.
    Subscribe {},
    /// Ask all sources in a burst. For root and the daemon's own account.
    Burst {},
    /// Step at the next update if need be. For root and the daemon's own account.
    Step {},
}

impl Request {
    /// Is it for root and the daemon's own account alone?
    pub fn is_reserved(self) -> bool {
        match self {
            Self::Status {} | Self::Sources {} | Self::Subscribe {} => false,
            Self::Clients {} | Self::Burst {} | Self::Step {} => true,
        }
    }
}

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<StatusReply>),
    /// To [`Request::Sources`].
    Sources(SourcesReply),
    /// To [`Request::Clients`].
    Clients(ClientsReply),
    /// To [`Request::Subscribe`], once.
    Subscribed {},
    /// After that, again and again.
    Happened(Box<Happened>),
    /// An order is taken.
    Done {},
    /// It is not done, and why.
    Error(String),
}

/// Reads a request, whatever the bytes are.
pub fn parse_request(line: &[u8]) -> Result<Request, String> {
    if line.len() > REQUEST_MAX {
        return Err(format!("a request has at most {REQUEST_MAX} bytes"));
    }
    serde_json::from_slice(line).map_err(|error| format!("not a request: {}", shown(&error.to_string())))
}

/// What is wrong with a request, of which it may repeat a part: no more than a line of it, and nothing that commands a
/// terminal.
fn shown(why: &str) -> String {
    let visible = why.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut shown: String = visible.take(WHY_MAX).collect();
    if why.chars().count() > WHY_MAX {
        shown += " ..";
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        for request in [Request::Status {}, Request::Sources {}, Request::Burst {}, Request::Step {}] {
            let line = serde_json::to_vec(&request).expect("JSON");
            assert_eq!(parse_request(&line), Ok(request));
        }
        assert_eq!(serde_json::to_string(&Request::Status {}).expect("JSON"), r#"{"request":"status"}"#);
    }

    #[test]
    fn bad_input_119_nonsense_is_refused_with_a_word() {
        let deep = "[".repeat(REQUEST_MAX - 1);
        let long = " ".repeat(REQUEST_MAX + 1);
        for line in [
            "",
            "{",
            "null",
            r#"{"request":"reboot"}"#,
            r#"{"request":"status","x":1}"#,
            "\u{0}",
            &deep,
            &long,
        ] {
            assert!(parse_request(line.as_bytes()).is_err(), "{line:.40}");
        }
        assert!(parse_request(b"\xff\xfe{\"request\":\"status\"}").is_err());
    }

    #[test]
    fn bad_input_119_a_refusal_repeats_a_line_of_the_request_at_most() {
        let flood = format!(r#"{{"request":"\u001b[2J{}"}}"#, "é".repeat(1000));
        let why = parse_request(flood.as_bytes()).expect_err("it is no request");
        assert!(why.chars().count() < 250 && why.ends_with(" .."), "{why}");
        assert!(!why.contains(char::is_control), "{why:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_request(&bytes);
        }
    }
}
