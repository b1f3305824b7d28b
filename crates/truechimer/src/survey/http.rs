//! The Date of an answer by HTTP (RFC 9110, section 6.6.1): the second that had begun when it was made.
//!
//! The question is HEAD for `/`, so that there is an answer without a body; where it leads to is not followed, because
//! a Date is in any answer. What was kept by a cache on the way is old, and is no answer about a clock.

use std::time::{SystemTime, UNIX_EPOCH};

use truechimer_time::{Span, Time, Utc};

/// No head of an answer is longer, in bytes.
pub const HEAD_MAX: usize = 16 * 1024;

/// No head has more fields.
const FIELDS_MAX: usize = 128;

/// How many heads that only say that another one comes (RFC 9110, section 15.2) are passed over.
const INTERIM_MAX: usize = 4;

/// What to say to a host of this name, which stays connected after it.
pub fn question(host: &str) -> Vec<u8> {
    format!(
        "HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: truechimer-survey/{}\r\nAccept: */*\r\nCache-Control: no-cache\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
    )
    .into_bytes()
}

/// The head of an answer, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The second that had begun.
    pub date: Time<Utc>,
    /// The connection cannot be used again: the server ends it, or there is something behind the head.
    pub ends: bool,
    /// The server has had enough of us (429 and 503).
    pub is_busy: bool,
}

/// Why bytes are no head with a Date. Completes "cannot use this answer: ..".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not HTTP/1.
    #[error("it is not HTTP")]
    NotHttp,
    /// More than the limits.
    #[error("its head is longer than {HEAD_MAX} bytes or has more than {FIELDS_MAX} fields")]
    Long,
    /// A server without a clock has none.
    #[error("it has no Date")]
    NoDate,
    /// A Date that is none, or two that differ.
    #[error("its Date cannot be read")]
    BadDate,
    /// A cache on the way has kept it.
    #[error("it is {0} s old: a cache on the way has kept it")]
    Cached(u64),
}

/// The head, if it is whole.
///
/// # Errors
/// [`Unusable`]; more bytes make it no better.
pub fn read(mut bytes: &[u8]) -> Result<Option<Head>, Unusable> {
    for _ in 0..=INTERIM_MAX {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let len = match response.parse(bytes) {
            Ok(httparse::Status::Complete(len)) if len <= HEAD_MAX => len,
            Ok(httparse::Status::Partial) if bytes.len() < HEAD_MAX => return Ok(None),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Unusable::Long),
            Err(_) => return Err(Unusable::NotHttp),
        };
        match response.code {
            Some(100..200) => bytes = &bytes[len..],
            Some(_) | None => return head(&response, bytes.len() > len).map(Some),
        }
    }
    Err(Unusable::Long)
}

fn head(response: &httparse::Response<'_, '_>, has_more: bool) -> Result<Head, Unusable> {
    let mut dates = all(response, "Date").map(date);
    let date = dates.next().ok_or(Unusable::NoDate)?.ok_or(Unusable::BadDate)?;
    if dates.any(|other| other != Some(date)) {
        return Err(Unusable::BadDate);
    }
    let age = all(response, "Age").filter_map(|age| age.trim().parse().ok()).max().unwrap_or(0);
    if age > 0 {
        return Err(Unusable::Cached(age));
    }
    let says = |word: &str| all(response, "Connection").any(|value| names(value, word));
    let ends = has_more || says("close") || (response.version == Some(0) && !says("keep-alive"));
    Ok(Head { date, ends, is_busy: matches!(response.code, Some(429 | 503)) })
}

fn all<'a>(response: &'a httparse::Response<'_, '_>, name: &'a str) -> impl Iterator<Item = &'a str> {
    let of_that_name = |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name);
    let fields = response.headers.iter().filter(of_that_name);
    // What is no text is not what is looked for either.
    fields.map(|field| std::str::from_utf8(field.value).unwrap_or(""))
}

fn names(value: &str, word: &str) -> bool {
    value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
}

/// Any of the three forms that RFC 9110 has (section 5.6.7).
fn date(text: &str) -> Option<Time<Utc>> {
    let date: SystemTime = httpdate::parse_http_date(text.trim()).ok()?;
    let seconds = date.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Time::from_epoch(Span::from_secs(i64::try_from(seconds).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use truechimer_time::Civil;

    const DATE: &str = "Sun, 22 Nov 2026 09:41:37 GMT";

    fn answer(status: &str, fields: &str) -> Result<Option<Head>, Unusable> {
        read(format!("HTTP/1.1 {status}\r\n{fields}\r\n").as_bytes())
    }

    fn good(fields: &str) -> Head {
        answer("200 OK", fields).expect(fields).expect("it is whole")
    }

    #[test]
    fn a_date_is_in_any_answer_and_in_any_form() {
        let shown = "2026-11-22T09:41:37Z".parse::<Civil>().expect("a date").time().expect("a date");
        for fields in [
            format!("Server: x\r\ndate:  {DATE} \r\nAge: 0\r\n"),
            "Date: Sunday, 22-Nov-26 09:41:37 GMT\r\n".to_owned(),
            "Date: Sun Nov 22 09:41:37 2026\r\n".to_owned(),
        ] {
            for status in ["200 OK", "301 Moved Permanently", "404", "500 No"] {
                let head = answer(status, &fields).expect(status).expect("it is whole");
                assert_eq!(head, Head { date: shown, ends: false, is_busy: false }, "{status} {fields}");
            }
        }
    }

    #[test]
    fn a_server_that_ends_the_connection_is_seen() {
        assert!(good(&format!("Date: {DATE}\r\nConnection: foo, Close\r\n")).ends);
        let old = |fields: &str| {
            read(format!("HTTP/1.0 200 OK\r\nDate: {DATE}\r\n{fields}\r\n").as_bytes()).expect("good")
        };
        assert!(old("").expect("whole").ends && !old("Connection: keep-alive\r\n").expect("whole").ends);
        let with_body = format!("HTTP/1.1 404 No\r\nDate: {DATE}\r\nContent-Length: 4\r\n\r\nnone");
        assert!(read(with_body.as_bytes()).expect("good").expect("whole").ends);
    }

    #[test]
    fn a_server_that_has_had_enough_is_heard() {
        for (status, is_busy) in [("429 Too Many", true), ("503 Later", true), ("502 No", false)] {
            let head = answer(status, &format!("Date: {DATE}\r\n")).expect("good").expect("whole");
            assert_eq!(head.is_busy, is_busy, "{status}");
        }
    }

    #[test]
    fn what_a_cache_has_kept_is_no_answer() {
        assert_eq!(answer("200 OK", &format!("Date: {DATE}\r\nAge: 37\r\n")), Err(Unusable::Cached(37)));
    }

    #[test]
    fn an_answer_in_pieces_is_waited_for() {
        let whole = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nDate: {DATE}\r\n\r\n");
        for len in 0..whole.len() {
            assert_eq!(read(&whole.as_bytes()[..len]), Ok(None), "{len}");
        }
        assert!(read(whole.as_bytes()).expect("good").is_some());
    }

    #[test]
    fn what_is_no_answer_says_why() {
        assert_eq!(answer("200 OK", "Server: x\r\n"), Err(Unusable::NoDate));
        for date in ["yesterday", "Sun, 31 Nov 2026 09:41:37 GMT", "Sun, 22 Nov 2026 09:41:61 GMT", ""] {
            assert_eq!(answer("200 OK", &format!("Date: {date}\r\n")), Err(Unusable::BadDate), "{date}");
        }
        let two = format!("Date: {DATE}\r\nDate: Sun, 22 Nov 2026 09:41:38 GMT\r\n");
        assert_eq!(answer("200 OK", &two), Err(Unusable::BadDate));
        assert_eq!(read(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), Err(Unusable::NotHttp));
        assert_eq!(answer("200 OK", &format!("X: {}\r\n", "y".repeat(HEAD_MAX))), Err(Unusable::Long));
        assert_eq!(answer("200 OK", &"X: y\r\n".repeat(FIELDS_MAX + 1)), Err(Unusable::Long));
        let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(INTERIM_MAX + 1);
        assert_eq!(read(endless.as_bytes()), Err(Unusable::Long));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_head_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
