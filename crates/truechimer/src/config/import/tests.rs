use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

const ORIGINS: [Origin; 5] =
    [Origin::Chrony, Origin::Ntp, Origin::NtpdRs, Origin::Timesyncd, Origin::Clockspeed];

fn imported(origin: Origin, text: &str) -> Imported {
    import_text(Path::new("/nonexistent/it"), text.as_bytes(), Some(origin)).expect("it is a text")
}

fn config(origin: Origin, text: &str) -> Config {
    let imported = imported(origin, text);
    Config::parse("imported", &imported.toml).unwrap_or_else(|error| panic!("{error}\n{}", imported.toml))
}

/// The fates of the parts of one line, in their order.
fn fates(origin: Origin, line: &str) -> Vec<(String, Fate)> {
    let imported = imported(origin, line);
    let said = imported.lines.into_iter().flat_map(|line| line.said);
    said.map(|said| (said.what, said.fate)).collect()
}

fn sources(config: &Config) -> Vec<String> {
    config.sources.iter().map(|source| source.address.to_string()).collect()
}

/// What begins a comment.
fn comments(origin: Origin) -> &'static [char] {
    match origin {
        Origin::Chrony => &['!', ';', '#', '%'],
        Origin::Timesyncd => &[';', '#'],
        Origin::Ntp | Origin::NtpdRs | Origin::Clockspeed => &['#'],
    }
}

/// Each line that says something is in the report once, with a word on it, and the configuration can be used.
fn is_whole(origin: Origin, text: &str) {
    let imported = imported(origin, text);
    let says = |line: &str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with(comments(origin))
    };
    let wanted: Vec<usize> =
        (1..).zip(text.lines()).filter(|(_, line)| says(line)).map(|(number, _)| number).collect();
    let mut told: Vec<usize> = imported.lines.iter().map(|line| line.line).collect();
    told.sort_unstable();
    assert_eq!(told, wanted, "{origin:?} {text:?}");
    for line in &imported.lines {
        assert!(!line.said.is_empty(), "{origin:?} {line:?}");
    }
    Config::parse("imported", &imported.toml).unwrap_or_else(|error| panic!("{error}\n{}", imported.toml));
}

/// The last line counts, and an earlier one was left without a word.
#[test]
fn what_is_said_anew_is_said_to_be() {
    let cases = [
        (Origin::Chrony, "keyfile /etc/a\nkeyfile /etc/b\n"),
        (Origin::Chrony, "minsources 2\nminsources 3\n"),
        (Origin::Chrony, "log tracking\nlog measurements\n"),
        (Origin::Ntp, "keys /etc/a\nkeys /etc/b\n"),
        (Origin::Ntp, "tos minsane 2\ntos minsane 3\n"),
    ];
    for (origin, text) in cases {
        let lines = imported(origin, text).lines;
        let [first, last] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(
            (first.said[0].fate, first.said[0].why.as_str()),
            (Fate::Needless, "a later line says it anew")
        );
        assert!(!last.said.is_empty() && last.said[0].why != first.said[0].why, "{last:?}");
    }
    is_whole(Origin::Ntp, "server 127.127.28.0\nfudge 127.127.28.0\n");
}

/// A reason repeats the word that it is about.
#[test]
fn nothing_of_a_strangers_file_commands_a_terminal() {
    for origin in ORIGINS {
        for word in [
            "MASTER_IP=`\x1b[2J`",
            "server \x1b]0;x\x07",
            "restrict \x1b[2J",
            "makestep \x1b 1",
            "x = \x1b",
            "NTP=\x1b",
        ] {
            let imported = imported(origin, &format!("[Time]\n{word}\n"));
            for shown in [imported.report(), imported.toml.clone(), imported.attention().join("\n")] {
                assert!(
                    !shown.chars().any(|c| c.is_control() && c != '\n'),
                    "{origin:?} {word:?}: {shown:?}"
                );
            }
        }
    }
}

/// Words that these files are made of, some of them wrong.
const WORDS: &str = "(server|pool|peer|refclock|restrict|fudge|allow|deny|allow all|makestep|tos|tinker|minsources|keyfile|keys|\
    include|includefile|confdir|ntsservercert|ntsserverkey|ntsport|port|ratelimit|local stratum|log|trustedkey|nts|\
    interface listen|discard|disable|enable|bindaddress|NTP=|FallbackNTP=|PollIntervalMinSec=|RootDistanceMaxSec=|SNTP_IP=|\
    MASTER=|WAIT=|CLOCK_TYPE=|CLOCK_IP=|\\[Time\\]|\\[\\[source\\]\\]|\\[\\[server\\]\\]|mode = |address = |listen = |count = )";
const VALUES: &str = "( ?(a\\.example|b\\.example|2\\.debian\\.pool\\.ntp\\.org|192\\.0\\.2\\.1|10\\.0\\.0\\.0/8|10\\.1|::1|default|\
    127\\.127\\.28\\.0|SHM|PPS|/dev/pps0|0|1|3|-1|7|4460|iburst|nts|key|minpoll|maxpoll|prefer|trust|noselect|offset|0\\.5|\
    refid|GPS|ignore|noquery|mask|255\\.0\\.0\\.0|minsane|step|panic|measurements|ntp|tai|\"pool\"|\"server\"|\\\\|=|é|x)){0,5}";

fn lines() -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("({WORDS}{VALUES}\n?){{0,12}}")).expect("it is an expression")
}

proptest! {
    #[test]
    fn every_line_of_what_looks_right_is_in_the_report_once(text in lines()) {
        ORIGINS.into_iter().for_each(|origin| is_whole(origin, &text));
    }

    #[test]
    fn every_line_of_any_text_is_in_the_report_once(text in "([^\\x00]{0,30}\n){0,6}") {
        ORIGINS.into_iter().for_each(|origin| is_whole(origin, &text));
    }
}

#[test]
fn a_source_of_chrony_is_one_of_ours() {
    let config = config(
        Origin::Chrony,
        "server a.example port 1123 minpoll 4 maxpoll 9 prefer trust xleave\nserver b.example nts ntsport 4461 require\n\
         pool 2.debian.pool.ntp.org maxsources 3\nserver 2001:db8::1 port 1123\nserver 192.168.0.7 minpoll -3\n",
    );
    assert_eq!(
        sources(&config),
        [
            "a.example:1123",
            "b.example:4461",
            "2.debian.pool.ntp.org",
            "[2001:db8::1]:1123",
            "192.168.0.7:123"
        ]
    );
    let [a, b, pool, _, near] = &config.sources[..] else { panic!("five") };
    assert_eq!((a.min_interval.as_seconds(), a.max_interval.as_seconds()), (16.0, 512.0));
    assert!(a.prefer && a.trust && a.interleaved && b.require);
    assert_eq!(b.kind, crate::config::Kind::Nts);
    assert_eq!(pool.pool.map(|pool| pool.places), Some(3));
    assert_eq!(near.min_interval.as_seconds(), 0.125);
}

#[test]
fn nobody_is_asked_more_often_than_is_polite() {
    let config = config(Origin::Chrony, "server a.example minpoll 0 maxpoll 2\n");
    let source = &config.sources[0];
    assert_eq!((source.min_interval.as_seconds(), source.max_interval.as_seconds()), (16.0, 16.0));
    let fates = fates(Origin::Chrony, "server a.example minpoll 0 maxpoll 2\n");
    assert!(fates.contains(&("minpoll 0 maxpoll 2".to_owned(), Fate::Differs)), "{fates:?}");
}

#[test]
fn what_chrony_does_without_a_word_is_done() {
    let silent = config(Origin::Chrony, "server a.example\n");
    assert_eq!(silent.clock.policy.step_updates, 0);
    assert_eq!(silent.clock.policy.max_slew, truechimer_time::Rate::from_ppb(83_333_000));
    let stepping = config(Origin::Chrony, "makestep 0.5 3\nmaxslewrate 1000\n");
    assert_eq!(stepping.clock.policy.step_updates, 3);
    assert_eq!(stepping.clock.policy.step_threshold, truechimer_time::Span::from_millis(500));
    assert_eq!(stepping.clock.policy.max_slew, truechimer_time::Rate::from_ppb(1_000_000));
    let always = config(Origin::Chrony, "makestep 1 -1\n");
    assert_eq!(always.clock.policy.step_updates, u32::MAX);
}

#[test]
fn nobody_named_is_nobody_asked() {
    for (origin, text) in [
        (Origin::Chrony, "driftfile /x\n"),
        (Origin::Ntp, "driftfile /x\n"),
        (Origin::NtpdRs, "[observability]\n"),
        (Origin::Clockspeed, "WAIT=600\n"),
    ] {
        assert_eq!(sources(&config(origin, text)), Vec::<String>::new(), "{origin:?}");
    }
    let unnamed = imported(Origin::Timesyncd, "[Time]\nNTP=\n");
    assert!(unnamed.warnings[0].contains("nobody is named"), "{:?}", unnamed.warnings);
}

#[test]
fn votes_that_can_never_decide_are_warned_of() {
    let warned = |text: &str| imported(Origin::Chrony, &format!("makestep 1 3\n{text}")).warnings.join("\n");
    assert!(warned("server a.example\n").contains("one source alone"));
    assert!(warned("server a.example\nserver b.example\n").contains("two votes must agree"));
    assert!(warned("refclock PPS /dev/pps0\n").contains("the time is never known"));
    assert!(warned("driftfile /x\n").contains("nobody is asked"));
    assert!(warned("pool ntp.example.org\n").contains("all sources are of one operator"));
    assert!(
        warned("server a.x.org\nserver b.x.org\nserver a.y.org\nserver a.z.org\n")
            .contains("4 sources are of 3 operators")
    );
    assert!(
        warned("server a.x.org\nserver a.y.org\nserver a.z.org\n").is_empty(),
        "three names, three operators"
    );
    assert!(warned("pool 2.debian.pool.ntp.org\n").is_empty());
}

/// One source is believed, as the rule for votes says, so that nothing has to be loosened for it.
#[test]
fn a_majority_is_never_loosened() {
    for text in [
        "server a.example\n",
        "server a.example\nserver b.example\nminsources 1\n",
        "pool pool.ntp.org\nminsources 2\n",
        "ratelimit\nallow\npool pool.ntp.org\nminsources 2\n",
    ] {
        assert_eq!(config(Origin::Chrony, text).trust.min_operators, None, "{text}");
    }
    let strict = config(Origin::Chrony, "pool pool.ntp.org maxsources 4\nminsources 4\n");
    assert_eq!(strict.trust.min_operators, Some(4));
    let too_many = fates(Origin::Chrony, "minsources 3\n");
    assert_eq!(too_many[0].1, Fate::LeftOut, "there are not so many votes");
}

#[test]
fn whom_chrony_answers_is_answered() {
    let config = config(
        Origin::Chrony,
        "allow 192.168/16\ndeny 192.168.7\nallow 2001:db8::/32\nbindaddress 192.168.0.1\nport 1123\nratelimit interval 1 burst 16\n\
         keyfile /k\n",
    );
    let serve = config.serve.expect("somebody is answered");
    assert_eq!(serve.ntp, ["192.168.0.1:1123".parse().unwrap()]);
    assert_eq!(
        serve.allow.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["192.168.0.0/16", "2001:db8::/32"]
    );
    assert_eq!(serve.deny.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.168.7.0/24"]);
    assert_eq!(serve.rate.map(|rate| (rate.interval.as_seconds(), rate.burst)), Some((2.0, 16)));
    assert!(self::config(Origin::Chrony, "bindaddress 192.168.0.1\nratelimit\n").serve.is_none());
    assert!(self::config(Origin::Chrony, "allow\nport 0\n").serve.is_none());
    let nts =
        self::config(Origin::Chrony, "allow\nntsservercert /c.pem\nntsserverkey /k.pem\nntsport 4461\n");
    let nts = nts.serve.and_then(|serve| serve.nts).expect("keys are given");
    assert_eq!(nts.listen, ["0.0.0.0:4461".parse().unwrap(), "[::]:4461".parse().unwrap()]);
}

#[test]
fn reference_clocks_of_chrony_are_ours() {
    let config = config(
        Origin::Chrony,
        "refclock PHC /dev/ptp0 tai\nrefclock PHC /dev/ptp1 offset -37 refid PTP\nrefclock PPS /dev/pps0:clear lock NMEA\n\
         refclock SHM 2 offset 0.35 delay 0.8 refid NMEA\nrefclock SOCK /run/x.sock delay 1e-6\n",
    );
    assert_eq!(sources(&config), ["/dev/ptp0", "/dev/ptp1", "/dev/pps0", "SHM 2", "/run/x.sock"]);
    let of = |at: usize| config.sources[at].reference.expect("a clock").vouched;
    assert_eq!(
        (of(0).scale, of(1).scale),
        (truechimer_core::policy::Scale::Tai, truechimer_core::policy::Scale::Utc)
    );
    assert_eq!(of(1).offset.as_seconds(), -37.0);
    assert_eq!(config.sources[2].reference.map(|clock| clock.edge), Some(super::super::Edge::Clear));
    assert_eq!((of(3).offset.as_seconds(), of(3).error.as_seconds()), (0.35, 0.4));
    assert_eq!(of(4).error.as_seconds(), 0.001, "never less than what is taken for granted");
}

#[test]
fn where_chronyc_asked_it_may_look() {
    let made = imported(Origin::Chrony, "bindcmdaddress /run/chrony/chronyd.sock\n");
    assert!(
        made.toml.contains("[chrony]\n") && made.toml.contains("socket = \"/run/chrony/chronyd.sock\""),
        "{}",
        made.toml
    );
    assert_eq!(fates(Origin::Chrony, "bindcmdaddress 127.0.0.1\n"), [(String::new(), Fate::Differs)]);
    assert_eq!(fates(Origin::Chrony, "bindcmdaddress a.example\n"), [(String::new(), Fate::LeftOut)]);
}

#[test]
fn keys_want_a_file_and_a_file_wants_keys() {
    let keyed = config(Origin::Chrony, "server a.example key 7\nkeyfile /etc/chrony.keys\n");
    assert_eq!(keyed.keys_file.as_deref(), Some(Path::new("/etc/chrony.keys")));
    assert_eq!(fates(Origin::Chrony, "keyfile /etc/chrony.keys\n"), [(String::new(), Fate::Needless)]);
    let lost = imported(Origin::Chrony, "server a.example key 7\nmakestep 1 3\n");
    assert!(lost.warnings.iter().any(|warning| warning.contains("no file of keys")), "{:?}", lost.warnings);
    let serving = imported(Origin::Chrony, "keyfile /k\nallow\n");
    assert!(!serving.is_complete(), "clients may have keys");
}

#[test]
fn ntp_conf_answers_everybody_unless_it_says_otherwise() {
    let open = config(Origin::Ntp, "server a.example\n").serve.expect("ntpd answers");
    assert_eq!(open.allow.len(), 2);
    let closed = "restrict default ignore\nrestrict 192.168.1.0 mask 255.255.255.0 nomodify\n";
    let closed = config(Origin::Ntp, closed).serve.expect("some are answered");
    assert_eq!(closed.allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.168.1.0/24"]);
    assert!(config(Origin::Ntp, "restrict default ignore\n").serve.is_none());
    let bound = "interface ignore wildcard\ninterface listen 192.0.2.7\nrestrict 10.0.0.0/8 noserve\n";
    let bound = config(Origin::Ntp, bound).serve.expect("all but some are answered");
    assert_eq!((bound.ntp.len(), bound.allow.len(), bound.deny.len()), (1, 2, 1));
}

#[test]
fn clocks_of_ntp_conf_are_ours() {
    let config = config(
        Origin::Ntp,
        "server 127.127.28.0 minpoll 4 prefer\nfudge 127.127.28.0 time1 0.4 refid GPS flag1 1\nserver 127.127.22.1\n\
         fudge 127.127.22.1 flag2 1\nserver 127.127.1.0\nfudge 127.127.1.0 stratum 10\nrefclock shm unit 2 refid PPS\n",
    );
    assert_eq!(sources(&config), ["SHM 0", "/dev/pps1", "SHM 2"]);
    assert_eq!(config.sources[0].reference.map(|clock| clock.vouched.offset.as_seconds()), Some(0.4));
    assert_eq!(config.sources[1].reference.map(|clock| clock.edge), Some(super::super::Edge::Clear));
}

#[test]
fn what_is_only_in_ntp_conf_is_understood() {
    let made = config(
        Origin::Ntp,
        "server a.example nts\nserver b.example key 7\nkeys /k\ntrustedkey 7\nnts ca /ca.pem\ntinker panic 0 step 0.5\n\
         tos maxdist 2\ndisable ntp monitor\nleapfile /l\nleapsmearinterval 86400\n",
    );
    assert_eq!(made.sources[0].ca.as_deref(), Some(Path::new("/ca.pem")));
    assert_eq!(made.keys_file.as_deref(), Some(Path::new("/k")));
    assert_eq!(made.clock.policy.step_threshold.as_seconds(), 0.5);
    assert!(made.clock.policy.panic.as_seconds() > 3e9);
    assert_eq!(made.trust.max_distance.as_seconds(), 2.0);
    assert_eq!(made.clock.target, crate::config::Target::User);
    assert!(made.serve.is_some_and(|serve| serve.leap_smear.is_some()));
    let secret = imported(Origin::Ntp, "crypto pw hunter2\n");
    assert!(!secret.report().contains("hunter2"), "{}", secret.report());
}

#[test]
fn ntp_toml_is_understood() {
    let made = config(
        Origin::NtpdRs,
        "[source-defaults]\npoll-interval-limits = { min = 5, max = 9 }\n[[source]]\nmode = \"nts\"\naddress = \"a.example\"\n\
         certificate-authority = \"/ca.pem\"\n[[source]]\nmode = \"pool\"\naddress = \"pool.ntp.org\"\ncount = 3\n\
         [[source]]\nmode = \"server\"\naddress = \"b.example:1123\"\npoll-interval-limits = { min = 6, max = 6 }\n\
         [[server]]\nlisten = \"0.0.0.0:123\"\nallowlist = { filter = [\"10.1.2.3/8\"], action = \"ignore\" }\n\
         rate-limiting-cutoff-ms = 1000\n[[server]]\nlisten = \"[::1]:123\"\n[synchronization]\nminimum-agreeing-sources = 4\n\
         single-step-panic-threshold = 10\n[observability]\nlog-level = \"warn\"\n\
         [[nts-ke-server]]\nlisten = \"0.0.0.0:4460\"\ncertificate-chain-path = \"/c\"\nprivate-key-path = \"/k\"\n",
    );
    assert_eq!(sources(&made), ["a.example:4460", "pool.ntp.org", "b.example:1123"]);
    let of =
        |at: usize| (made.sources[at].min_interval.as_seconds(), made.sources[at].max_interval.as_seconds());
    assert_eq!((of(0), of(1), of(2)), ((32.0, 512.0), (32.0, 512.0), (64.0, 64.0)));
    assert_eq!(made.sources[0].ca.as_deref(), Some(Path::new("/ca.pem")));
    assert_eq!((made.clock.policy.panic.as_seconds(), made.log), (10.0, crate::config::Level::Warn));
    assert_eq!(made.trust.min_operators, Some(4));
    let serve = made.serve.expect("it serves");
    assert_eq!(serve.ntp, ["0.0.0.0:123".parse().unwrap()], "the other place has another list of clients");
    assert_eq!(serve.allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8"]);
    assert!(serve.nts.is_some());
    let broken = imported(Origin::NtpdRs, "[[source]]\nmode = \n");
    assert!(broken.lines.iter().all(|line| line.said[0].why.contains("not TOML")), "{}", broken.report());
}

#[test]
fn timesyncd_conf_is_understood() {
    let made = config(
        Origin::Timesyncd,
        "[Time]\nNTP=a.example b.example \\\n  c.example\nFallbackNTP=d.example\nPollIntervalMinSec=1min\nPollIntervalMaxSec=34min 8s\n\
         RootDistanceMaxSec=2\n",
    );
    assert_eq!(sources(&made), ["a.example", "b.example", "c.example"]);
    assert_eq!(made.sources[2].max_interval.as_seconds(), 2048.0);
    assert_eq!(made.sources[0].min_interval.as_seconds(), 60.0);
    assert_eq!(made.trust.max_distance.as_seconds(), 2.0);
    let spare = config(Origin::Timesyncd, "[Time]\nNTP=a.example\nNTP=\nFallbackNTP=d.example e.example\n");
    assert_eq!(sources(&spare), ["d.example", "e.example"]);
}

#[test]
fn what_is_not_known_is_said_to_be_unknown() {
    for (origin, line) in [
        (Origin::Chrony, "colour red"),
        (Origin::Ntp, "colour red"),
        (Origin::NtpdRs, "colour = \"red\""),
        (Origin::Timesyncd, "[Time]\nColour=red"),
        (Origin::Chrony, "makestep"),
        (Origin::Chrony, "server a.example colour"),
    ] {
        let imported = imported(origin, line);
        assert!(!imported.is_complete(), "{line}");
        assert!(imported.report().contains("unknown"), "{}", imported.report());
        assert_eq!(imported.to_json()["complete"], false);
    }
}

/// Files in a folder of their own, and what comes of the first.
fn files(files: &[(&str, &[u8])]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
    let first = folder.path().join(files[0].0);
    (folder, first)
}

#[test]
fn included_files_are_read_where_they_are() {
    let (_folder, main) = files(&[
        (
            "chrony.conf",
            b"include more/*.conf\nconfdir a b\nsourcedir s\nserver last.example\nmakestep 1 3\n",
        ),
        ("more/2.conf", b"server two.example\n"),
        ("more/1.conf", b"server one.example\ninclude deeper\n"),
        ("more/deeper", b"server deep.example\n"),
        ("a/x.conf", b"server x.example\n"),
        ("b/x.conf", b"server hidden.example\n"),
        ("b/y.conf", b"server y.example\n"),
        ("s/z.sources", b"server z.example\nmakestep 5 5\n"),
    ]);
    let imported = import(&main, None).expect("it can be read");
    let config = Config::parse("t", &imported.toml).expect("it can be used");
    assert_eq!(
        sources(&config),
        ["one.example", "deep.example", "two.example", "x.example", "y.example", "z.example", "last.example"]
    );
    assert_eq!(
        imported.lines.iter().filter(|line| line.said.iter().any(|said| said.fate.is_loss())).count(),
        1
    );
    assert_eq!(config.clock.policy.step_updates, 3, "a file of sources says nothing else");
}

#[test]
fn folders_beside_the_file_are_read_too() {
    let (folder, main) = files(&[
        ("timesyncd.conf", b"[Time]\nNTP=a.example\n"),
        ("timesyncd.conf.d/2.conf", b"[Time]\nNTP=c.example\n"),
        ("timesyncd.conf.d/1.conf", b"[Time]\nNTP=\nNTP=b.example\n"),
        ("ntp.conf", b"server a.example\n"),
        ("ntp.d/more.conf", b"server b.example\n"),
    ]);
    let sources_of = |path: &Path| {
        let imported = import(path, None).expect("it can be read");
        sources(&Config::parse("t", &imported.toml).expect("it can be used"))
    };
    assert_eq!(sources_of(&main), ["b.example", "c.example"]);
    assert_eq!(sources_of(&folder.path().join("timesyncd.conf.d")), ["b.example", "c.example"]);
    assert_eq!(sources_of(&folder.path().join("ntp.conf")), ["a.example", "b.example"]);
    let error = import(folder.path(), None).expect_err("a folder of anything");
    assert!(error.to_string().contains("is a folder"), "{error}");
}

/// Bad input 124: circles, chains and crowds of files.
#[test]
fn bad_input_124_files_that_include_each_other_end() {
    let (folder, main) = files(&[("a", b"include b\nserver a.example\n"), ("b", b"include a\n")]);
    let told = import(&main, Some(Origin::Chrony)).expect("it can be read").report();
    assert!(told.contains("includes itself"), "{told}");
    for number in 0..20 {
        fs::write(folder.path().join(format!("c{number}")), format!("include c{}\n", number + 1))
            .expect("a file");
    }
    let told = import(&folder.path().join("c0"), Some(Origin::Chrony)).expect("it can be read").report();
    assert!(told.contains("deeper than 10 files"), "{told}");
    fs::create_dir(folder.path().join("many")).expect("a folder");
    for number in 0..80 {
        fs::write(folder.path().join(format!("many/{number}.conf")), "driftfile /x\n").expect("a file");
    }
    fs::write(folder.path().join("d"), "confdir many\n").expect("a file");
    let told = import(&folder.path().join("d"), Some(Origin::Chrony)).expect("it can be read").report();
    assert!(told.contains("one file more than the 64"), "{told}");
}

/// Bad input 124: what is no text, or no end.
#[test]
fn bad_input_124_what_is_no_configuration_is_refused_with_a_word() {
    let (folder, binary) =
        files(&[("chrony.conf", b"server a.example\n\0\x01\x02"), ("long", &[b'x'; 2 << 20])]);
    let refused = |path: &Path| import(path, Some(Origin::Chrony)).expect_err("it is refused").to_string();
    assert!(refused(&binary).contains("a NUL in line 2"), "{}", refused(&binary));
    assert!(refused(&folder.path().join("long")).contains("larger than"));
    let zero = folder.path().join("zero");
    symlink("/dev/zero", &zero).expect("a link");
    assert!(refused(&zero).contains("is not a regular file"), "{}", refused(&zero));
    assert!(refused(&folder.path().join("none")).contains("No such file"));
    let huge = fs::File::create(folder.path().join("huge")).expect("a file");
    huge.set_len(1 << 30).expect("a hole");
    assert!(refused(&folder.path().join("huge")).contains("larger than"));
    fs::write(folder.path().join("lines"), "allow\n".repeat(5000)).expect("a file");
    assert!(refused(&folder.path().join("lines")).contains("more lines than the 4096"));
    let include = folder.path().join("include");
    fs::write(&include, "include zero\ninclude none\ninclude chrony.conf\n").expect("a file");
    let told = import(&include, Some(Origin::Chrony)).expect("it can be read");
    assert!(told.lines.iter().all(|line| line.said[0].fate == Fate::LeftOut), "{}", told.report());
}

/// Bad input 124: what a terminal would obey is shown as something else.
#[test]
fn bad_input_124_a_report_commands_no_terminal() {
    for origin in ORIGINS {
        let imported = imported(origin, "server a\x1b[31m.example \x07\ninclude \x1b]0;x\nNTP=\x1b[2J\n");
        let all = format!("{}{}{}", imported.report(), imported.toml, imported.attention().join("\n"));
        assert!(!all.chars().any(|c| c.is_control() && c != '\n'), "{all:?}");
    }
}

/// The manual names each directive that has a word here.
#[test]
fn the_manual_has_every_directive() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manual/import.md");
    let manual = fs::read_to_string(path).expect("the manual is there");
    let (chrony, ntp) = (chrony::vocabulary(), ntp::vocabulary());
    let missing: Vec<&str> =
        chrony.into_iter().chain(ntp).filter(|word| !manual.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "docs/manual/import.md lacks {missing:?}");
}
