//! What an operator reads when something is wrong with the configuration: every message in full.

use truechimer::config::Config;

fn message(text: &str) -> String {
    match Config::parse("truechimer.toml", text) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Bad input 124: unknown keys.
#[test]
fn a_mistyped_key_is_shown_with_the_right_one() {
    assert_eq!(
        message("[[source]]\naddress = \"a.example\"\nmin_intreval = \"64s\"\n"),
        r#"truechimer.toml:3:1: unknown key `min_intreval`
   3 | min_intreval = "64s"
     | ^^^^^^^^^^^^
did you mean `min_interval`?"#
    );
    assert_eq!(
        message("[select]\ncolour = \"red\"\n"),
        r#"truechimer.toml:2:1: unknown key `colour`
   2 | colour = "red"
     | ^^^^^^
known keys here: max_delay, max_distance, min_operators, nts_bootstrap"#
    );
    assert_eq!(
        message("[clocks]\n"),
        r#"truechimer.toml:1:2: unknown key `clocks`
   1 | [clocks]
     |  ^^^^^^
did you mean `clock`?"#
    );
}

#[test]
fn a_classic_schedule_promises_no_accuracy() {
    assert_eq!(
        message("accuracy = \"1ms\"\nschedule = \"classic\"\n"),
        r#"truechimer.toml:2:12: the classic schedule doubles its interval however right the clock is; it cannot keep an `accuracy`
   2 | schedule = "classic"
     |            ^^^^^^^^^
remove `accuracy`, or say schedule = "adaptive""#
    );
    assert_eq!(
        message("schedule = \"clasic\"\n"),
        r#"truechimer.toml:1:12: "clasic" is not one of adaptive, classic
   1 | schedule = "clasic"
     |            ^^^^^^^^"#
    );
}

/// Bad input 124: numbers that are none, or that are out of all bounds.
#[test]
fn a_number_without_a_unit_is_asked_for_one() {
    let cases = [
        ("64", r#"64 is a bare number: this must be a duration such as "64s""#),
        ("-1.5", r#"-1.5 is a bare number: this must be a duration such as "64s""#),
        ("nan", r#"NaN is a bare number: this must be a duration such as "64s""#),
        ("inf", r#"inf is a bare number: this must be a duration such as "64s""#),
        ("true", r#"invalid type: boolean `true`, expected a duration such as "64s""#),
        (r#""64""#, r#""64" has no unit: add one of ns, us, ms, s, min, h, d"#),
        (r#""nan s""#, r#""nan s" does not begin with a plain decimal number"#),
        (r#""-5s""#, r#""-5s" cannot be negative"#),
        (r#""5m""#, r#""5m" `m` is not a unit here: use one of ns, us, ms, s, min, h, d"#),
        (r#""1e308s""#, r#""1e308s" `e308s` is not a unit here: use one of ns, us, ms, s, min, h, d"#),
        (r#""99999999d""#, "accuracy must be 1ns to 1h"),
    ];
    for (value, why) in cases {
        let expected = format!(
            "truechimer.toml:1:12: {why}\n   1 | accuracy = {value}\n     |            {}",
            "^".repeat(value.len())
        );
        assert_eq!(message(&format!("accuracy = {value}\n")), expected);
    }
    let far = message("accuracy = 1e308\n");
    assert!(far.contains(" is a bare number: this must be a duration"), "{far}");
}

#[test]
fn a_kind_that_is_not_spoken_says_so() {
    assert_eq!(
        message("[[source]]\naddress = \"a.example\"\nkind = \"time\"\n"),
        r#"truechimer.toml:3:8: this version does not speak `time` yet
   3 | kind = "time"
     |        ^^^^^^
remove the source, or say kind = "ntp""#
    );
    assert_eq!(
        message("[[source]]\naddress = \"a.example\"\nkind = \"ntpp\"\n"),
        r#"truechimer.toml:3:8: "ntpp" is not one of ntp, phc, pps, shm, sock, nts, taiclock, time
   3 | kind = "ntpp"
     |        ^^^^^^"#
    );
}

#[test]
fn what_belongs_to_nts_is_said_of_nothing_else() {
    let with_key = "[keys]\nfile = \"/k\"\n[[source]]\naddress = \"a.example\"\nkind = \"nts\"\nkey = 7\n";
    assert!(message(with_key).contains("a source is asked with a key or by NTS, not both: remove `key`"));
    let without = "[[source]]\naddress = \"a.example\"\nca = \"/etc/ca.pem\"\n";
    assert!(message(without).contains("`ca` is for kind = \"nts\""));
    let relative = "[[source]]\naddress = \"a.example\"\nkind = \"nts\"\nca = \"ca.pem\"\n";
    assert!(message(relative).contains("ca.pem"));
}

#[test]
fn a_reference_clock_says_what_it_wants() {
    let cases = [
        ("address = \"/dev/pps0\"", "is not on the network: say which `kind` it is"),
        ("kind = \"pps\"\naddress = \"a.example\"", "wants a pulse device such as \"/dev/pps0\""),
        ("kind = \"phc\"\naddress = \"2\"", "wants a clock device such as \"/dev/ptp0\""),
        ("kind = \"shm\"\naddress = \"/dev/shm\"", "wants the number of a unit such as \"2\""),
        ("kind = \"sock\"\naddress = \"2\"", "wants the path of the socket"),
        (
            "kind = \"pps\"\naddress = \"/dev/pps0\"\ntrust = true",
            "others must decide about it: remove this key",
        ),
        (
            "kind = \"pps\"\naddress = \"/dev/pps0\"\nrequire = true",
            "others must decide about it: remove this key",
        ),
        ("kind = \"pps\"\naddress = \"/dev/pps0\"\nrefine = false", "a pulse refines always"),
        ("kind = \"pps\"\naddress = \"/dev/pps0\"\nscale = \"tai\"", "`scale` is for kind = \"phc\""),
        ("kind = \"shm\"\naddress = \"2\"\nedge = \"clear\"", "`edge` is for kind = \"pps\""),
        ("kind = \"shm\"\naddress = \"2\"\nerror = \"2s\"", "error must be 1ns to 1s"),
        ("kind = \"shm\"\naddress = \"2\"\nrefid = \"GPS12\"", "is not 1 to 4 letters"),
        (
            "address = \"a.example\"\nerror = \"1ms\"",
            "`error` is for reference clocks, and this is kind = \"ntp\"",
        ),
    ];
    for (table, why) in cases {
        let message = message(&format!("[[source]]\n{table}\n"));
        assert!(message.contains(why), "{table}: {message}");
    }
}

#[test]
fn a_key_without_a_file_is_shown() {
    assert_eq!(
        message("[[source]]\naddress = \"a.example\"\nkey = 7\n"),
        r#"truechimer.toml:3:7: a key is named here, but no file of keys
   3 | key = 7
     |       ^
add for example: [keys] with file = "/etc/truechimer/keys""#
    );
}

#[test]
fn a_key_that_cannot_be_is_shown() {
    let file = "[keys]\nfile = \"/k\"\n";
    let serve = "[serve]\nntp = [\"127.0.0.1:123\"]\n";
    let cases = [
        ("[[source]]\naddress = \"a.example\"\nkey = 0".to_owned(), "key must be 1 to 4294967295"),
        ("[[source]]\naddress = \"a.example\"\nkey = 4294967296".to_owned(), "key must be 1 to 4294967295"),
        ("[[source]]\nkind = \"shm\"\naddress = \"2\"\nkey = 7".to_owned(), "a reference clock has no key"),
        (format!("{serve}[[serve.key]]\nallow = []"), "`id` is missing here"),
        (format!("{serve}[[serve.key]]\nid = 7"), "`allow` is missing here"),
        (
            format!("{serve}[[serve.key]]\nid = 7\nallow = []\n[[serve.key]]\nid = 7\nallow = []"),
            "key 7 is served a second time",
        ),
        (format!("{serve}[[serve.key]]\nid = 7\nallow = [\"10.0.0.1/8\"]"), "did you mean 10.0.0.0/8?"),
    ];
    for (text, why) in cases {
        let message = message(&format!("{file}{text}\n"));
        assert!(message.contains(why), "{text}: {message}");
    }
}

#[test]
fn a_source_without_an_address_is_shown() {
    assert_eq!(
        message("[[source]]\nprefer = true\n"),
        r#"truechimer.toml:1:1: `address` is missing here
   1 | [[source]]
     | ^^^^^^^^^^"#
    );
    assert_eq!(
        message("[source]\naddress = \"a.example\"\n"),
        r#"truechimer.toml:1:1: a list of tables is begun by [[source]], with two brackets
   1 | [source]
     | ^^^^^^^^"#
    );
}

#[test]
fn a_hasty_interval_is_refused_with_a_word_on_politeness() {
    assert_eq!(
        message("[[source]]\naddress = \"a.example\"\nmin_interval = \"1s\"\n"),
        r#"truechimer.toml:3:16: `min_interval` must be at least 16s for a source that may be somebody else's
   3 | min_interval = "1s"
     |                ^^^^
shorter intervals are for addresses of one's own network, written in figures"#
    );
    assert_eq!(
        message("[[source]]\naddress = \"a.example\"\nmin_interval = \"2h\"\nmax_interval = \"1h\"\n"),
        r#"truechimer.toml:3:16: `min_interval` (2h) is longer than `max_interval` (1h)
   3 | min_interval = "2h"
     |                ^^^^"#
    );
}

#[test]
fn a_slip_of_the_syntax_is_shown_where_it_is() {
    let text = message("accuracy = \"1ms\n");
    assert!(text.starts_with("truechimer.toml:1:"), "{text}");
    assert!(text.contains("   1 | accuracy = \"1ms\n"), "{text}");
    let text = message("user = \"a\"\nuser = \"b\"\n");
    assert!(text.starts_with("truechimer.toml:2:1: duplicate key"), "{text}");
}

#[test]
fn a_terminal_is_not_commanded_by_a_bad_file() {
    let text = message("accuracy = \"\u{1b}[2J\"\n");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn values_out_of_limits_are_told_the_limits() {
    let cases = [
        ("[clock]\nmax_slew = \"83334ppm\"", "max_slew must be 1ppm to 83333ppm"),
        ("[clock]\nstep_updates = -1", "step_updates must be 0 to 4294967295"),
        ("[clock]\nstep_after_interruption = \"366d\"", "step_after_interruption must be 1ms to 365d"),
        (
            "[clock]\nsteps_per_day = 2",
            "steps_per_day must be left out where there is no step_after_interruption",
        ),
        ("[clock]\nstep_after_interruption = \"1h\"\nsteps_per_day = 25", "steps_per_day must be 1 to 24"),
        ("[assume]\nmax_drift = \"501ppm\"", "max_drift must be 1ppb to 500ppm"),
        ("[select]\nmax_distance = \"17s\"", "max_distance must be 1ms to 16s"),
        ("[[source]]\naddress = \"a.example\"\nburst = 9", "burst must be 0 to 8"),
        (
            "[[source]]\naddress = \"a.example\"\noperator = \"\"",
            "`operator` must be a name of 1 to 64 bytes",
        ),
        ("[statistics]\nmax_size = \"1KiB\"", "max_size must be 64KiB to 16GiB"),
        ("[state]\ndir = \"state\"", "\"state\" does not begin with /"),
        (
            "[serve]\nntp = [\"127.0.0.1:123\"]\nallow = [\"10.0.0.1/8\"]",
            "bits are set behind the first 8; did you mean 10.0.0.0/8?",
        ),
    ];
    for (text, why) in cases {
        assert!(message(text).contains(why), "{}", message(text));
    }
}
