use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;
use truechimer_core::policy::{SOURCES_MAX, Scale};
use truechimer_core::server::smear::Smear;
use truechimer_time::Rate;

use super::*;

/// A folder of our own that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("truechimer-config-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("conf.d")).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    /// Loads as if the folder were `/etc/truechimer`.
    fn load(&self) -> Result<Config, String> {
        let all =
            read::standard_files(&self.0.join("truechimer.toml")).and_then(|files| read::read_all(&files));
        all.and_then(|texts| check::checked(&texts)).map_err(|error| self.error(&error))
    }

    fn error(&self, error: &ConfigError) -> String {
        error.to_string().replace(&self.0.display().to_string(), "DIR")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("t", text).map_err(|error| error.to_string())
}

#[test]
fn nothing_written_is_the_defaults() {
    assert_eq!(parse(""), Ok(Config::defaults()));
    assert_eq!(Folder::new("empty").load(), Ok(Config::defaults()));
}

#[test]
fn the_default_sources_outvote_two_liars() {
    let config = Config::defaults();
    assert!(config.operators() >= 5);
    assert!(config.sources.iter().all(|source| source.address.literal().is_none()));
    let smeared = ["google", "android", "facebook", "amazon", "aws"];
    assert!(!config.sources.iter().any(|s| smeared.iter().any(|name| s.address.to_string().contains(name))));
}

#[test]
fn the_defaults_are_shown_and_read_back() {
    let config = Config::defaults();
    assert_eq!(parse(&config.to_toml()), Ok(config));
}

#[test]
fn every_key_is_shown_and_read_back() {
    let text = r#"
        accuracy = "250us"
        user = "_ntp"
        keys.file = "/k"
        [[source]]
        address = "[2001:db8::1]:4123"
        kind = "ntp"
        key = 4294967295
        min_interval = "16s"
        max_interval = "7884000s"
        burst = 0
        operator = "the \"lab\""
        prefer = true
        trust = true
        require = true
        interleaved = true
        [clock]
        target = "user"
        step_threshold = "1.5s"
        step_updates = 0
        step_after_interruption = "90min"
        steps_per_day = 24
        max_slew = "83333ppm"
        panic = "1d"
        [assume]
        max_rate = "100000ppm"
        max_drift = "1ppb"
        sudden = "1ppb"
        [select]
        max_delay = "1ms"
        max_distance = "16s"
        [serve]
        ntp = ["127.0.0.1:123", "[::]:123"]
        allow = ["10.0.0.0/8", "2001:db8::/32"]
        key = [{ id = 7, allow = ["10.0.0.7", "2001:db8::/64"] }, { id = 8, allow = [] }]
        [classic]
        home = "/h"
        kernel = "tai-10"
        master = "clock1"
        master_address = "10.0.0.1:9"
        master_kind = "ntp"
        master_labels = "utc"
        first_wait = "20s"
        longest_wait = "30s"
        status = "/s"
        [state]
        dir = "/a"
        run_dir = "/b"
        [statistics]
        dir = "/c"
        max_size = "100KiB"
        keep = 0
        [log]
        level = "trace"
        [leap]
        file = "/d"
    "#;
    let config = parse(text).unwrap();
    assert_eq!(parse(&config.to_toml()), Ok(config.clone()));
    assert_eq!(config.sources[0].operator, "the \"lab\"");
    assert_eq!(config.clock.policy.max_slew, Rate::from_ppb(83_333_000));
    assert_eq!(config.clock.policy.step_threshold, Span::from_millis(1500));
    assert_eq!(config.clock.policy.mending.map(|leave| leave.per_day), Some(24));
    assert_eq!(config.trust.max_drift, Rate::from_ppb(1));
    assert_eq!(config.sources[0].key.map(KeyId::get), Some(u32::MAX));
    let served = |serve: Serve| (serve.ntp.len(), serve.allow.len(), serve.keys.len());
    assert_eq!(config.serve.map(served), Some((2, 2, 2)));
    assert_eq!([config.keys_file, config.leap_file], ["/k", "/d"].map(|it| Some(it.into())));
}

/// The limits of the intervals of the first source.
fn limits(text: &str) -> (i64, i64) {
    let source = parse(text).unwrap().sources.swap_remove(0);
    let seconds = |span: Span| span.as_nanos() / 1_000_000_000;
    (seconds(source.min_interval), seconds(source.max_interval))
}

#[test]
fn the_longest_interval_does_not_stand_in_the_way_of_what_is_stated_unless_it_is_written() {
    let own = "[[source]]\naddress = \"a.example\"\n";
    let written = format!("{own}max_interval = \"1024s\"\n");
    for sources in ["", own] {
        assert_eq!(limits(sources), (64, 1024));
        assert_eq!(limits(&format!("accuracy = \"1ms\"\n{sources}")), (64, 129_600));
        assert_eq!(limits(&format!("schedule = \"classic\"\n{sources}")), (600, 7_884_000));
    }
    assert_eq!(limits(&format!("accuracy = \"1ms\"\n{written}")), (64, 1024));
    assert_eq!(limits(&format!("schedule = \"classic\"\n{written}")), (600, 1024));
}

#[test]
fn the_schedule_is_shown_and_read_back() {
    for text in ["schedule = \"classic\"", "schedule = \"adaptive\"\naccuracy = \"1ms\""] {
        let config = parse(text).unwrap();
        assert_eq!(parse(&config.to_toml()), Ok(config.clone()));
        assert_eq!(config.policy(&Keys::default()).rhythm, config.schedule);
    }
}

#[test]
fn the_node_is_told_what_is_written() {
    let text = "[[source]]\naddress = \"192.0.2.1\"\noperator = \"x\"\nburst = 2\n\
                [[source]]\naddress = \"ntp.example.net\"\n";
    let policy = parse(text).unwrap().policy(&Keys::default());
    assert_eq!(policy.sources[0].name, "192.0.2.1:123");
    assert_eq!(policy.sources[0].address, Some("192.0.2.1:123".parse().unwrap()));
    assert_eq!((policy.sources[0].operator.as_str(), policy.sources[0].burst), ("x", 2));
    assert_eq!(policy.sources[1].operator, "example.net");
    assert_eq!(policy.sources[1].address, None);
    assert_eq!(policy.accuracy, None);
    assert_eq!(policy.clock, ClockPolicy::default());
    assert_eq!(policy.trust, TrustPolicy::default());
    assert!(policy.watch < Span::from_secs(1));
}

#[test]
fn reference_clocks_are_vouched_for_and_read_back() {
    let text = "[[source]]\nkind = \"phc\"\naddress = \"/dev/ptp0\"\nscale = \"utc\"\nerror = \"100ns\"\nrefine = true\n\
                [[source]]\nkind = \"pps\"\naddress = \"/dev/pps0\"\nedge = \"clear\"\noffset = \"-1500ns\"\nrefid = \"GPS\"\n\
                [[source]]\nkind = \"shm\"\naddress = \"2\"\ntrust = true\n\
                [[source]]\nkind = \"sock\"\naddress = \"/run/truechimer/gps.sock\"\nmax_interval = \"16s\"\n\
                [[source]]\naddress = \"192.0.2.1\"\n";
    let config = parse(text).unwrap();
    assert_eq!(parse(&config.to_toml()), Ok(config.clone()));
    let policy = config.policy(&Keys::default());
    let vouched = |index: usize| policy.sources[index].reference.unwrap();
    assert_eq!(
        (vouched(0).scale, vouched(0).error, vouched(0).refine),
        (Scale::Utc, Span::from_nanos(100), true)
    );
    assert_eq!((vouched(1).is_pulse, vouched(1).refine, vouched(1).id), (true, true, *b"GPS\0"));
    assert_eq!(vouched(1).offset, Span::from_nanos(-1500));
    assert_eq!(config.sources[1].reference.unwrap().edge, Edge::Clear);
    assert_eq!((vouched(2).is_pulse, vouched(2).refine, vouched(2).id), (false, false, *b"SHM\0"));
    assert_eq!((policy.sources[2].name.as_str(), policy.sources[2].trust), ("SHM 2", true));
    assert_eq!((policy.sources[0].min_interval, policy.sources[0].burst), (Span::from_secs(1), 1));
    assert_eq!(policy.sources[3].max_interval, Span::from_secs(16));
    assert_eq!(policy.sources[4].reference, None);
    assert_eq!(config.operators(), 4, "a pulse has no vote");
}

#[test]
fn a_source_of_nts_is_asked_for_keys_at_the_port_of_key_exchanges_and_has_no_other_address() {
    let text = "[[source]]\naddress = \"time.example.net\"\nkind = \"nts\"\n\
                [[source]]\naddress = \"time.example.net\"\n\
                [[source]]\naddress = \"192.0.2.1:4461\"\nkind = \"nts\"\nca = \"/etc/ca.pem\"\n\
                [[source]]\naddress = \"2001:db8::1\"\nkind = \"nts\"\n";
    let config = parse(text).unwrap();
    assert_eq!(parse(&config.to_toml()), Ok(config.clone()));
    let names: Vec<String> = config.sources.iter().map(|source| source.address.to_string()).collect();
    assert_eq!(names, ["time.example.net:4460", "time.example.net", "192.0.2.1:4461", "[2001:db8::1]:4460"]);
    let policy = config.policy(&Keys::default());
    let asked: Vec<bool> = policy.sources.iter().map(|source| source.nts).collect();
    assert_eq!(asked, [true, false, true, true]);
    assert!(policy.sources.iter().all(|source| source.address.is_none()));
    assert_eq!(config.sources[2].ca.as_deref(), Some(Path::new("/etc/ca.pem")));
    assert_eq!(config.operators(), 3);
}

#[test]
fn an_empty_list_of_sources_is_none_and_not_the_default() {
    assert_eq!(parse("source = []").unwrap().sources, []);
}

#[test]
fn drop_ins_add_sources_in_the_order_of_their_names() {
    let folder = Folder::new("order");
    folder.write("truechimer.toml", "accuracy = \"5ms\"\n[[source]]\naddress = \"a.example\"\n");
    folder.write("conf.d/20.toml", "[[source]]\naddress = \"c.example\"\n[clock]\npanic = \"10s\"\n");
    folder.write("conf.d/10.toml", "[[source]]\naddress = \"b.example\"\n[clock]\nmax_slew = \"5ppm\"\n");
    folder.write("conf.d/README", "not TOML at all");
    let config = folder.load().unwrap();
    let names: Vec<String> = config.sources.iter().map(|source| source.address.to_string()).collect();
    assert_eq!(names, ["a.example", "b.example", "c.example"]);
    assert_eq!(config.accuracy, Some(Span::from_millis(5)));
    assert_eq!(config.clock.policy.panic, Span::from_secs(10));
    assert_eq!(config.clock.policy.max_slew, Rate::from_ppb(5000));
}

#[test]
fn a_named_file_stands_alone() {
    let folder = Folder::new("alone");
    let named = folder.write("other.toml", "accuracy = \"5ms\"\n");
    folder.write("conf.d/10.toml", "accuracy = \"7ms\"\n");
    assert_eq!(Config::load(Some(&named)).unwrap().accuracy, Some(Span::from_millis(5)));
}

#[test]
fn two_files_cannot_set_one_key() {
    let folder = Folder::new("twice");
    folder.write("truechimer.toml", "# ours\n[clock]\npanic = \"10s\"\n");
    folder.write("conf.d/10.toml", "[[source]]\naddress = \"b.example\"\n\n[clock]\npanic = \"20s\"\n");
    assert_eq!(
        folder.load().unwrap_err(),
        "DIR/conf.d/10.toml:5:1: `clock.panic` is set a second time\n   \
         5 | panic = \"20s\"\n     | ^^^^^\n\
         first at DIR/truechimer.toml:3; remove one of the two"
    );
}

#[test]
fn a_value_out_of_limits_is_found_in_its_own_file() {
    let folder = Folder::new("place");
    folder.write("truechimer.toml", "user = \"truechimer\"\n");
    folder.write("conf.d/10.toml", "# a comment\n[clock]\npanic = \"1ms\"\n");
    assert!(folder.load().unwrap_err().starts_with("DIR/conf.d/10.toml:3:9: panic must be 1s to "));
}

#[test]
fn one_address_has_one_vote_even_over_two_files() {
    let folder = Folder::new("same");
    folder.write("truechimer.toml", "[[source]]\naddress = \"a.example\"\n");
    folder.write("conf.d/10.toml", "[[source]]\naddress = \"A.EXAMPLE.:123\"\n");
    let error = folder.load().unwrap_err();
    assert!(error.starts_with("DIR/conf.d/10.toml:1:"), "{error}");
    assert!(error.contains("the source `a.example` is named a second time"), "{error}");
    assert!(error.ends_with("first at DIR/truechimer.toml:1; remove one of the two"), "{error}");
}

/// Bad input 124: files that others could have written, or that never end.
#[test]
fn files_that_cannot_be_trusted_are_refused() {
    let folder = Folder::new("trust");
    let path = folder.write("truechimer.toml", "");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(
        folder.load().unwrap_err(),
        "DIR/truechimer.toml: can be written by everybody (mode 0666)\ntake that right away: chmod o-w DIR/truechimer.toml"
    );
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(folder.load().unwrap_err().starts_with("DIR/truechimer.toml: is not a regular file"));
    fs::remove_dir(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    assert!(folder.load().unwrap_err().starts_with("DIR/truechimer.toml: is not a regular file"));
    fs::remove_file(&path).unwrap();
    symlink("/nonexistent", &path).unwrap();
    assert!(folder.load().unwrap_err().starts_with("DIR/truechimer.toml: cannot be read: "));
    fs::remove_file(&path).unwrap();
    fs::set_permissions(folder.0.join("conf.d"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(folder.load().unwrap_err().starts_with("DIR/conf.d: can be written by everybody (mode 0777)"));
}

/// Bad input 124: 100 MB.
#[test]
fn a_huge_file_is_not_read() {
    let folder = Folder::new("huge");
    let path = folder.write("truechimer.toml", "");
    fs::File::options().write(true).open(&path).unwrap().set_len(100_000_000).unwrap();
    assert_eq!(folder.load().unwrap_err(), "DIR/truechimer.toml: is larger than 1048576 bytes");
    folder.write("truechimer.toml", &"#\n".repeat(400_000));
    folder.write("conf.d/10.toml", &"#\n".repeat(400_000));
    assert_eq!(folder.load().unwrap_err(), "DIR/conf.d/10.toml: is larger than 1048576 bytes");
}

#[test]
fn bytes_that_are_no_text_are_found() {
    let folder = Folder::new("utf8");
    let path = folder.write("truechimer.toml", "");
    fs::write(path, b"# fine\nuser = \"\xff\"\n").unwrap();
    assert!(folder.load().unwrap_err().starts_with("DIR/truechimer.toml:2:9: is not UTF-8 here"));
}

#[test]
fn too_many_of_anything_is_refused() {
    let sources: String =
        (0..=SOURCES_MAX).map(|n| format!("[[source]]\naddress = \"n{n}.example\"\n")).collect();
    assert!(parse(&sources).unwrap_err().contains("more than 32 sources"));
    let allow = vec!["\"10.0.0.0/8\""; PREFIXES_MAX + 1].join(",");
    let error = parse(&format!("[serve]\nntp = [\"0.0.0.0:123\"]\nallow = [{allow}]")).unwrap_err();
    assert!(error.contains("more than 4096 prefixes"), "{error}");
    let ntp = vec!["\"0.0.0.0:123\""; LISTEN_MAX + 1].join(",");
    let error = parse(&format!("[serve]\nntp = [{ntp}]")).unwrap_err();
    assert!(error.contains("more than 16 places to listen at"), "{error}");
    let folder = Folder::new("many");
    (0..=DROP_INS_MAX).for_each(|n| drop(folder.write(&format!("conf.d/{n}.toml"), "")));
    assert!(folder.load().unwrap_err().contains("has more than 64 files"));
}

#[test]
fn intervals_give_way_to_the_one_that_is_written() {
    let source = |keys: &str| {
        let config = parse(&format!("[[source]]\naddress = \"a.example\"\n{keys}")).unwrap();
        (config.sources[0].min_interval, config.sources[0].max_interval)
    };
    assert_eq!(source(""), (Span::from_secs(64), Span::from_secs(1024)));
    assert_eq!(source("min_interval = \"2h\""), (Span::from_secs(7200), Span::from_secs(7200)));
    assert_eq!(source("max_interval = \"32s\""), (Span::from_secs(32), Span::from_secs(32)));
}

#[test]
fn only_our_own_network_may_be_asked_often() {
    let often = |address: &str| {
        parse(&format!(
            "[[source]]\naddress = \"{address}\"\nmin_interval = \"125ms\"\nmax_interval = \"1s\"\n"
        ))
    };
    for near in ["127.0.0.1:4123", "10.0.0.1", "[fd00::1]:123", "169.254.1.1"] {
        assert!(often(near).is_ok(), "{near}");
    }
    for far in ["192.0.2.1", "ntp.example.net", "localhost", "2001:db8::1"] {
        assert!(often(far).unwrap_err().contains("must be at least 16s"), "{far}");
    }
}

#[test]
fn who_is_answered_must_be_said_beyond_this_machine() {
    let serve = |keys: &str| parse(&format!("[serve]\n{keys}\n")).map(|config| config.serve.unwrap().allow);
    assert_eq!(serve("ntp = [\"127.0.0.1:123\", \"[::1]:123\"]"), Ok(Prefix::LOOPBACK.to_vec()));
    assert!(serve("ntp = [\"127.0.0.1:123\", \"[::]:123\"]").unwrap_err().contains("whom to answer"));
    assert!(serve("ntp = []").unwrap_err().contains("`ntp` is missing here"));
    assert!(serve("allow = [\"10.0.0.0/8\"]").unwrap_err().contains("`ntp` is missing here"));
    assert!(serve("time = [\"0.0.0.0\"]\nntp = []").unwrap_err().contains("whom to answer"));
    assert_eq!(serve("taiclock = [\"[::1]\"]"), Ok(Prefix::LOOPBACK.to_vec()));
    assert_eq!(parse("").unwrap().serve, None);
}

#[test]
fn every_protocol_has_its_port() {
    let text =
        "[serve]\ntaiclock = [\"127.0.0.1\", \"[::1]:4015\"]\ntime = [\"[::1]\"]\nleap_smear = \"48h\"\n";
    let config = parse(text).unwrap();
    assert_eq!(parse(&config.to_toml()), Ok(config.clone()));
    let serve = config.serve.unwrap();
    let places = |list: &[&str]| list.iter().map(|place| place.parse().unwrap()).collect::<Vec<SocketAddr>>();
    assert_eq!(serve.taiclock, places(&["127.0.0.1:4014", "[::1]:4015"]));
    assert_eq!((serve.ntp, serve.time), (vec![], places(&["[::1]:37"])));
    assert_eq!(serve.leap_smear.map(Smear::length), Some(Span::from_secs(172_800)));
}

#[test]
fn no_place_is_listened_at_twice() {
    for keys in [
        "ntp = [\"127.0.0.1:123\", \"127.0.0.1\"]",
        "ntp = [\"127.0.0.1:4014\"]\ntaiclock = [\"127.0.0.1\"]",
        "taiclock = [\"[::1]:37\"]\ntime = [\"::1\"]",
    ] {
        let error = parse(&format!("[serve]\n{keys}\n")).unwrap_err();
        assert!(error.contains("is listened at a second time") && error.contains("first at"), "{error}");
    }
}

#[test]
fn one_interface_is_listened_at_or_all() {
    let serve = |interface: &str| {
        let config = parse(&format!("[serve]\nntp = [\"[::1]\"]\ninterface = \"{interface}\"\n"))?;
        assert_eq!(parse(&config.to_toml()), Ok(config.clone()));
        Ok::<_, String>(config.serve.unwrap().interface.map(|interface| interface.to_string()))
    };
    assert_eq!(serve("br-lan.7"), Ok(Some("br-lan.7".to_owned())));
    let error = serve("eth0:1").unwrap_err();
    assert!(
        error.contains("\"eth0:1\" is no interface: 1 to 15 bytes without `/`, `:` and blanks"),
        "{error}"
    );
}

#[test]
fn leap_seconds_are_smeared_over_whole_hours_or_not_at_all() {
    let smear = |length: &str| {
        parse(&format!("[serve]\nntp = [\"127.0.0.1\"]\nleap_smear = \"{length}\"\n"))
            .map(|config| config.serve.unwrap().leap_smear.map(Smear::length))
    };
    assert_eq!(smear("24h"), Ok(Some(Span::from_secs(86_400))));
    assert_eq!(smear("1d"), Ok(Some(Span::from_secs(86_400))));
    for length in ["0s", "1h", "90min", "49h", "20h 1s"] {
        assert!(smear(length).is_err(), "{length}");
    }
    assert!(smear("1h").unwrap_err().contains("`leap_smear` must be a whole number of hours from 2h to 48h"));
    let serve = parse("[serve]\nntp = [\"127.0.0.1\"]\n").unwrap().serve.unwrap();
    assert_eq!(serve.leap_smear, None, "never by default");
}

#[test]
fn clockbound_is_off_by_default_and_never_for_a_clock_of_our_own() {
    assert_eq!(parse("").unwrap().clockbound, None);
    let config = parse("[clockbound]\npath = \"/x\"\n").unwrap();
    assert_eq!(config.clockbound, Some(PathBuf::from("/x")));
    assert_eq!(parse(&config.to_toml()), Ok(config));
    let error = parse("[clock]\ntarget = \"user\"\n[clockbound]\npath = \"/x\"\n").unwrap_err();
    assert!(error.contains("nobody keeps that right") && error.contains("target = \"kernel\""), "{error}");
}

proptest! {
    /// Whatever stands in a file, the answer is a configuration or an error that can be shown.
    #[test]
    fn no_text_breaks_the_reader(text in "(\\PC|\n){0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_value_breaks_the_reader(
        key in prop::sample::select(vec!["accuracy", "user", "source", "clock.panic", "serve.ntp", "leap.file",
            "statistics.max_size", "clock.step_updates", "assume.max_drift", "select.max_delay", "log"]),
        value in "[-+]?(nan|inf|1e308|[0-9]{1,25}|\\[\\]|\\{\\}|true|1979-05-27|\"[ -!#-\\[\\]-~]{0,20}\"|\\[\\[[0-9]\\]\\])",
    ) {
        let _ = parse(&format!("{key} = {value}\n"));
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow() {
    let text = format!("accuracy = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(&text).is_err());
    let text = format!("{}.x = 1", vec!["a"; 100_000].join("."));
    assert!(parse(&text).is_err());
}

#[test]
fn fewer_operators_may_decide_but_no_more_than_there_are() {
    let least = |text: &str| Config::parse("test", text).map(|config| config.trust.min_operators);
    assert_eq!(least("").unwrap(), None);
    assert_eq!(least("[select]\nmin_operators = 2\n").unwrap(), Some(2));
    assert_eq!(least("[select]\nmin_operators = 5\n").unwrap(), Some(5));
    for text in ["0", "6", "-1"] {
        let error = least(&format!("[select]\nmin_operators = {text}\n")).unwrap_err().to_string();
        assert!(error.contains("`min_operators` must be 1 to 5"), "{error}");
    }
    let pair = "[[source]]\naddress = \"a.example.net\"\n[[source]]\naddress = \"b.example.net\"\n";
    assert_eq!(
        least(&format!("{pair}[select]\nmin_operators = 2\n")).unwrap(),
        Some(2),
        "one operator, two votes"
    );
}

#[test]
fn a_bootstrap_takes_two_operators_of_nts_at_least_and_no_more_than_there_are() {
    let needed = |text: &str| Config::parse("test", text).map(|config| config.trust.nts_bootstrap);
    let source = |name: &str, kind: &str| format!("[[source]]\naddress = \"{name}\"\nkind = \"{kind}\"\n");
    let three = ["a.example", "b.example", "c.example"].map(|name| source(name, "nts")).concat();
    let with = |sources: &str, needed: &str| format!("{sources}[select]\nnts_bootstrap = {needed}\n");
    assert_eq!(needed(&three).unwrap(), None, "off by default");
    assert_eq!(needed(&with(&three, "2")).unwrap(), Some(2));
    assert_eq!(needed(&with(&three, "3")).unwrap(), Some(3));
    for text in ["0", "1", "4", "-1"] {
        let error = needed(&with(&three, text)).unwrap_err().to_string();
        assert!(error.contains("`nts_bootstrap` must be 2 to 3, which is how many votes"), "{error}");
    }
    let one = source("a.example", "nts") + &source("b.example", "ntp");
    let error = needed(&with(&one, "2")).unwrap_err().to_string();
    assert!(error.contains("must be left out where fewer than 2 operators are asked by NTS"), "{error}");
    let ours = source("a.example.net", "nts") + &source("b.example.net", "nts");
    assert_eq!(needed(&with(&ours, "2")).unwrap(), Some(2), "one operator, two votes");
}
