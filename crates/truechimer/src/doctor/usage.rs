//! Protocols that refuse who is wrong by too much: their windows, and how a machine is seen to use them.

use std::collections::BTreeSet;

use truechimer_time::Span;

use super::mounts;
use super::{Hidden, Machine};

/// No more arguments of a process are looked at.
const ARGUMENTS_MAX: usize = 256;

/// Whose clock it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// That of another host, which can be wrong as well.
    Host,
    /// One that is as good as right.
    Truth,
}

impl Whom {
    /// As the end of `allows 5 min ..`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Host => "between two hosts",
            Self::Truth => "against true time",
        }
    }
}

/// A protocol with a window.
pub struct Protocol {
    /// What `--uses` calls it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// By how much two clocks may differ, unless configured otherwise.
    pub window: Span,
    /// Whose clocks.
    pub whom: Whom,
    /// Who says so.
    pub source: &'static str,
    /// Whether it is seen in use.
    pub seen: fn(&Machine, &Signs) -> Result<Option<Use>, Hidden>,
}

/// By what a protocol is seen in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// In a few words.
    pub how: String,
    /// The window that is configured here.
    pub window: Option<Span>,
}

/// All of them.
pub const PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: "kerberos",
        title: "Kerberos",
        window: Span::from_secs(300),
        whom: Whom::Host,
        source: "krb5.conf(5) of MIT, clockskew: 300 s unless written",
        seen: kerberos,
    },
    Protocol {
        name: "nfs-krb5",
        title: "NFS under Kerberos",
        window: Span::from_secs(300),
        whom: Whom::Host,
        source: "RPCSEC_GSS (RFC 2203) carries tickets of Kerberos, whose clockskew is 300 s unless written",
        seen: nfs,
    },
    Protocol {
        name: "totp",
        title: "TOTP",
        window: Span::from_secs(30),
        whom: Whom::Truth,
        source: "RFC 6238, section 5.2: steps of 30 s, of which at most one more is accepted",
        seen: totp,
    },
    Protocol {
        name: "jwt",
        title: "JWT",
        window: Span::from_secs(60),
        whom: Whom::Host,
        source: "RFC 7519, section 4.1.4: a leeway of no more than a few minutes; libraries have 0 to 300 s, often 60",
        seen: jwt,
    },
    Protocol {
        name: "aws",
        title: "AWS's signature",
        window: Span::from_secs(900),
        whom: Whom::Truth,
        source: "RequestTimeTooSkewed of S3: 15 min; some other services of AWS have 5",
        seen: aws,
    },
    Protocol {
        name: "ceph",
        title: "Ceph",
        window: Span::from_millis(50),
        whom: Whom::Host,
        source: "Ceph's Monitor Config Reference, mon_clock_drift_allowed: 0.05 s unless written",
        seen: ceph,
    },
    Protocol {
        name: "cassandra",
        title: "Cassandra",
        window: Span::from_millis(10),
        whom: Whom::Host,
        source: "the later stamp wins; Pega's guide to its operation calls 10 ms acceptable",
        seen: cassandra,
    },
    Protocol {
        name: "cockroachdb",
        title: "CockroachDB",
        window: Span::from_millis(400),
        whom: Whom::Host,
        source: "CockroachDB's Operational FAQs: a node ends itself at 80 % of --max-offset, which is 500 ms unless written",
        seen: cockroach,
    },
    Protocol {
        name: "yugabytedb",
        title: "YugabyteDB",
        window: Span::from_millis(500),
        whom: Whom::Host,
        source: "YugabyteDB's System configuration: a server ends itself beyond --max_clock_skew_usec, 500 ms unless written",
        seen: yugabyte,
    },
];

/// Is there a protocol of that name?
///
/// # Errors
/// There is none: which there are.
pub fn protocol_named(name: &str) -> Result<String, String> {
    let names = || PROTOCOLS.iter().map(|protocol| protocol.name).collect::<Vec<_>>().join(", ");
    match PROTOCOLS.iter().any(|protocol| protocol.name == name) {
        true => Ok(name.to_owned()),
        false => Err(format!("there are {}", names())),
    }
}

/// What all protocols look at, read once.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    /// Ports on which somebody listens by TCP.
    pub listening: BTreeSet<u16>,
    /// The arguments of all processes, the program first.
    pub commands: Vec<Vec<String>>,
    /// What could not be seen.
    pub hidden: Vec<Hidden>,
}

impl Signs {
    /// Looks.
    pub fn of(machine: &Machine) -> Self {
        let mut signs = Self::default();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            match machine.text(table) {
                Ok(table) => signs.listening.extend(table.unwrap_or_default().lines().filter_map(listening)),
                Err(hidden) => signs.hidden.push(hidden),
            }
        }
        match machine.names("/proc") {
            Ok(names) => {
                let processes =
                    names.iter().filter(|name| name.bytes().all(|letter| letter.is_ascii_digit()));
                signs.commands = processes.filter_map(|process| command(machine, process)).collect();
            }
            Err(hidden) => signs.hidden.push(hidden),
        }
        signs
    }

    /// The arguments of a program of one of these names.
    fn program(&self, names: &[&str]) -> Option<&[String]> {
        let is_it = |arguments: &&Vec<String>| {
            let name = arguments.first().and_then(|first| first.rsplit('/').next());
            name.is_some_and(|name| names.contains(&name))
        };
        self.commands.iter().find(is_it).map(Vec::as_slice)
    }

    /// Whether somebody listens on one of these ports, in words.
    fn port(&self, ports: &[u16]) -> Option<String> {
        let port = ports.iter().find(|port| self.listening.contains(port))?;
        Some(format!("somebody listens on port {port}"))
    }
}

/// The port of a line of `/proc/net/tcp` whose state is `0A`, listening (proc_net(5)).
fn listening(line: &str) -> Option<u16> {
    let mut words = line.split_whitespace().skip(1);
    let (local, _remote, state) = (words.next()?, words.next()?, words.next()?);
    let port = local.rsplit(':').next().filter(|_| state == "0A")?;
    u16::from_str_radix(port, 16).ok()
}

/// None for a process that has ended meanwhile, and for a thread of the kernel.
fn command(machine: &Machine, process: &str) -> Option<Vec<String>> {
    let text = machine.text(&format!("/proc/{process}/cmdline")).ok()??;
    let arguments: Vec<String> = text.split('\0').take(ARGUMENTS_MAX).map(str::to_owned).collect();
    arguments.first().is_some_and(|first| !first.is_empty()).then_some(arguments)
}

/// The value of an option, `--name=value` or `--name value`, with one hyphen or two.
fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let bare = |argument: &'a String| argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
    arguments.iter().enumerate().find_map(|(index, argument)| {
        let rest = bare(argument)?.strip_prefix(name)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value),
            None if rest.is_empty() => arguments.get(index + 1).map(String::as_str),
            None => None,
        }
    })
}

/// The value of a key in a file of `key = value` lines; blanks, underscores and hyphens in a key are one and the same.
fn setting<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let plain = |word: &str| word.trim().replace([' ', '-'], "_");
    let of_line = |line: &'a str| {
        let line = line.split(['#', ';']).next()?;
        let (name, value) = line.split_once(['=', ':'])?;
        (plain(name) == key).then_some(value.trim())
    };
    text.lines().find_map(of_line)
}

/// `300`, `300s`, `5m`, `250ms`, `1h30m`: numbers with the unit that is given after each, or the one that is meant without. `None` if it
/// is nothing of that kind.
fn duration(text: &str, unit: Span) -> Option<Span> {
    let units = [
        ("ms", Span::from_millis(1)),
        ("us", Span::from_micros(1)),
        ("µs", Span::from_micros(1)),
        ("ns", Span::from_nanos(1)),
        ("s", Span::from_secs(1)),
        ("m", Span::from_secs(60)),
        ("h", Span::from_secs(3600)),
        ("d", Span::from_secs(86_400)),
    ];
    let mut rest = text.trim();
    let mut whole = Span::ZERO;
    loop {
        let digits =
            rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (name, one) =
            units.iter().find(|(name, _)| rest.starts_with(name)).copied().unwrap_or(("", unit));
        // To the nanosecond: a tenth is none of a float.
        whole += Span::from_nanos((number * one.as_seconds() * 1e9).round() as i64);
        rest = &rest[name.len()..];
        if rest.is_empty() {
            return Some(whole);
        }
        if name.is_empty() {
            return None;
        }
    }
}

fn clockskew(machine: &Machine) -> Result<Option<Span>, Hidden> {
    let text = machine.text("/etc/krb5.conf")?.unwrap_or_default();
    Ok(setting(&text, "clockskew").and_then(|value| duration(value, Span::from_secs(1))))
}

fn kerberos(machine: &Machine, signs: &Signs) -> Result<Option<Use>, Hidden> {
    let realm = machine.text("/etc/krb5.conf")?.is_some_and(|text| setting(&text, "default_realm").is_some());
    let how = if machine.path("/etc/krb5.keytab").exists() {
        Some("/etc/krb5.keytab".to_owned())
    } else if realm {
        Some("a realm in /etc/krb5.conf".to_owned())
    } else if signs.program(&["krb5kdc", "kadmind", "samba", "sssd"]).is_some() {
        Some("a process of Kerberos runs".to_owned())
    } else {
        signs.port(&[88])
    };
    let window = clockskew(machine)?;
    Ok(how.map(|how| Use { how, window }))
}

fn nfs(machine: &Machine, signs: &Signs) -> Result<Option<Use>, Hidden> {
    // Where nothing is told of mounts, there is the process.
    let mounts = mounts::mounts(machine).unwrap_or_default();
    let is_secure = |options: &str| options.split(',').any(|option| option.starts_with("sec=krb5"));
    let mounted = mounts.iter().find(|mount| mount.kind.starts_with("nfs") && is_secure(&mount.options));
    let how = match mounted {
        Some(mount) => Some(format!("{} is mounted so", mount.point.display())),
        None => signs
            .program(&["rpc.gssd", "rpc.svcgssd", "gssproxy"])
            .map(|arguments| format!("{} runs", arguments[0])),
    };
    let window = clockskew(machine)?;
    Ok(how.map(|how| Use { how, window }))
}

fn totp(machine: &Machine, _signs: &Signs) -> Result<Option<Use>, Hidden> {
    for name in machine.names("/etc/pam.d")? {
        let path = format!("/etc/pam.d/{name}");
        let text = machine.text(&path)?.unwrap_or_default();
        let live = |line: &&str| !line.trim_start().starts_with('#');
        let is_it = |line: &str| line.contains("pam_google_authenticator") || line.contains("pam_oath");
        if text.lines().filter(live).any(is_it) {
            return Ok(Some(Use { how: path, window: None }));
        }
    }
    let own = home(machine, ".google_authenticator");
    Ok(own.map(|how| Use { how, window: None }))
}

/// Nothing on a machine tells whether its programs use it.
fn jwt(_machine: &Machine, _signs: &Signs) -> Result<Option<Use>, Hidden> {
    Ok(None)
}

fn aws(machine: &Machine, signs: &Signs) -> Result<Option<Use>, Hidden> {
    let how = [".aws/credentials", ".aws/config"].into_iter().find_map(|name| home(machine, name));
    let agents = ["amazon-ssm-agent", "amazon-cloudwatch-agent", "aws"];
    let how = how.or_else(|| signs.program(&agents).map(|arguments| format!("{} runs", arguments[0])));
    Ok(how.map(|how| Use { how, window: None }))
}

fn ceph(machine: &Machine, signs: &Signs) -> Result<Option<Use>, Hidden> {
    let how = match signs.program(&["ceph-mon"]) {
        Some(_) => Some("ceph-mon runs".to_owned()),
        None if !machine.names("/var/lib/ceph/mon")?.is_empty() => Some("/var/lib/ceph/mon".to_owned()),
        None => signs.port(&[6789]),
    };
    let text = machine.text("/etc/ceph/ceph.conf")?.unwrap_or_default();
    let window =
        setting(&text, "mon_clock_drift_allowed").and_then(|value| duration(value, Span::from_secs(1)));
    Ok(how.map(|how| Use { how, window }))
}

fn cassandra(machine: &Machine, signs: &Signs) -> Result<Option<Use>, Hidden> {
    let is_it =
        |arguments: &Vec<String>| arguments.iter().any(|argument| argument.ends_with("CassandraDaemon"));
    let files = ["/etc/cassandra/cassandra.yaml", "/etc/cassandra/conf/cassandra.yaml"];
    let how = if signs.commands.iter().any(is_it) {
        Some("CassandraDaemon runs".to_owned())
    } else if let Some(file) = files.into_iter().find(|file| machine.path(file).exists()) {
        Some(file.to_owned())
    } else {
        signs.port(&[9042])
    };
    Ok(how.map(|how| Use { how, window: None }))
}

fn cockroach(_machine: &Machine, signs: &Signs) -> Result<Option<Use>, Hidden> {
    let arguments = signs.program(&["cockroach"]);
    let offset =
        arguments.and_then(|arguments| duration(option(arguments, "max-offset")?, Span::from_nanos(1)));
    let how = match arguments {
        Some(_) => Some("cockroach runs".to_owned()),
        None => signs.port(&[26257]),
    };
    // 80 % of it, as of the default.
    Ok(how.map(|how| Use { how, window: offset.map(|offset| offset * 4 / 5) }))
}

fn yugabyte(_machine: &Machine, signs: &Signs) -> Result<Option<Use>, Hidden> {
    let arguments = signs.program(&["yb-tserver", "yb-master"]);
    let skew = arguments
        .and_then(|arguments| duration(option(arguments, "max_clock_skew_usec")?, Span::from_micros(1)));
    Ok(arguments.map(|arguments| Use { how: format!("{} runs", arguments[0]), window: skew }))
}

/// A file below the home of whoever asks, or of root.
fn home(machine: &Machine, name: &str) -> Option<String> {
    let own = std::env::home_dir().map(|home| home.display().to_string());
    let homes = own.into_iter().chain(["/root".to_owned()]);
    homes.map(|home| format!("{home}/{name}")).find(|path| machine.path(path).exists())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::path::Path;

    /// A file of a machine that stands in for one.
    pub(crate) fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// What is seen of a protocol where these files are.
    fn seen(name: &str, files: &[(&str, &str)]) -> Option<Use> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            put(root.path(), path, text);
        }
        let machine = Machine::at(root.path());
        let signs = Signs::of(&machine);
        assert!(signs.hidden.is_empty(), "{signs:?}");
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == name).unwrap();
        (protocol.seen)(&machine, &signs).unwrap()
    }

    /// Somebody listens on port 88 of IPv6; a connection from port 9042 is none.
    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0058 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 0100007F:2352 0100007F:C350 01 00000000:00000000
";

    #[test]
    fn nothing_is_seen_on_a_machine_that_has_nothing() {
        for protocol in PROTOCOLS.iter().filter(|protocol| !["totp", "aws"].contains(&protocol.name)) {
            assert_eq!(seen(protocol.name, &[]), None, "{}", protocol.name);
        }
    }

    #[test]
    fn kerberos_is_seen_by_its_files_and_its_port_with_the_window_that_is_written() {
        let conf = "[libdefaults]\n  default_realm = EXAMPLE.ORG\n # clockskew = 9\n  clockskew = 2m\n";
        let by_realm = seen("kerberos", &[("etc/krb5.conf", conf)]).unwrap();
        assert_eq!(by_realm.window, Some(Span::from_secs(120)));
        let by_keytab = seen("kerberos", &[("etc/krb5.keytab", "")]).unwrap();
        assert_eq!((by_keytab.how.as_str(), by_keytab.window), ("/etc/krb5.keytab", None));
        let by_port = seen("kerberos", &[("proc/net/tcp6", TCP)]).unwrap();
        assert_eq!(by_port.how, "somebody listens on port 88");
        assert_eq!(seen("cassandra", &[("proc/net/tcp", TCP)]), None, "a connection is no service");
    }

    #[test]
    fn nfs_is_seen_by_a_mount_with_kerberos_alone() {
        let mount =
            |sec: &str| format!("40 22 0:41 / /srv rw shared:20 - nfs4 host:/a rw,vers=4.2,sec={sec}\n");
        assert_eq!(
            seen("nfs-krb5", &[("proc/self/mountinfo", &mount("krb5p"))]).unwrap().how,
            "/srv is mounted so"
        );
        assert_eq!(seen("nfs-krb5", &[("proc/self/mountinfo", &mount("sys"))]), None);
        assert!(seen("nfs-krb5", &[("proc/9/cmdline", "/usr/sbin/rpc.gssd\0")]).is_some());
    }

    #[test]
    fn one_time_passwords_are_seen_in_pam() {
        let pam = "auth required pam_unix.so\nauth required pam_google_authenticator.so nullok\n";
        assert_eq!(seen("totp", &[("etc/pam.d/sshd", pam)]).unwrap().how, "/etc/pam.d/sshd");
        let off = "#auth required pam_oath.so\n";
        assert!(seen("totp", &[("etc/pam.d/sshd", off)]).is_none_or(|used| !used.how.contains("pam.d")));
    }

    #[test]
    fn signatures_for_aws_are_seen_at_home() {
        assert!(seen("aws", &[("root/.aws/config", "")]).unwrap().how.ends_with(".aws/config"));
    }

    #[test]
    fn a_monitor_of_ceph_is_seen_with_its_window() {
        let files = [
            ("var/lib/ceph/mon/ceph-a/keyring", ""),
            ("etc/ceph/ceph.conf", "[mon]\nmon clock drift allowed = .2\n"),
        ];
        assert_eq!(seen("ceph", &files).unwrap().window, Some(Span::from_millis(200)));
        assert_eq!(seen("ceph", &files[1..]), None, "a client of it has no window");
    }

    #[test]
    fn databases_are_seen_by_their_processes_with_the_windows_that_these_were_given() {
        let cockroach = [("proc/77/cmdline", "/usr/local/bin/cockroach\0start\0--max-offset\x00250ms\0")];
        assert_eq!(seen("cockroachdb", &cockroach).unwrap().window, Some(Span::from_millis(200)));
        let yugabyte = [("proc/78/cmdline", "/opt/yb-tserver\0--max_clock_skew_usec=100000\0")];
        assert_eq!(seen("yugabytedb", &yugabyte).unwrap().window, Some(Span::from_millis(100)));
        let cassandra = [("proc/79/cmdline", "java\0-Xmx1g\0org.apache.cassandra.service.CassandraDaemon\0")];
        assert_eq!(seen("cassandra", &cassandra).unwrap().how, "CassandraDaemon runs");
    }

    #[test]
    fn durations_are_read_as_others_write_them() {
        let second = Span::from_secs(1);
        assert_eq!(duration("300", second), Some(Span::from_secs(300)));
        assert_eq!(duration("5m", second), Some(Span::from_secs(300)));
        assert_eq!(duration("1h30m", second), Some(Span::from_secs(5400)));
        assert_eq!(duration(".05", second), Some(Span::from_millis(50)));
        assert_eq!(duration("250ms", second), Some(Span::from_millis(250)));
        assert_eq!(duration("", second), None);
        assert_eq!(duration("soon", second), None);
        assert_eq!(duration("5x", second), None);
    }

    #[test]
    fn only_protocols_that_there_are_can_be_named() {
        assert_eq!(protocol_named("ceph").as_deref(), Ok("ceph"));
        assert!(protocol_named("etcd").is_err_and(|why| why.starts_with("there are kerberos, nfs-krb5")));
    }
}
