use super::*;
use proptest::prelude::*;
use truechimer_time::Civil;

/// What chronyd 4.3 wrote, of a server that is ahead by 5 s, and two that are right, before and after it took the clock for corrected.
const REAL: &str = "\
========================================================================================================================================
   Date (UTC) Time     IP Address   L St 123 567 ABCD  LP RP Score    Offset  Peer del. Peer disp.  Root del. Root disp. Refid     MTxRx
========================================================================================================================================
2026-11-23 14:27:09 127.0.0.3       N  8 111 111 1111  -2 -2 0.00  5.000e+00  8.915e-06  1.012e-07  0.000e+00  0.000e+00 7F7F0101 4B K K
2026-11-23 14:27:09 127.0.0.2       N  8 111 111 1111  -1  0 0.78 -9.870e-07  7.446e-06  1.810e-07  0.000e+00  0.000e+00 7F7F0101 4B K K
2026-11-23 14:27:14 127.0.0.1       N  8 111 111 1111  -2  0 0.00 -5.000e+00  6.684e-06  1.607e-07  0.000e+00  0.000e+00 7F7F0101 4B K K
2026-11-23 14:27:14 127.0.0.3       N  8 111 111 1111  -2 -2 0.00  6.460e-07  3.637e-05  1.846e-07  0.000e+00  0.000e+00 7F7F0101 4B K K
";

/// An exchange with a server, by which the clock is wrong by so much, to within a millisecond.
fn line(server: u8, second: u32, offset: f64) -> String {
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
    format!(
        "2026-11-23 {hour:02}:{minute:02}:{second:02} 192.0.2.{server} N  2 111 111 1111   6  6 0.00 {offset:10.3e} \
         1.000e-03  1.000e-04  0.000e+00  4.000e-04 CB00717B 4B K K\n"
    )
}

fn of(text: &str) -> Measurements {
    let mut measurements = Measurements::default();
    text.lines().for_each(|line| measurements.take_in(line.as_bytes()));
    measurements
}

fn at(second: i64) -> Time<Local> {
    let begin: Civil = "2026-11-23T00:00:00Z".parse().expect("a date");
    Time::from_epoch(begin.time().expect("it is").since_epoch() + Span::from_secs(second))
}

fn said(from: i64, to: i64, millis: i64) -> Said {
    Said { from: at(from), to: at(to), error: Span::from_millis(millis) }
}

#[test]
fn what_chronyd_wrote_is_read() {
    assert!(is_measurements(REAL.as_bytes()));
    assert!(is_measurements(REAL.lines().nth(3).expect("there is one").as_bytes()));
    let heard: Vec<Vec<Measured>> = of(REAL).heard.of_each().collect();
    assert_eq!(heard.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 2], "by their addresses");
    let liar = &heard[2];
    let wrong: Vec<f64> = liar.iter().map(|measured| measured.wrong.as_seconds()).collect();
    assert!((4.996..5.0).contains(&wrong[0]), "{wrong:?}");
    // Half of 36 µs and 185 ns make up for it.
    assert!((-2e-5..0.0).contains(&wrong[1]), "{wrong:?}");
}

#[test]
fn chronyd_is_not_believed_against_a_majority_of_its_servers() {
    let asked = |offsets: [f64; 3], second| {
        [1, 2, 3].map(|server| line(server, second, offsets[usize::from(server) - 1])).concat()
    };
    let borne_out = |text: &str| of(text).bear_out(&[said(0, 64, 2)])[0];
    assert!(borne_out(&asked([0.0, 0.0, 3.0], 30)), "two of three agree");
    assert!(!borne_out(&asked([0.0, 3.0, 3.0], 30)), "two of three deny it");
    assert!(!borne_out(&[line(1, 30, 0.0), line(2, 30, 3.0)].concat()), "of two one does not do");
    assert!(borne_out(&line(1, 30, 0.0)) && !borne_out(&line(1, 30, 3.0)), "one alone is believed");
    assert!(borne_out(""), "nobody denies it");
}

#[test]
fn who_was_not_asked_meanwhile_is_believed_by_what_it_said_before_and_afterwards() {
    let statements = [said(0, 64, 2), said(64, 128, 2), said(128, 192, 2), said(5000, 5064, 2)];
    assert_eq!(of(&line(1, 30, 3.0)).bear_out(&statements), [false, false, false, true]);
    let both = [line(1, 30, 0.0), line(1, 150, 3.0)].concat();
    assert_eq!(of(&both).bear_out(&statements), [true, false, false, true]);
    // Nobody knows in which of two statements a second was that touches both.
    assert_eq!(of(&line(1, 64, 0.05)).bear_out(&[said(0, 64, 100), said(64, 128, 2)]), [true, true]);
}

#[test]
fn who_is_not_known_to_be_right_has_no_vote() {
    let good = line(1, 30, 3.0);
    for none in [
        good.replace(" N  2 ", " ?  2 "),
        good.replace(" N  2 ", " N 16 "),
        good.replace(" N  2 ", " N  0 "),
        good.replace("111 111 1111", "111 101 1111"),
        good.replace("111 111 1111", "011 111 1111"),
        good.replace("111 111 1111", "111 111 1110"),
        good.replace("111 111 1111", "111 111 0111"),
        good.replace("4B", "5B"),
        good.replace("1.000e-04", "nan"),
        good.replace("192.0.2.1", "GPS"),
        good.replace("111 111 1111", "abc 111 1111"),
        good[..60].to_owned(),
        String::new(),
    ] {
        assert!(of(&none).is_empty(), "{none}");
    }
    let slower = good.replace("111 111 1111", "111 111 1001");
    assert!(!of(&slower).is_empty(), "slower than usual is as true as any");
}

proptest! {
    #[test]
    fn bad_input_163_no_line_breaks_it(
        line in "2026-11-23 [0-2][0-9]:[0-5][0-9]:[0-5][0-9] [0-9.:]{1,9} [N?] [0-9]{1,2} [01]{3} [01]{3} [01]{4} .{0,5}( [-+0-9.e]{1,9}){3,9}.{0,9}",
    ) {
        let mut measurements = Measurements::default();
        measurements.take_in(line.as_bytes());
        let _ = is_measurements(line.as_bytes());
        let _ = measurements.bear_out(&[said(0, 86_400, 2)]);
    }
}
