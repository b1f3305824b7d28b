//! Whom a pool takes of what its name leads to, and lists of sources that change while we run.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use truechimer_core::event::Event;
use truechimer_core::moment::{Moment, Stamp, StampedBy};
use truechimer_core::node::report::Standing;
use truechimer_core::node::{Action, Birth, Input, Node};
use truechimer_core::policy::{ClockPolicy, Policy, PoolPolicy, Rhythm, SourcePolicy, TrustPolicy};
use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::source::SourceId;
use truechimer_core::status::Status;
use truechimer_core::wire::ntp::Leap;
use truechimer_time::{LeapTable, NtpPrecision, Rate, Span, Time};

/// 2026-01-01, on a clock that is right.
const START: i64 = 1_767_225_600;

#[test]
fn bad_input_133_a_pool_has_one_server_of_each_block() {
    let flood = (0..500).map(|host| format!("198.51.{}.{}", 100 + host / 250, 1 + host % 250));
    let mut lab = lab(pool(4, false), flood);
    lab.run(2000);
    assert_eq!(lab.addresses(), ["198.51.100.1:123", "198.51.101.1:123"]);
    let sixes = (0..500).map(|host| format!("2001:db8:1:{host:x}::1"));
    let mut lab = self::lab(pool(4, false), sixes.chain(["::ffff:198.51.100.7".into()]));
    lab.run(100);
    assert_eq!(lab.addresses(), ["[2001:db8:1::1]:123", "[::ffff:198.51.100.7]:123"]);
}

#[test]
fn bad_input_135_addresses_that_nobody_else_can_reach_are_no_servers() {
    let bad = [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.9.9",
        "169.254.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.1.1",
        "255.255.255.255",
        "240.1.1.1",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff05::101",
        "::ffff:127.0.0.1",
    ];
    let mut lab = lab(pool(4, false), bad.map(String::from));
    lab.run(2000);
    assert_eq!(lab.addresses(), [""; 0]);
    assert!(lab.sent.is_empty(), "nobody is asked");
    assert!((6..20).contains(&lab.lookups), "ever more rarely: {}", lab.lookups);
    let lost = lab.told.iter().filter(|event| matches!(event, Event::NotFound { .. })).count();
    assert_eq!(lost, 4, "told once for each place");
}

#[test]
fn bad_input_135_of_a_name_of_our_own_network_private_addresses_are_servers() {
    let mixed = ["0.0.0.0", "224.0.1.1", "10.0.0.1", "10.0.1.1", "127.1.0.1"];
    let mut lab = lab(pool(4, true), mixed.map(String::from));
    lab.run(100);
    assert_eq!(lab.addresses(), ["10.0.0.1:123", "10.0.1.1:123", "127.1.0.1:123"]);
    assert_eq!(lab.node.status(), Status::Synchronised, "three of four agree");
}

/// However short its time to live, and whatever it leads to now: who is good stays, and nobody asks again.
#[test]
fn bad_input_136_137_a_name_whose_servers_are_good_is_not_looked_up_again() {
    let mut lab = lab(pool(4, false), hosts(0..4));
    lab.run(100);
    let (before, lookups) = (lab.addresses(), lab.lookups);
    lab.name_leads_to(hosts(10..20));
    lab.run(40_000);
    // An answer that nobody has asked for, and one that says nothing: SERVFAIL, NXDOMAIN and circles of names all look so.
    for addresses in [lab.dns.clone(), vec![]] {
        lab.tell(Input::Resolved { source: SourceId(1), addresses });
        lab.run(100);
    }
    assert_eq!((lab.addresses(), lab.lookups), (before, lookups));
    assert_eq!(lab.node.status(), Status::Synchronised);
}

#[test]
fn one_server_is_never_two_sources() {
    let mut sources = pool(3, false);
    sources.push(named("198.51.1.1", Some("198.51.1.1:123")));
    let mut lab = lab(sources, hosts(0..4));
    lab.run(100);
    assert_eq!(lab.addresses(), ["198.51.0.1:123", "198.51.2.1:123", "198.51.3.1:123", "198.51.1.1:123"]);
}

#[test]
fn a_server_that_refuses_us_is_replaced_at_the_next_hour_at_the_latest() {
    let mut lab = lab(pool(4, false), hosts(0..4));
    lab.run(100);
    lab.name_leads_to(hosts(0..9));
    lab.kisses.insert(ip("198.51.2.1"), *b"DENY");
    lab.run(1100);
    assert!(lab.addresses().contains(&"198.51.4.1:123".to_owned()), "{:?}", lab.addresses());
    lab.kisses.insert(ip("198.51.0.1"), *b"RSTR");
    lab.run(1800);
    assert!(!lab.addresses().contains(&"198.51.5.1:123".to_owned()), "one at a time");
    lab.run(3600);
    assert!(lab.addresses().contains(&"198.51.5.1:123".to_owned()), "{:?}", lab.addresses());
}

/// Of the sources that stay nothing is forgotten, and their places are the same.
#[test]
fn sources_come_and_go_and_those_that_stay_keep_what_was_learned() {
    let list = |names: &[u8]| -> Vec<SourcePolicy> {
        names.iter().map(|n| named(&format!("s{n}"), Some(&format!("198.51.{n}.1:123")))).collect()
    };
    let mut lab = lab(list(&[0, 1, 2, 3]), hosts(0..0));
    lab.run(300);
    let samples = |lab: &Lab, name: &str| lab.source(name).map(|(_, samples)| samples);
    let before = samples(&lab, "s2");
    lab.relist(list(&[9, 2, 3, 8, 7]));
    assert_eq!(samples(&lab, "s2"), before, "nothing is forgotten");
    let places: Vec<Option<String>> = lab.node.places().map(|it| it.map(|it| it.name.clone())).collect();
    let called = ["s9", "s8", "s2", "s3", "s7"].map(|name| Some(name.to_owned()));
    assert_eq!(places, called, "those that stay have the places that they had");
    let lost = |event: &Event| matches!(event, Event::StatusChanged { to: Status::Holdover, .. });
    assert!(lab.told.iter().any(lost), "two of five are no majority");
    lab.run(100);
    assert_eq!(lab.node.status(), Status::Synchronised);
    assert_eq!(lab.source("s0"), None);
    assert!(samples(&lab, "s9") > Some(2));
    lab.relist(list(&[2, 7]));
    lab.sent.clear();
    lab.run(200);
    assert_eq!(lab.node.status(), Status::Synchronised, "two of two");
    assert!(
        lab.sent.iter().all(|to| [ip("198.51.2.1"), ip("198.51.7.1")].contains(&to.ip())),
        "{:?}",
        lab.sent
    );
    lab.relist(vec![]);
    lab.sent.clear();
    lab.run(2000);
    assert_eq!((lab.node.status(), lab.sent.len()), (Status::Holdover, 0));
}

#[test]
fn what_is_wanted_of_a_source_changes_without_a_new_acquaintance() {
    let list = |most: i64, trust: bool| -> Vec<SourcePolicy> {
        let change = |source| SourcePolicy { max_interval: Span::from_secs(most), trust, ..source };
        (0..4).map(|n| change(named(&format!("s{n}"), Some(&format!("198.51.{n}.1:123"))))).collect()
    };
    let mut lab = lab(list(64, false), hosts(0..0));
    lab.run(2000);
    let asked = |lab: &Lab| lab.sent.iter().filter(|to| to.ip() == ip("198.51.0.1")).count();
    lab.relist(list(16, true));
    lab.sent.clear();
    lab.run(1600);
    assert!((95..=110).contains(&asked(&lab)), "each 16 s: {}", asked(&lab));
    assert!(lab.source("s0").is_some_and(|(_, samples)| samples > 100));
}

#[test]
fn a_pool_that_grows_and_shrinks_keeps_its_servers() {
    let mut lab = lab(pool(3, false), hosts(0..8));
    lab.run(100);
    let before = lab.addresses();
    lab.relist(pool(5, false));
    lab.run(4 * 3600);
    assert_eq!(lab.addresses()[..3], before);
    assert_eq!(lab.addresses().len(), 5);
    lab.relist(pool(2, false));
    lab.run(100);
    assert_eq!(lab.addresses(), before[..2]);
    assert_eq!(lab.node.status(), Status::Synchronised);
}

/// A source that was the same server as another takes its place when that is gone.
#[test]
fn a_second_name_of_a_server_is_asked_once_the_first_is_gone() {
    let both = || vec![named("a", Some("198.51.0.1:123")), named("b", Some("198.51.0.1:123"))];
    let mut lab = lab(both(), hosts(0..0));
    lab.run(60);
    assert_eq!(lab.source("a").map(|(standing, _)| standing), Some(Standing::SameServer { of: SourceId(1) }));
    lab.relist(both()[..1].to_vec());
    lab.run(60);
    assert_eq!(lab.source("a").map(|(standing, _)| standing), Some(Standing::Truechimer));
}

/// A node, a name, and servers that are right.
struct Lab {
    node: Node,
    seconds: i64,
    dns: Vec<SocketAddr>,
    kisses: BTreeMap<IpAddr, [u8; 4]>,
    lookups: usize,
    sent: Vec<SocketAddr>,
    told: Vec<Event>,
}

fn lab(sources: Vec<SourcePolicy>, dns: impl IntoIterator<Item = String>) -> Lab {
    let policy = Policy {
        sources,
        accuracy: None,
        rhythm: Rhythm::Adaptive,
        clock: ClockPolicy::default(),
        trust: TrustPolicy::default(),
        watch: Span::from_secs(16),
    };
    let birth = Birth {
        policy,
        seed: [7; 32],
        leaps: LeapTable::COMPILED,
        learned: None,
        floor: Time::from_epoch(Span::from_secs(START - 1000)),
        rate: Rate::ZERO,
    };
    let mut lab = Lab {
        node: Node::new(birth, &moment(0)),
        seconds: 0,
        dns: Vec::new(),
        kisses: BTreeMap::new(),
        lookups: 0,
        sent: Vec::new(),
        told: Vec::new(),
    };
    lab.name_leads_to(dns);
    lab
}

impl Lab {
    fn name_leads_to(&mut self, hosts: impl IntoIterator<Item = String>) {
        self.dns = hosts.into_iter().map(|host| SocketAddr::new(ip(&host), 123)).collect();
    }

    /// Where the sources are asked, in the order of their places.
    fn addresses(&self) -> Vec<String> {
        let sources = self.node.report(&moment(self.seconds)).sources;
        sources.iter().filter_map(|source| source.address).map(|address| address.to_string()).collect()
    }

    /// What a source is to the vote, and how many samples it has given.
    fn source(&self, name: &str) -> Option<(Standing, u32)> {
        let sources = self.node.report(&moment(self.seconds)).sources;
        let source = sources.iter().find(|source| source.name == name)?;
        Some((source.standing, source.samples))
    }

    fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.tell(Input::Wake);
            self.seconds += 1;
        }
    }

    fn relist(&mut self, sources: Vec<SourcePolicy>) {
        self.node.relist(&moment(self.seconds), sources);
        self.act_all();
    }

    fn tell(&mut self, input: Input) {
        self.node.handle(&moment(self.seconds), input);
        self.act_all();
    }

    fn act_all(&mut self) {
        while let Some(action) = self.node.poll() {
            let inputs = self.act(action);
            inputs.into_iter().for_each(|input| self.node.handle(&moment(self.seconds), input));
        }
    }

    fn act(&mut self, action: Action) -> Vec<Input> {
        let at = Stamp { at: moment(self.seconds).raw, by: StampedBy::Program };
        match action {
            Action::Read(_) => panic!("there are no reference clocks here"),
            Action::Agree { .. } => panic!("nobody is asked by NTS here"),
            Action::Resolve(source) => {
                self.lookups += 1;
                vec![Input::Resolved { source, addresses: self.dns.clone() }]
            }
            Action::Send { exchange, to, datagram } => {
                self.sent.push(to);
                let datagram = self.answer(to.ip(), &datagram);
                vec![Input::Sent { exchange, at }, Input::Heard { exchange, from: to, at, datagram }]
            }
            Action::Tell(event) => {
                self.told.push(event);
                vec![]
            }
            Action::Steer(command) => vec![Input::Steered { command, outcome: Ok(Rate::ZERO) }],
            Action::Close(_) | Action::Publish(_) => vec![],
        }
    }

    fn answer(&self, from: IpAddr, question: &[u8]) -> Vec<u8> {
        let now = Time::from_epoch(Span::from_secs(START + self.seconds));
        let served = Served {
            synchronised: true,
            leap: Leap::None,
            stratum: 2,
            precision: NtpPrecision { log2_seconds: -20 },
            reference_id: *b"TEST",
            reference: now,
            root_delay: Span::ZERO,
            root_dispersion: Span::from_millis(1),
        };
        let mut reply = answer(question, now, now, &served).expect("an answer").to_vec();
        if let Some(kiss) = self.kisses.get(&from) {
            reply[1] = 0;
            reply[12..16].copy_from_slice(kiss);
        }
        reply
    }
}

fn pool(places: usize, is_near: bool) -> Vec<SourcePolicy> {
    let place = |number: usize| SourcePolicy {
        pool: Some(PoolPolicy { name: "pool".to_owned(), is_near }),
        ..named(&format!("pool #{number}"), None)
    };
    (1..=places).map(place).collect()
}

fn named(name: &str, address: Option<&str>) -> SourcePolicy {
    SourcePolicy {
        name: name.to_owned(),
        address: address.map(|address| address.parse().expect("a place")),
        operator: name.to_owned(),
        min_interval: Span::from_secs(16),
        max_interval: Span::from_secs(64),
        burst: 4,
        prefer: false,
        trust: false,
        require: false,
        key: None,
        nts: false,
        interleaved: false,
        reference: None,
        pool: None,
    }
}

/// Each in a block of its own.
fn hosts(numbers: std::ops::Range<u8>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!("198.51.{number}.1"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn moment(seconds: i64) -> Moment {
    let passed = Span::from_secs(seconds);
    Moment {
        raw: Time::EPOCH + passed,
        mono: Time::EPOCH + passed,
        local: Time::from_epoch(Span::from_secs(START)) + passed,
        asleep: Span::ZERO,
        width: Span::ZERO,
    }
}
