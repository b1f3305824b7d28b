//! `rdate`, always without the privilege to set a clock: see [`harmless`].

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use truechimer_core::wire::daytime;
use truechimer_core::wire::time37::Value;
use truechimer_sys::clock;
use truechimer_time::{Civil, Span, Time, Utc};

use crate::add::{harmless, link, recorder};
use crate::peer::{Peer, ntp, tcp};
use crate::{failed, run, text, told};

const ANY: &str = "127.0.0.1:0";

fn rdate(arguments: &[&str]) -> Output {
    rdate_with(arguments, None)
}

/// In UTC, so that dates can be foretold.
fn rdate_with(arguments: &[&str], preload: Option<&Path>) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let link = link(folder.path(), "rdate");
    let link = link.to_str().expect("a plain path");
    harmless(Path::new("/usr/bin/env"), &[&["TZ=UTC", link], arguments].concat(), b"", preload)
}

/// What our clock shows, and so many seconds more.
fn ahead(seconds: i64) -> Time<Utc> {
    Time::from_epoch(clock::realtime().since_epoch() + Span::from_secs(seconds))
}

fn value(seconds: i64) -> Vec<u8> {
    Value::of(ahead(seconds)).bytes().to_vec()
}

/// An answer counts whole seconds: one that is long on its way is to leave when the second is young.
fn await_a_new_second() {
    while clock::realtime().since_epoch().split().1 / 1_000_000_000_000_000 > 200 {
        thread::sleep(Duration::from_millis(20));
    }
}

/// A server by TCP whose clock is ahead by so many seconds.
fn server(seconds: i64) -> String {
    tcp(ANY, move || value(seconds)).to_string()
}

/// Everything went well, and the first line is a date so far ahead. The other lines.
#[track_caller]
fn dated(output: &Output, seconds: i64) -> Vec<String> {
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let shown = |less| daytime::date(Civil::of(ahead(seconds - less)), "UTC").expect("a date");
    let stdout = text(&output.stdout);
    let mut lines = stdout.lines().map(str::to_owned);
    let date = lines.next().expect("a line");
    // It took a moment, and an answer is right for a second.
    assert!((-1..4).any(|less| shown(less) == date), "{date} is not {}", shown(0));
    lines.collect()
}

fn adjusts(seconds: i64) -> Vec<String> {
    vec![format!("rdate: adjust local clock by {seconds} seconds")]
}

#[test]
fn a_wrong_call_is_a_line_and_exit_1() {
    let usage = "rdate: usage: rdate [-46acnpsuv] [-b sec] [-o port] [-t msec] host...\n";
    assert_eq!(told(&run("rdate", &[], b"")), failed(1, usage));
    for bad in [&["-o", "x", "h"][..], &["-o", "0", "h"], &["-b", "-5", "h"], &["-x", "h"]] {
        let output = run("rdate", bad, b"");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{bad:?}");
        assert!(text(&output.stderr).ends_with(usage), "{bad:?}: {}", text(&output.stderr));
    }
}

#[test]
fn the_date_is_printed_by_tcp_and_by_udp() {
    for seconds in [5, -100, 86_400] {
        let udp = Peer::start(move |_| Some(value(seconds)));
        assert_eq!(dated(&rdate(&["-pv", &server(seconds)]), seconds), adjusts(seconds));
        assert_eq!(dated(&rdate(&["-puv", &udp.name()]), seconds), adjusts(seconds));
        assert_eq!(udp.heard(), [[0; 0]], "one empty question");
        assert_eq!(dated(&rdate(&["-p", &server(seconds)]), seconds), [""; 0]);
    }
    assert_eq!(told(&rdate(&["-psv", &server(5)])), (Some(0), String::new(), String::new()));
}

#[test]
fn the_port_and_the_family_are_chosen_by_options() {
    let v4 = tcp(ANY, || value(5)).port().to_string();
    assert_eq!(dated(&rdate(&["-p4", "-o", &v4, "127.0.0.1"]), 5), [""; 0]);
    let v6 = tcp("[::1]:0", || value(5)).port().to_string();
    assert_eq!(dated(&rdate(&["-p6", "-o", &v6, "::1"]), 5), [""; 0]);
    let udp = Peer::at("[::1]:0", |_| Some(value(5))).place.port().to_string();
    assert_eq!(dated(&rdate(&["-pu", "-o", &udp, "::1"]), 5), [""; 0]);
    let none = "rdate: 127.0.0.1: Address family for hostname not supported\n";
    assert_eq!(told(&rdate(&["-p6", "127.0.0.1"])), failed(1, none));
}

#[test]
fn answers_of_eight_bytes_are_understood_and_of_three_are_not() {
    let long = || [value(5), vec![0; 4]].concat();
    assert_eq!(dated(&rdate(&["-pv", &tcp(ANY, long).to_string()]), 5), adjusts(5));
    assert_eq!(dated(&rdate(&["-puv", &Peer::start(move |_| Some(long())).name()]), 5), adjusts(5));
    let short = "rdate: Could not read data: 3 bytes are no answer, 4 would be\n";
    assert_eq!(told(&rdate(&["-p", &tcp(ANY, || b"abc".to_vec()).to_string()])), failed(1, short));
    assert_eq!(told(&rdate(&["-pu", &Peer::start(|_| Some(b"abc".to_vec())).name()])), failed(1, short));
    let none = "rdate: Could not read data: 0 bytes are no answer, 4 would be\n";
    assert_eq!(told(&rdate(&["-p", &tcp(ANY, Vec::new).to_string()])), failed(1, none));
}

#[test]
fn an_answer_in_pieces_is_one_answer() {
    let listener = TcpListener::bind(ANY).unwrap();
    let place = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        await_a_new_second();
        for byte in value(5) {
            std::io::Write::write_all(&mut client, &[byte]).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(dated(&rdate(&["-pv", &place]), 5), adjusts(5));
}

#[test]
fn bad_input_87_after_2036_everything_goes_on() {
    for date in ["2036-02-07T06:28:15Z", "2036-02-07T06:28:16Z", "2039-07-01T00:00:00Z"] {
        let then = date.parse::<Civil>().unwrap().time().unwrap();
        let server = tcp(ANY, move || Value::of(then).bytes().to_vec()).to_string();
        let stdout = text(&rdate(&["-p", &server]).stdout);
        // An answer is right for a second, and for as long as it was on its way.
        let shown = |more| daytime::date(Civil::of(then + Span::from_secs(more)), "UTC").expect("a date");
        assert!((0..3).any(|more| stdout == shown(more) + "\n"), "{date}: {stdout}");
    }
}

#[test]
fn what_goes_wrong_is_said_as_debian_says_it() {
    let nobody = || UdpSocket::bind(ANY).unwrap().local_addr().unwrap().to_string();
    let refused = |deed: &str| failed(1, &format!("rdate: Could not {deed}: Connection refused\n"));
    assert_eq!(told(&rdate(&["-p", &nobody()])), refused("connect socket"));
    assert_eq!(told(&rdate(&["-pu", &nobody()])), refused("read data"));
    let unknown = rdate(&["-p", "truechimer.invalid"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).starts_with("rdate: truechimer.invalid: "), "{}", text(&unknown.stderr));
}

#[test]
fn who_does_not_answer_is_not_waited_for_without_end() {
    let listener = TcpListener::bind(ANY).unwrap();
    let (place, begun) = (listener.local_addr().unwrap().to_string(), Instant::now());
    let timed_out = "rdate: Could not read data: Connection timed out\n";
    assert_eq!(told(&rdate(&["-p", &place])), failed(1, timed_out));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let peer = Peer::start(|_| None);
    assert_eq!(told(&rdate(&["-pu", &peer.name()])), failed(1, timed_out));
    assert_eq!(peer.heard().len(), 3, "a datagram may be lost");
}

#[test]
fn an_answer_that_took_too_long_is_not_used() {
    let slow = || {
        thread::sleep(Duration::from_millis(300));
        value(5)
    };
    let output = rdate(&["-t", "100", &tcp(ANY, slow).to_string()]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let said = text(&output.stderr);
    assert!(between(&said, "rdate: Network delay exceeded (", " msec)\n") >= 300, "{said}");
    let lines = dated(&rdate(&["-pv", "-t", "5000", &tcp(ANY, slow).to_string()]), 5);
    assert!(between(&lines[1], "rdate: network delay ", " msecs") >= 300, "{lines:?}");
}

/// The number between two texts.
#[track_caller]
fn between(text: &str, before: &str, behind: &str) -> u32 {
    let number = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
    number.unwrap_or_else(|| panic!("{text}")).parse().expect("a number")
}

#[test]
fn of_several_hosts_most_have_to_agree() {
    let (right, wrong) = ([server(5), server(5)], server(3600));
    let output = rdate(&["-pv", &right[0], &wrong, &right[1]]);
    assert_eq!(told(&output).2, format!("rdate: {wrong}: does not agree with the others\n"));
    assert!(text(&output.stdout).ends_with("rdate: adjust local clock by 5 seconds\n"));
    let quiet = rdate(&["-ps", &right[0], &wrong, &right[1]]);
    assert_eq!(told(&quiet), (Some(0), String::new(), String::new()));
    let torn = "rdate: the hosts do not agree: 2 of 2 votes would have to\n";
    assert_eq!(told(&rdate(&["-p", &right[0], &wrong])), failed(1, torn));
}

#[test]
fn a_host_that_is_dead_has_a_vote_that_is_not_given() {
    let (right, dead) = ([server(0), server(0)], "127.0.0.1:1");
    let refused = format!("rdate: {dead}: Could not connect socket: Connection refused\n");
    let output = rdate(&["-p", &right[0], dead, &right[1]]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), refused.clone()));
    let alone = rdate(&["-ps", &right[0], dead]);
    let torn = "rdate: the hosts do not agree: 2 of 2 votes would have to\n";
    assert_eq!(told(&alone), failed(1, &(refused.clone() + torn)));
    let none = rdate(&["-p", dead, dead]);
    assert_eq!(told(&none), failed(1, &(refused.repeat(2) + "rdate: no host has answered\n")));
}

#[test]
fn sntp_is_exact() {
    let peer = ntp(Span::from_millis(5500), |_| {});
    let lines = dated(&rdate(&["-pnv", &peer.name()]), 5);
    let by = lines[0].strip_prefix("rdate: adjust local clock by ").expect("the sentence");
    let by: f64 = by.strip_suffix(" seconds").expect("its end").parse().expect("a number");
    assert!((by - 5.5).abs() < 0.25, "{by}");
    let leaps = dated(&rdate(&["-pncv", &peer.name()]), 32);
    assert!(leaps[0].starts_with("rdate: adjust local clock by 32."), "{leaps:?}");
}

#[test]
fn a_server_that_does_not_know_the_time_is_not_believed() {
    let alarm = ntp(Span::ZERO, |answer| answer[0] |= 0xc0);
    let said =
        "rdate: Ignoring NTP server with alarm flag set\nrdate: Unable to get a reasonable time estimate\n";
    assert_eq!(told(&rdate(&["-pn", &alarm.name()])), failed(1, said));
    let nobody = UdpSocket::bind(ANY).unwrap().local_addr().unwrap().to_string();
    let said = "rdate: Unable to receive NTP packet from server: Connection refused\n\
                rdate: Unable to get a reasonable time estimate\n";
    assert_eq!(told(&rdate(&["-pn", &nobody])), failed(1, said));
}

#[test]
fn without_the_privilege_it_says_so() {
    let (set, adjust) = ("Could not set time of day", "Could not adjust time of day");
    for (options, deed) in
        [(&[][..], set), (&["-s"], set), (&["-v"], set), (&["-a"], adjust), (&["-b", "10"], adjust)]
    {
        let denied = format!("rdate: {deed}: Operation not permitted\n");
        assert_eq!(told(&rdate(&[options, &[&server(5)]].concat())), failed(1, &denied), "{options:?}");
    }
}

/// What the kernel was asked for: in words, and the seconds.
fn deed(output: &Output) -> (String, f64) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    let words: Vec<&str> = said.split_whitespace().collect();
    let [deed @ .., seconds, fraction] = &words[..] else { panic!("{said}") };
    let unit = if deed.contains(&"slew") { 1e-6 } else { 1e-9 };
    let number = |word: &str| word.parse::<f64>().expect("a number");
    (deed.join(" "), number(seconds) + number(fraction) * unit)
}

#[test]
fn the_clock_is_set_as_the_options_want_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = recorder(folder.path()) else { return };
    let servers: Vec<SocketAddr> = [100, -100].map(|seconds| tcp(ANY, move || value(seconds))).into();
    for (options, way) in [
        (&[][..], "set offset"),
        (&["-s"], "set offset"),
        (&["-a"], "slew"),
        (&["-b", "500"], "slew"),
        (&["-b", "50"], "set offset"),
        (&["-ab", "50"], "set offset"),
    ] {
        for (server, seconds) in servers.iter().zip([100.0, -100.0]) {
            let output = rdate_with(&[options, &[&server.to_string()]].concat(), Some(&library));
            let (deed, by) = deed(&output);
            // A value is right for a second, and our clock goes on while it is on its way.
            assert!(deed == way && (by - seconds).abs() < 1.0, "{options:?} {seconds}: {deed} {by}");
        }
    }
    let leaps = deed(&rdate_with(&["-c", &servers[0].to_string()], Some(&library)));
    assert!((leaps.1 - 127.0).abs() < 1.0, "{leaps:?}");
}

#[test]
fn a_clock_that_is_right_to_the_second_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = recorder(folder.path()) else { return };
    for _ in 0..5 {
        let output = rdate_with(&["-v", &server(0)], Some(&library));
        assert_eq!(dated(&output, 0), adjusts(0));
    }
}

#[test]
fn bad_input_94_the_past_is_printed_and_not_believed() {
    let past = tcp(ANY, || 3_000_000_000_u32.to_be_bytes().to_vec()).to_string();
    let printed = text(&rdate(&["-p", &past]).stdout);
    assert!(printed.starts_with("Wed Jan 25 05:20:0") && printed.ends_with(" UTC 1995\n"), "{printed}");
    let said = text(&rdate(&[&past]).stderr);
    assert!(said.starts_with("rdate: the clock is left alone: 1995-01-25T05:20:0"), "{said}");
}
