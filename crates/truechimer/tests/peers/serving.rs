//! Our server, asked by Debian's chronyd, by those who may not ask, and by what is no question.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use truechimer_core::status::Status;

use crate::chronyd::{self, Chronyd};
use crate::daemon::{Daemon, Home, Wishes};
use crate::ntp::{self, CLIENT};
use crate::place::{self, eventually, free_place, free_port};

const PATIENCE: Duration = Duration::from_secs(20);

/// On loopback nothing is further away than this, in seconds.
const NEAR: f64 = 5e-3;

/// An answer on loopback that has not come after this is not coming.
const SILENCE: Duration = Duration::from_millis(300);

/// A home whose daemon listens at a place and asks nobody who answers.
fn listening(at: &str, allow: &str) -> Home {
    let serve = format!("[serve]\nntp = [\"{at}\"]\nallow = [\"{allow}\"]\n");
    Home::new(&Wishes { serve, ..Wishes::asking([free_place()]) })
}

fn asker(from: &str) -> UdpSocket {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket
}

fn answer_to(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut answer = [0; 2048];
    let (len, from) = socket.recv_from(&mut answer).ok()?;
    Some((answer[..len].to_vec(), from))
}

fn left_silent(daemon: &Daemon<'_>) -> u64 {
    let server = daemon.status().server.expect("it serves");
    server.silent.iter().map(|(_, count)| count).sum()
}

#[test]
fn debians_chronyd_selects_us() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let place = free_place();
    let serve = format!("[serve]\nntp = [\"{place}\"]\n");
    let home = Home::new(&Wishes { serve, ..Wishes::asking(servers.iter().map(|server| server.place)) });
    let daemon = home.start();
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
    it_is_selected(&peers, place);
    let server = daemon.status().server.expect("it serves");
    assert!(server.answered > 0 && server.silent.is_empty(), "{server:?}");
    daemon.terminate();
}

fn it_is_selected(peers: &Path, place: SocketAddr) {
    let client = Chronyd::asking(peers, place);
    let ours = chronyd::STRATUM + 1;
    eventually(PATIENCE, "chronyd selects us", || {
        let sources = client.report("sources");
        let [mode, state, _, stratum, ..] = sources.first()?.as_slice() else { return None };
        (mode == "^" && state == "*" && *stratum == ours.to_string()).then_some(())
    });
    // chronyc(1), tracking: the stratum, the last offset, the root delay, the root dispersion and the leap status. The
    // dispersion is large until chronyd has a notion of its own rate.
    let tracking = eventually(PATIENCE, "chronyd tracks us closely", || {
        let tracking = client.report("tracking").into_iter().next()?;
        (number(&tracking, 11)? < NEAR).then_some(tracking)
    });
    assert_eq!(tracking[2], (ours + 1).to_string(), "{tracking:?}");
    assert!(number(&tracking, 5).is_some_and(|offset| offset.abs() < 1e-3), "{tracking:?}");
    assert!(number(&tracking, 10).is_some_and(|delay| delay < NEAR), "{tracking:?}");
    assert_eq!(tracking[13], "Normal", "{tracking:?}");
}

fn number(row: &[String], column: usize) -> Option<f64> {
    row.get(column)?.parse().ok()
}

#[test]
fn bad_inputs_59_60_62_only_questions_are_answered() {
    let place = free_place();
    let home = listening(&place.to_string(), "127.0.0.0/8");
    let daemon = home.start();
    let socket = asker("127.0.0.1");
    let mut bad: Vec<Vec<u8>> = [0, 1, 2, 4, 5, 6, 7].map(|mode| ntp::question(mode, 1).to_vec()).into();
    bad.extend([0, 1, 12, 47].map(|len| ntp::question(CLIENT, 2)[..len].to_vec()));
    bad.extend([0_u8, 5, 6, 7].map(|version| {
        let mut question = ntp::question(CLIENT, 3);
        question[0] = version << 3 | CLIENT;
        question.to_vec()
    }));
    for question in &bad {
        socket.send_to(question, place).unwrap();
    }
    socket.send_to(&ntp::question(CLIENT, 99), place).unwrap();
    let (answer, _) = answer_to(&socket).expect("a question is answered");
    assert_eq!((answer.len(), ntp::origin(&answer)), (48, 99), "and it alone");
    assert_eq!(answer_to(&socket), None);
    assert_eq!(left_silent(&daemon), bad.len() as u64, "each of them is counted");
    daemon.terminate();
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let port = free_port();
    let home = listening(&format!("0.0.0.0:{port}"), "127.0.0.0/8");
    let daemon = home.start();
    let socket = asker("127.0.0.1");
    for asked in
        ["127.0.0.2", "127.0.0.1", "127.9.8.7"].map(|address| SocketAddr::new(address.parse().unwrap(), port))
    {
        socket.send_to(&ntp::question(CLIENT, 1), asked).unwrap();
        let (_, from) = answer_to(&socket).expect("an answer");
        assert_eq!(from, asked);
    }
    daemon.terminate();
}

#[test]
fn who_is_not_allowed_hears_nothing() {
    let port = free_port();
    let home = listening(&format!("0.0.0.0:{port}"), "127.0.0.1/32");
    let daemon = home.start();
    let (stranger, friend) = (asker("127.0.0.3"), asker("127.0.0.1"));
    for socket in [&stranger, &friend] {
        socket.send_to(&ntp::question(CLIENT, 1), ("127.0.0.1", port)).unwrap();
    }
    assert!(answer_to(&friend).is_some());
    assert_eq!(answer_to(&stranger), None);
    assert_eq!(left_silent(&daemon), 1);
    daemon.terminate();
}

#[test]
fn who_knows_no_time_says_so_to_who_asks() {
    let place = free_place();
    let home = listening(&place.to_string(), "127.0.0.0/8");
    let daemon = home.start();
    let socket = asker("127.0.0.1");
    socket.send_to(&ntp::question(CLIENT, 1), place).unwrap();
    let (answer, _) = answer_to(&socket).expect("an answer");
    // Leap indicator 3: unsynchronised (RFC 5905, figure 9).
    assert_eq!(answer[0] >> 6, 3, "{answer:?}");
    daemon.terminate();
}

/// With `xleave` chronyd asks when the last answer left (RFC 9769).
#[test]
fn debians_chronyd_is_told_when_answers_left() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let place = free_place();
    let serve = format!("[serve]\nntp = [\"{place}\"]\nworkers = 2\n");
    let home = Home::new(&Wishes { serve, ..Wishes::asking(servers.iter().map(|server| server.place)) });
    let daemon = home.start();
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
    let client = Chronyd::asking_with(&peers, place, "iburst xleave");
    eventually(PATIENCE, "chronyd uses answers in interleaved mode", || {
        // chronyc(1), ntpdata: whether the last answer was interleaved, authenticated, and who stamped it.
        let report = client.report("ntpdata").into_iter().next()?;
        let is_interleaved = report.windows(3).any(|row| *row == ["Yes", "No", "Kernel"]);
        let server = daemon.status().server.expect("it serves");
        (is_interleaved && server.interleaved > 3 && server.interleaved < server.answered).then_some(())
    });
    let tracking = client.report("tracking").into_iter().next().expect("it tracks");
    assert!(number(&tracking, 5).is_some_and(|offset| offset.abs() < 1e-3), "{tracking:?}");
    daemon.terminate();
}

/// `interleaved = true` asks chronyd, and a Truechimer, when their answers have left.
#[test]
fn we_are_told_when_the_answers_of_debians_chronyd_and_our_own_have_left() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let places: Vec<SocketAddr> = servers.iter().map(|server| server.place).collect();
    let (master_place, interval) = (free_place(), "min_interval = \"1s\"\nmax_interval = \"1s\"");
    let source = |place: &SocketAddr| {
        format!("[[source]]\naddress = \"{place}\"\n{interval}\noperator = \"{place}\"\ninterleaved = true\n")
    };
    let all: String = places.iter().map(source).collect();
    let serve = format!("[serve]\nntp = [\"{master_place}\"]\n");
    let homes = [all + &serve, source(&master_place)];
    let homes = homes.map(|serve| Home::new(&Wishes { serve, ..Wishes::asking([]) }));
    let daemons: Vec<Daemon<'_>> = homes.iter().map(Home::start).collect();
    for daemon in &daemons {
        eventually(PATIENCE, "all have told when answers left", || {
            let sources = daemon.sources().sources;
            sources.iter().all(|source| source.mark == '*' && source.departures > Some(3)).then_some(())
        });
        let shown = String::from_utf8(daemon.command("sources").output().unwrap().stdout).unwrap();
        assert!(shown.contains("; interleaved, "), "{shown}");
        // A server that has just begun says that it does not know the time yet.
        let is_of_the_beginning = |(reason, _): &(String, u32)| reason == "leap_unknown";
        let refused =
            daemon.sources().sources.iter().any(|source| !source.refused.iter().all(is_of_the_beginning));
        assert!(!refused, "{shown}");
    }
    daemons.into_iter().rev().for_each(Daemon::terminate);
}

/// Bad inputs 67 and 68: at the real server, by one host from many ports.
#[test]
fn bad_inputs_67_68_who_asks_too_often_is_answered_one_time_in_four_and_listed() {
    let place = free_place();
    let serve =
        format!("[serve]\nntp = [\"{place}\"]\nlimit_interval = \"10s\"\nlimit_burst = 10\nworkers = 2\n");
    let home = Home::new(&Wishes { serve, ..Wishes::asking([free_place()]) });
    let daemon = home.start();
    for number in 0..400 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&ntp::question(CLIENT, number), place).unwrap();
    }
    let (friend, other) = (asker("127.0.0.2"), asker("127.0.0.3"));
    for socket in [&friend, &other] {
        socket.send_to(&ntp::question(CLIENT, 1), place).unwrap();
        assert!(answer_to(socket).is_some(), "nobody else is hindered");
    }
    let server = daemon.status().server.expect("it serves");
    let limited = server.silent.iter().find(|(why, _)| why == "limited").expect("some are").1;
    assert_eq!((server.answered, limited), (12 + server.leaked, 390 - server.leaked), "{server:?}");
    assert!((60..140).contains(&server.leaked), "{server:?}");
    let listed = daemon.command("clients").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let first: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        (first[0], first[1], first[2]),
        ("127.0.0.1", "400", limited.to_string().as_str()),
        "{listed}"
    );
    assert_eq!(listed.lines().count(), 4, "{listed}");
    daemon.terminate();
}

#[test]
fn a_reload_changes_whom_it_answers_and_loses_no_question() {
    let place = free_place();
    let wishes = |allow: &str| {
        let serve = format!("[serve]\nntp = [\"{place}\"]\nallow = [{allow}]\nlimit_interval = \"0s\"\n");
        Wishes { serve, ..Wishes::asking([free_place()]) }
    };
    let home = Home::new(&wishes("\"127.0.0.1/32\""));
    let daemon = home.start();
    let (always, later) = (asker("127.0.0.1"), asker("127.0.0.2"));
    later.send_to(&ntp::question(CLIENT, 1), place).unwrap();
    assert_eq!(answer_to(&later), None);
    let config = std::fs::read_to_string(home.path("truechimer.toml")).unwrap();
    for round in 0..20 {
        let allowed = if round % 2 == 0 { "\"127.0.0.1/32\", \"127.0.0.2/32\"" } else { "\"127.0.0.1/32\"" };
        let start = config.find("allow = ").expect("it is there");
        let end = start + config[start..].find('\n').expect("a line");
        let changed = format!("{}allow = [{allowed}]{}", &config[..start], &config[end..]);
        std::fs::write(home.path("truechimer.toml"), changed).unwrap();
        daemon.process.signal("HUP");
        for number in 0..50 {
            always.send_to(&ntp::question(CLIENT, number), place).unwrap();
        }
        for _ in 0..50 {
            assert!(answer_to(&always).is_some(), "round {round}");
        }
    }
    eventually(PATIENCE, "the last change holds", || {
        let log = daemon.process.log();
        (log.matches("the configuration was read again").count() > 0).then_some(())
    });
    std::fs::write(home.path("truechimer.toml"), config.replace("allow = ", "alow = ")).unwrap();
    daemon.process.signal("HUP");
    eventually(PATIENCE, "a mistake is told and changes nothing", || {
        daemon.process.log().contains("all goes on as before").then_some(())
    });
    always.send_to(&ntp::question(CLIENT, 1), place).unwrap();
    assert!(answer_to(&always).is_some());
    daemon.terminate();
}

/// Law 5: whoever reads the network cannot set the clock. Capabilities are each thread's own.
#[test]
fn no_thread_of_the_server_may_do_anything_special() {
    let place = free_place();
    let serve = format!("[serve]\nntp = [\"{place}\"]\nworkers = 3\n");
    let home = Home::new(&Wishes { serve, ..Wishes::asking([free_place()]) });
    let daemon = home.start();
    let threads = format!("/proc/{}/task", daemon.process.pid());
    let all: Vec<String> = std::fs::read_dir(threads)
        .unwrap()
        .map(|thread| std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap())
        .collect();
    assert!(all.len() >= 4, "one for the loop, three that answer");
    for status in &all {
        let capabilities = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel says so");
            u64::from_str_radix(line.trim(), 16).expect("a number")
        };
        assert_eq!((capabilities("CapEff:"), capabilities("CapPrm:")), (0, 0), "{status}");
    }
    daemon.terminate();
}
