//! Debian's chronyc, which asks our daemon as if it were chronyd, and its collectd, which has a chronyc of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use truechimer::talk::{SourceReply, SourcesReply, StatusReply};

use crate::chronyd::Chronyd;
use crate::daemon::{Daemon, Home, Wishes};
use crate::place::{self, eventually, free_place, free_port};
use crate::process::{Launch, Process};

/// A loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Debian's chronyc, and where it asks.
struct Chronyc {
    program: PathBuf,
    place: SocketAddr,
}

/// Lines of comma separated values.
type Values = Vec<Vec<String>>;

impl Chronyc {
    fn at(peers: &Path, place: SocketAddr) -> Self {
        Self { program: peers.join("usr/bin/chronyc"), place }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(["-h", &self.place.ip().to_string(), "-p", &self.place.port().to_string()]);
        command.args(arguments).output().unwrap()
    }

    /// What it prints for people, if it is content.
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn values(&self, what: &str) -> Values {
        values(&self.text(&["-c", "-n", what]))
    }
}

fn values(text: &str) -> Values {
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

#[track_caller]
fn is_near(value: &str, told: Option<f64>, margin: f64) {
    let told = told.expect("it is known");
    assert!((number(value) - told).abs() <= margin, "chronyc has {value}, the daemon {told}");
}

fn serving(peers: &Path, host: u8) -> Chronyd {
    Chronyd::serving_at(peers, (Ipv4Addr::new(127, 0, 0, host), free_port()).into())
}

/// A daemon that asks these and can be asked by chronyc; `more` stands in its configuration before that.
fn asked_of(servers: &[&Chronyd], more: &str) -> (Home, SocketAddr) {
    let place = free_place();
    let serve = format!("{more}[chrony]\nlisten = [\"{place}\"]\n");
    let sources = servers.iter().map(|server| server.place);
    (Home::new(&Wishes { serve, ..Wishes::asking(sources) }), place)
}

/// All that is known at one moment: what chronyc prints between two reports of the daemon that have heard as many answers.
struct Still {
    status: StatusReply,
    sources: SourcesReply,
    printed: Vec<Values>,
}

fn stand_still(daemon: &Daemon<'_>, chronyc: &Chronyc, commands: &[&str]) -> Still {
    let answers = || daemon.status().traffic.answers;
    eventually(PATIENCE, "nothing is heard for a while", || {
        let before = answers();
        let (status, sources) = (daemon.status(), daemon.sources());
        let printed = commands.iter().map(|what| chronyc.values(what)).collect();
        (answers() == before).then_some(Still { status, sources, printed })
    })
}

/// What the daemon says of the source that chronyc knows by this address.
fn of<'a>(sources: &'a SourcesReply, address: &str) -> &'a SourceReply {
    let is_it = |source: &&SourceReply| source.address.is_some_and(|it| it.ip().to_string() == address);
    sources.sources.iter().find(is_it).unwrap_or_else(|| panic!("there is no source {address}"))
}

/// chronyc's sign for what the daemon says.
fn sign(source: &SourceReply) -> &'static str {
    match (source.mark, source.upstream) {
        ('*', true) => "*",
        ('*', false) => "+",
        ('x', _) => "x",
        ('-', _) => "-",
        ('~', _) => "~",
        (_, _) => "?",
    }
}

fn is_tracking(values: &Values, status: &StatusReply, sources: &SourcesReply) {
    let row = &values[0];
    let upstream = sources.sources.iter().find(|source| source.upstream).expect("there is one");
    assert_eq!(row[1], upstream.address.unwrap().ip().to_string());
    assert_eq!(row[2], status.stratum.to_string());
    is_near(&row[4], status.offset, 1e-3);
    is_near(&row[7], status.counter_ppm, 1e-3);
    is_near(&row[8], upstream.residual_ppm.map(|ours| -ours), 1e-3);
    is_near(&row[9], Some(status.counter_error_ppm), 1e-3 + status.counter_error_ppm * 1e-3);
    let bound = number(&row[10]) / 2.0 + number(&row[11]);
    is_near(&bound.to_string(), status.bound, 1e-3);
    assert_eq!(row[13], "Normal");
}

fn is_list(values: &Values, sources: &SourcesReply) {
    assert_eq!(values.len(), sources.sources.len());
    for row in values {
        let source = of(sources, &row[2]);
        assert_eq!((row[0].as_str(), row[1].as_str()), ("^", sign(source)), "{row:?}");
        assert_eq!(row[3], source.stratum.unwrap().to_string());
        assert_eq!(row[5], format!("{:o}", source.reach));
        is_near(&row[6], source.age, 1.5);
        is_near(&row[7], source.adjusted.map(|ours| -ours), 1e-3);
        is_near(&row[8], source.measured.map(|ours| -ours), 1e-6);
        is_near(&row[9], source.distance, 1e-6);
    }
}

fn is_statistics(values: &Values, sources: &SourcesReply) {
    assert_eq!(values.len(), sources.sources.len());
    for row in values {
        let source = of(sources, &row[0]);
        let spread = source.spread.expect("it has said something");
        assert_eq!(
            (row[1].as_str(), row[2].as_str()),
            (&*spread.samples.to_string(), &*spread.runs.to_string())
        );
        is_near(&row[3], Some(spread.span.floor()), 0.0);
        is_near(&row[4], source.residual_ppm.map(|ours| -ours), 1e-3);
        is_near(&row[5], source.residual_error_ppm, 1e-2);
        is_near(&row[6], source.offset.map(|ours| -ours), 1e-3);
        is_near(&row[7], Some(spread.deviation), 1e-6);
    }
}

fn is_selection(values: &Values, sources: &SourcesReply) {
    assert_eq!(values.len(), sources.sources.len());
    for row in values {
        let source = of(sources, &row[1]);
        assert_eq!((row[0].as_str(), row[2].as_str()), (sign(source), "N"), "{row:?}");
        assert!(row[3..13].iter().all(|option| option == "-"), "{row:?}");
        is_near(&row[15], source.highest.map(|ours| -ours), 1e-3);
        is_near(&row[16], source.lowest.map(|ours| -ours), 1e-3);
        assert_eq!(row[17], "Normal");
    }
}

#[test]
fn what_chronyc_prints_is_what_the_daemon_says() {
    let Some(peers) = place::peers() else { return };
    let liar = Chronyd::ahead(&peers, 5);
    let honest = [2, 3, 4].map(|host| serving(&peers, host));
    let (home, place) = asked_of(&[&honest[0], &honest[1], &honest[2], &liar], "");
    let (daemon, chronyc) = (home.start(), Chronyc::at(&peers, place));
    eventually(PATIENCE, "a majority, and who is against it", || {
        let counts = daemon.status().sources;
        (counts.truechimers == 3 && counts.falsetickers == 1).then_some(())
    });
    let commands = ["tracking", "sources", "sourcestats", "selectdata", "activity", "authdata"];
    let Still { status, sources, printed } = stand_still(&daemon, &chronyc, &commands);
    let [tracking, list, statistics, selection, activity, protection] = &printed[..] else { panic!() };
    is_tracking(tracking, &status, &sources);
    is_list(list, &sources);
    is_statistics(statistics, &sources);
    is_selection(selection, &sources);
    assert_eq!(*activity, values("4,0,0,0,0"));
    assert!(protection.len() == 4 && protection.iter().all(|row| row[1] == "-"), "{protection:?}");
    let lie = list.iter().find(|row| row[1] == "x").expect("there is a liar");
    is_near(&lie[8], Some(-5.0), 0.5);
    daemon.terminate();
}

#[test]
fn people_read_chronycs_tables_of_us() {
    let Some(peers) = place::peers() else { return };
    let honest = [2, 3, 4].map(|host| serving(&peers, host));
    let (home, place) = asked_of(&[&honest[0], &honest[1], &honest[2]], "");
    let (daemon, chronyc) = (home.start(), Chronyc::at(&peers, place));
    eventually(PATIENCE, "a majority", || (daemon.status().sources.truechimers == 3).then_some(()));
    let list = chronyc.text(&["-N", "sources", "-v"]);
    // With -N it asks us for names, by address: those of the configuration.
    for server in &honest {
        let name = server.place.to_string();
        assert!(list.lines().any(|line| line.contains(&name)), "{name} is not in\n{list}");
    }
    assert_eq!(list.lines().filter(|line| line.starts_with("^*")).count(), 1, "{list}");
    assert_eq!(list.lines().filter(|line| line.starts_with("^+")).count(), 2, "{list}");
    for what in ["sourcestats", "selectdata"] {
        assert!(chronyc.text(&["-n", what, "-v"]).lines().any(|line| line.contains("127.0.0.2")));
    }
    let tracking = chronyc.text(&["-n", "tracking"]);
    assert!(
        tracking.contains("Stratum         : 9\n") && tracking.contains("Leap status     : Normal\n"),
        "{tracking}"
    );
    assert!(chronyc.text(&["activity"]).starts_with("200 OK\n3 sources online\n"));
    assert!(chronyc.text(&["-n", "waitsync", "1", "1"]).contains("refid: 7F0000"));
    let ours = |command: &str| String::from_utf8(daemon.command(command).output().unwrap().stdout).unwrap();
    assert!(ours("sourcestats").contains(&honest[0].place.to_string()));
    assert!(ours("selectdata").contains("votes with 2 other operators, 0 against"));
    daemon.terminate();
}

/// All sources are 5 s ahead, and the clock may not step: so it is slow by 5 s, and stays so for long.
#[test]
fn a_clock_that_is_slow_is_slow_to_chronyc_too() {
    let Some(peers) = place::peers() else { return };
    let servers = [0; 3].map(|_| Chronyd::ahead(&peers, 5));
    let (home, place) =
        asked_of(&[&servers[0], &servers[1], &servers[2]], "step_updates = 0\nmax_slew = \"100ppm\"\n");
    let (daemon, chronyc) = (home.start(), Chronyc::at(&peers, place));
    let tracking = eventually(PATIENCE, "the error is known", || {
        let tracking = chronyc.text(&["-n", "tracking"]);
        tracking.contains("Leap status     : Normal").then_some(tracking)
    });
    let line = tracking.lines().find(|line| line.starts_with("System time")).expect("it tells it");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[4..], ["seconds", "slow", "of", "NTP", "time"], "{line}");
    assert!((4.0..6.0).contains(&number(words[3])), "{line}");
    assert!(daemon.status().offset.is_some_and(|offset| (4.0..6.0).contains(&offset)));
    is_near(&chronyc.values("sources")[0][7], Some(-5.0), 1.0);
    daemon.terminate();
}

#[test]
fn before_anything_is_known_chronyc_says_so() {
    let Some(peers) = place::peers() else { return };
    let place = free_place();
    let serve = format!("[chrony]\nlisten = [\"{place}\"]\n");
    let home = Home::new(&Wishes { serve, ..Wishes::asking([free_place()]) });
    let (daemon, chronyc) = (home.start(), Chronyc::at(&peers, place));
    let row = &chronyc.values("tracking")[0];
    assert_eq!((row[0].as_str(), row[2].as_str(), row[13].as_str()), ("00000000", "0", "Not synchronised"));
    assert_eq!(chronyc.values("sources")[0][1], "?");
    assert_eq!(chronyc.values("selectdata")[0][0], "M");
    daemon.terminate();
}

#[test]
fn chronyc_counts_what_we_serve() {
    let Some(peers) = place::peers() else { return };
    let honest = [2, 3, 4].map(|host| serving(&peers, host));
    let ntp = free_place();
    let (home, place) =
        asked_of(&[&honest[0], &honest[1], &honest[2]], &format!("[serve]\nntp = [\"{ntp}\"]\n"));
    let (daemon, chronyc) = (home.start(), Chronyc::at(&peers, place));
    for _ in 0..3 {
        eventually(PATIENCE, "our server answers", || crate::ntp::answers(ntp));
    }
    let answered = daemon.status().server.expect("it serves").answered;
    let row = &chronyc.values("serverstats")[0];
    assert!(answered >= 3);
    assert_eq!(row[0], answered.to_string(), "NTP packets received");
    assert_eq!(row[1], "0", "none dropped");
    assert!(number(&row[2]) >= 1.0, "this question itself");
    assert!(chronyc.text(&["serverstats"]).starts_with("NTP packets received"));
    let ours = daemon.command("serverstats").output().unwrap();
    assert!(String::from_utf8_lossy(&ours.stdout).contains(&format!("answered     {answered} questions")));
    daemon.terminate();
}

#[test]
fn chronyc_may_look_and_change_nothing() {
    let Some(peers) = place::peers() else { return };
    let (home, place) = {
        let place = free_place();
        let serve = format!("[chrony]\nlisten = [\"{place}\"]\n");
        (Home::new(&Wishes { serve, ..Wishes::asking([free_place()]) }), place)
    };
    let (daemon, chronyc) = (home.start(), Chronyc::at(&peers, place));
    let orders: [&[&str]; 7] = [
        &["makestep"],
        &["burst", "1/1"],
        &["offline"],
        &["add", "server", "192.0.2.1"],
        &["settime", "12:00"],
        &["clients"],
        &["shutdown"],
    ];
    for order in orders {
        let output = chronyc.run(order);
        assert!(!output.status.success(), "{order:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("501 Not authorised"),
            "{order:?}: {output:?}"
        );
    }
    assert!(
        String::from_utf8_lossy(&chronyc.run(&["rtcdata"]).stdout).contains("513 RTC driver not running")
    );
    assert!(
        String::from_utf8_lossy(&chronyc.run(&["smoothing"]).stdout).contains("505 Facility not enabled")
    );
    assert_eq!(daemon.status().version, 1, "it goes on to talk");
    daemon.terminate();
}

#[test]
fn chronyc_asks_at_a_socket_in_the_file_system() {
    let Some(peers) = place::peers() else { return };
    let honest = [2, 3, 4].map(|host| serving(&peers, host));
    let home = Home::new(&Wishes::asking(honest.iter().map(|server| server.place)));
    let socket = home.path("run/chronyd.sock");
    let serve = format!("[chrony]\nlisten = []\nsocket = {socket:?}\n");
    home.rewrite(&Wishes { serve, ..Wishes::asking(honest.iter().map(|server| server.place)) });
    let daemon = home.start();
    eventually(PATIENCE, "a majority", || (daemon.status().sources.truechimers == 3).then_some(()));
    let mut command = Command::new(peers.join("usr/bin/chronyc"));
    let output = command.args(["-c", "-n", "-h"]).arg(&socket).arg("sources").output().unwrap();
    let rows = values(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(rows.iter().filter(|row| row[1] == "*").count(), 1, "{rows:?}");
    assert_eq!(rows.len(), 3);
    daemon.terminate();
    assert!(!socket.exists());
}

/// A collectd that asks there, and writes what it hears into a file for each value.
fn collectd(peers: &Path, place: SocketAddr, folder: &Path) -> Process {
    let config = format!(
        "BaseDir {folder:?}\nPIDFile {:?}\nPluginDir {:?}\nTypesDB {:?}\nHostname \"here\"\nInterval 1\n\
         LoadPlugin chrony\n<Plugin chrony>\nHost \"{}\"\nPort \"{}\"\n</Plugin>\n\
         LoadPlugin csv\n<Plugin csv>\nDataDir {:?}\n</Plugin>\n",
        folder.join("pid"),
        peers.join("usr/lib/collectd"),
        peers.join("usr/share/collectd/types.db"),
        place.ip(),
        place.port(),
        folder.join("values"),
    );
    let path = folder.join("collectd.conf");
    fs::write(&path, config).unwrap();
    Process::start(&Launch {
        program: &peers.join("usr/sbin/collectd"),
        arguments: ["-f".into(), "-C".into(), path.into()].into(),
        environment: Vec::new(),
        namespace: None,
        log: folder.join("log"),
    })
}

/// The last value that collectd has written by this name, whatever the day is.
fn collected(folder: &Path, name: &str) -> Option<f64> {
    let files = fs::read_dir(folder.join("values/here/chrony")).ok()?.flatten();
    let mut files = files.filter(|file| file.file_name().to_string_lossy().starts_with(name));
    let text = fs::read_to_string(files.next()?.path()).ok()?;
    text.lines().last()?.split(',').nth(1)?.parse().ok()
}

#[test]
fn collectd_takes_us_for_chronyd() {
    let Some(peers) = place::peers() else { return };
    let liar = Chronyd::ahead(&peers, 5);
    let honest = [2, 3, 4].map(|host| serving(&peers, host));
    let (home, place) = asked_of(&[&honest[0], &honest[1], &honest[2], &liar], "");
    let daemon = home.start();
    eventually(PATIENCE, "a majority, and who is against it", || {
        let counts = daemon.status().sources;
        (counts.truechimers == 3 && counts.falsetickers == 1).then_some(())
    });
    // collectd writes to no folder whose name begins with a dot.
    let folder = tempfile::Builder::new().prefix("truechimer-collectd-").tempdir().unwrap();
    let _collectd = collectd(&peers, place, folder.path());
    let value = |name: &str| eventually(PATIENCE, name, || collected(folder.path(), name));
    assert_eq!(value("clock_stratum-chrony-"), 9.0);
    assert_eq!(value("clock_stratum-127.0.0.2-"), 8.0);
    assert_eq!(value("clock_state-127.0.0.1-"), 2.0, "a falseticker, by chrony's number");
    let offset = value("time_offset-127.0.0.1-");
    assert!((offset + 5.0).abs() < 0.5, "{offset}");
    daemon.terminate();
}
