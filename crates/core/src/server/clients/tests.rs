use super::*;
use alloc::vec::Vec;
use std::collections::HashSet;

const RULE: RateRule = RateRule { interval: Span::from_secs(1), burst: 8 };

fn at(millis: i64) -> Time<Mono> {
    Time::from_epoch(Span::from_millis(millis))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn clients(count: usize) -> Clients {
    let mut clients = Clients::new(count, *b"a secret of ours");
    clients.keep_to(Some(&RULE));
    clients
}

fn ask(clients: &mut Clients, address: IpAddr, now: Time<Mono>) -> Admission {
    clients.look_up(now);
    clients.admit(address)
}

/// How many of so many questions in the span are answered, and how many of those for the sake of another.
fn asks(clients: &mut Clients, address: IpAddr, times: i64, (from, to): (i64, i64)) -> (usize, usize) {
    let all: Vec<Admission> =
        (0..times).map(|n| ask(clients, address, at(from + (to - from) * n / times))).collect();
    let count = |what| all.iter().filter(|admission| **admission == what).count();
    (count(Admission::Admitted), count(Admission::Leaked))
}

#[test]
fn a_burst_and_then_the_rate() {
    let mut clients = clients(64);
    let (admitted, _) = asks(&mut clients, ip("192.0.2.1"), 1_000, (0, 1));
    assert_eq!(admitted, 8);
    let (admitted, _) = asks(&mut clients, ip("192.0.2.1"), 10_000, (1, 100_000));
    assert!((99..=101).contains(&admitted), "{admitted}");
    let (admitted, _) = asks(&mut clients, ip("192.0.2.1"), 1_000, (1_000_000, 1_000_001));
    assert_eq!(admitted, 8, "who was silent for long has a burst again");
}

#[test]
fn who_keeps_to_the_rate_is_always_answered() {
    let mut clients = clients(64);
    assert_eq!(asks(&mut clients, ip("192.0.2.1"), 10_000, (0, 10_000_000)), (10_000, 0));
}

#[test]
fn bad_input_67_a_flood_in_a_victims_name_leaves_it_one_answer_in_four() {
    let mut clients = clients(64);
    let (admitted, leaked) = asks(&mut clients, ip("192.0.2.1"), 10_000, (0, 1_000));
    assert!(admitted <= 9 && (2_300..2_700).contains(&leaked), "{admitted} {leaked}");
    let client = clients.iter().next().expect("it is known");
    assert_eq!((client.asked, client.limited as usize), (10_000, 10_000 - admitted - leaked));
}

#[test]
fn bad_input_69_a_network_of_64_bits_is_one_client() {
    let mut clients = clients(1 << 16);
    let hosts = (0..1u128 << 12).map(|host| IpAddr::V6((0x2001_0db8u128 << 96 | host << 20).into()));
    let admitted = hosts.filter(|host| clients.admit(*host) == Admission::Admitted).count();
    assert_eq!(admitted, 8);
    assert_eq!(clients.iter().map(|client| client.address).collect::<Vec<_>>(), [ip("2001:db8::")]);
    assert_eq!(asks(&mut clients, ip("2001:db8:0:1::"), 8, (0, 1)).0, 8, "the next network is another");
}

#[test]
fn an_address_in_ipv6_clothes_is_the_same_client() {
    let mut clients = clients(64);
    assert_eq!(asks(&mut clients, ip("192.0.2.1"), 8, (0, 1)).0, 8);
    assert_eq!(asks(&mut clients, ip("::ffff:192.0.2.1"), 8, (0, 1)).0, 0);
}

#[test]
fn bad_input_70_strangers_take_no_memory_and_72_the_honest_are_served() {
    let mut clients = clients(1024);
    let capacity = clients.capacity();
    for stranger in 0..1_000_000u32 {
        ask(&mut clients, IpAddr::V4(stranger.into()), at(i64::from(stranger) / 1_000));
    }
    assert_eq!((clients.capacity(), clients.iter().count()), (capacity, capacity));
    assert_eq!(clients.admit(ip("203.0.113.5")), Admission::Admitted);
}

/// Who does not know the secret cannot foresee which strangers push a client out: with another secret they are others.
#[test]
fn bad_input_71_where_a_client_lies_is_a_secret() {
    let pushed_out_after = |secret: u8| {
        let mut clients = Clients::new(256, [secret; 16]);
        ask(&mut clients, ip("192.0.2.1"), at(0));
        (1..).find(|stranger| {
            ask(&mut clients, IpAddr::V4((0x0a00_0000 | stranger).into()), at((*stranger).into()));
            !clients.iter().any(|client| client.address == ip("192.0.2.1"))
        })
    };
    let different: HashSet<Option<u32>> = (1..=16).map(pushed_out_after).collect();
    assert!(different.len() > 12, "{different:?}");
}

#[test]
fn the_one_that_was_silent_for_longest_goes() {
    let mut clients = clients(WAYS);
    let all = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"].map(ip);
    for (second, address) in (0..).zip(all) {
        ask(&mut clients, address, at(second * 1_000));
    }
    ask(&mut clients, all[0], at(10_000));
    ask(&mut clients, ip("192.0.2.5"), at(11_000));
    let known: HashSet<IpAddr> = clients.iter().map(|client| client.address).collect();
    assert!(!known.contains(&all[1]) && known.len() == 4, "{known:?}");
    let first = clients.iter().find(|client| client.address == all[0]).expect("it stayed");
    assert_eq!((first.asked, first.last), (2, at(10_000)));
}

/// The system has given no memory yet for what is asked for as zeros and not written to.
#[test]
fn a_table_that_nobody_has_asked_is_all_zero_and_its_sets_are_lines_of_the_cache() {
    for count in [1, 64, 16_384] {
        let clients = clients(count);
        assert!(clients.words.iter().all(|word| *word == 0));
        assert_eq!(clients.words[clients.begins..].as_ptr() as usize % LINE, 0);
        assert!(clients.begins + clients.capacity() * PLACE <= clients.words.len());
        assert_eq!(clients.iter().count(), 0);
    }
}

#[test]
fn a_place_holds_any_client() {
    for (key, instant, asked, limited) in
        [(u64::MAX, i64::MIN, u32::MAX, 0), (0, i64::MAX, 1, u32::MAX), (7, -1, 0x8000_0000, 3)]
    {
        let mut words = [0; PLACE];
        Entry { key, due: instant, last: !instant, asked, limited }.write(&mut words);
        let read = Entry::read(&words);
        assert_eq!((read.key, read.due, read.last), (key, instant, !instant));
        assert_eq!((read.asked, read.limited), (asked, limited));
    }
}
