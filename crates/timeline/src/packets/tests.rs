use super::*;
use etherparse::PacketBuilder;
use proptest::prelude::*;

/// A packet of UDP over Ethernet, 47 bytes long.
fn packet() -> Vec<u8> {
    let builder =
        PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4([192, 0, 2, 1], [198, 51, 100, 7], 64).udp(123, 4567);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, b"hello").expect("memory takes it");
    bytes
}

const TOLD: &str = "47 bytes 192.0.2.1:123 > 198.51.100.7:4567 UDP";

/// Numbers in an order of bytes.
fn numbers(order: Order, numbers: &[u32]) -> Vec<u8> {
    let bytes = |number: &u32| match order {
        Order::Big => number.to_be_bytes(),
        Order::Little => number.to_le_bytes(),
    };
    numbers.iter().flat_map(bytes).collect()
}

fn pcap(order: Order, magic: u32, part: u32) -> Vec<u8> {
    let packet = packet();
    let versions = match order {
        Order::Big => [0, 2, 0, 4],
        Order::Little => [2, 0, 4, 0],
    };
    let length = packet.len() as u32;
    let head = [numbers(order, &[magic]), versions.to_vec(), numbers(order, &[0, 0, 65_535, 1])].concat();
    [head, numbers(order, &[1_795_420_830, part, length, length]), packet].concat()
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = body.len() as u32 + 12;
    [numbers(order, &[kind, length]), body, numbers(order, &[length])].concat()
}

/// A section with one interface, whose stamps count such parts of a second.
fn section(order: Order, resolution: &[u8]) -> Vec<u8> {
    let section = block(order, SECTION, &numbers(order, &[0x1a2b_3c4d, 0x0001_0000, u32::MAX, u32::MAX]));
    let code = |code: u16, length: u16| match order {
        Order::Big => [code.to_be_bytes(), length.to_be_bytes()].concat(),
        Order::Little => [code.to_le_bytes(), length.to_le_bytes()].concat(),
    };
    let mut options = Vec::new();
    if let [resolution] = resolution {
        options.extend([code(9, 1), vec![*resolution, 0, 0, 0], code(0, 0)].concat());
    }
    let interface = [code(1, 0), numbers(order, &[0]), options].concat();
    [section, block(order, INTERFACE, &interface), block(order, 5, b"statistics")].concat()
}

fn enhanced(order: Order, interface: u32, ticks: u64) -> Vec<u8> {
    let packet = packet();
    let length = packet.len() as u32;
    let head = numbers(order, &[interface, (ticks >> 32) as u32, ticks as u32, length, length]);
    block(order, ENHANCED_PACKET, &[head, packet].concat())
}

fn told(stream: &[u8]) -> io::Result<Vec<(String, Option<Stamp>)>> {
    let mut packets = Packets::of(stream);
    let mut all = Vec::new();
    while packets.advance()? {
        let text = String::from_utf8_lossy(packets.line().bytes).into_owned();
        all.push((text, packets.found().map(|found| found.stamp)));
    }
    Ok(all)
}

fn stamp_of(nanos: i64, resolution: Span) -> Option<Stamp> {
    let since = Span::from_secs(1_795_420_830) + Span::from_nanos(nanos);
    Some(Stamp { reading: Reading::Clock(Time::from_epoch(since)), resolution })
}

#[test]
fn a_packet_is_a_line_in_either_order_of_bytes_and_either_resolution() {
    let micro = stamp_of(123_456_000, Span::from_micros(1));
    let nano = stamp_of(123_456, Span::from_nanos(1));
    for order in [Order::Big, Order::Little] {
        let all = [pcap(order, 0xa1b2_c3d4, 123_456), pcap(order, 0xa1b2_3c4d, 123_456)];
        assert!(all.iter().all(|stream| is_head(stream)));
        let all = all.map(|stream| told(&stream).expect("it is one"));
        assert_eq!(all[0], [(TOLD.to_owned(), micro)], "{order:?}");
        assert_eq!(all[1], [(TOLD.to_owned(), nano)], "{order:?}");
    }
}

#[test]
fn blocks_are_read_by_what_their_interface_tells() {
    let seconds = 1_795_420_830_u64;
    for order in [Order::Big, Order::Little] {
        let usual = [section(order, &[]), enhanced(order, 0, seconds * 1_000_000 + 7)].concat();
        assert!(is_head(&usual));
        assert_eq!(
            told(&usual).expect("it is one"),
            [(TOLD.to_owned(), stamp_of(7000, Span::from_micros(1)))]
        );
        let nano = [section(order, &[9]), enhanced(order, 0, seconds * 1_000_000_000 + 7)].concat();
        assert_eq!(told(&nano).expect("it is one"), [(TOLD.to_owned(), stamp_of(7, Span::from_nanos(1)))]);
        let binary = [section(order, &[0x80 | 10]), enhanced(order, 0, seconds * 1024 + 512)].concat();
        let half = told(&binary).expect("it is one")[0].1;
        let parts = Span::from_attos(Span::from_secs(1).as_attos() / 1024);
        assert_eq!(half, stamp_of(500_000_000, parts));
        let unknown = [section(order, &[]), enhanced(order, 3, 1)].concat();
        let expected = ("47 bytes by an interface that is not described".to_owned(), None);
        assert_eq!(told(&unknown).expect("it is one"), [expected]);
    }
}

#[test]
fn files_that_were_put_together_are_read_section_by_section() {
    let ticks = 1_795_420_830_000_000;
    let one = |order| [section(order, &[]), enhanced(order, 0, ticks)].concat();
    let both = [one(Order::Big), one(Order::Little)].concat();
    assert_eq!(told(&both).expect("they are two").len(), 2);
}

#[test]
fn packets_are_described_as_far_as_they_go() {
    let ethernet = packet();
    assert_eq!(described(1, &ethernet), TOLD[9..]);
    assert_eq!(described(101, &ethernet[14..]), TOLD[9..]);
    let cooked = [&[0; 14][..], &[0x08, 0x00], &ethernet[14..]].concat();
    assert_eq!(described(113, &cooked), TOLD[9..]);
    assert_eq!(described(1, &ethernet[..36]), "192.0.2.1 > 198.51.100.7 protocol 17");
    assert_eq!(described(1, &ethernet[..9]), "that are not whole");
    assert_eq!(described(147, &ethernet), "of link type 147");
    let mut six = Vec::new();
    let builder = PacketBuilder::ipv6([0; 16], [1; 16], 64).tcp(1, 2, 3, 4);
    builder.write(&mut six, b"").expect("memory takes it");
    assert_eq!(described(229, &six), "[::]:1 > [101:101:101:101:101:101:101:101]:2 TCP");
}

#[test]
fn bad_input_163_a_torn_capture_says_so() {
    let seconds = 1_795_420_830_000_000;
    let ends = [
        (pcap(Order::Little, 0xa1b2_c3d4, 0), vec![24]),
        ([section(Order::Big, &[]), enhanced(Order::Big, 0, seconds)].concat(), vec![28, 48, 72]),
    ];
    for (whole, between) in ends {
        for end in 1..whole.len() {
            let read = told(&whole[..end]);
            match between.contains(&end) {
                true => assert_eq!(read.expect("a block has just ended"), [], "{end}"),
                false => {
                    assert_eq!(read.expect_err("it is torn").kind(), io::ErrorKind::UnexpectedEof, "{end}");
                }
            }
        }
    }
    assert_eq!(told(b"").expect("it is empty"), []);
}

#[test]
fn bad_input_163_a_length_beyond_all_measure_takes_no_memory() {
    let mut huge = pcap(Order::Little, 0xa1b2_c3d4, 0);
    huge[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    let refused = told(&huge).expect_err("there is no such packet");
    assert!(refused.to_string().contains("4294967295 bytes"), "{refused}");
    let long = [&huge[..32], &LENGTH_MAX.to_le_bytes(), &LENGTH_MAX.to_le_bytes()].concat();
    let mut packets = Packets::of(long.chain(io::repeat(0).take(LENGTH_MAX.into())));
    assert!(packets.advance().expect("it is one"));
    assert!(packets.held.capacity() <= 2 * KEPT, "{}", packets.held.capacity());
    let mut block = [section(Order::Big, &[]), enhanced(Order::Big, 0, 0)].concat();
    let at = block.len() - 1;
    block[at] ^= 4;
    assert_eq!(told(&block).expect_err("its two lengths differ").kind(), io::ErrorKind::InvalidData);
}

proptest! {
    #[test]
    fn bad_input_163_no_bytes_break_the_reader(tail in proptest::collection::vec(any::<u8>(), 0..300), which in 0usize..4) {
        let heads = [
            pcap(Order::Big, 0xa1b2_c3d4, 0)[..24].to_vec(),
            section(Order::Little, &[]),
            section(Order::Big, &[0x80 | 63]),
            Vec::new(),
        ];
        let _ = told(&[&heads[which][..], &tail].concat());
        for link in [1, 101, 113, 276] {
            let _ = described(link, &tail);
        }
    }
}
