//! The file of numbers for monitors that the real daemon writes, as promtool reads it and beside what `status` says.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::chronyd::Chronyd;
use crate::daemon::{Daemon, Home, Wishes};
use crate::place::{self, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// The number of a sample, by its name with its labels.
fn number(text: &str, sample: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
    Some(rest.parse().unwrap_or_else(|_| panic!("{sample} {rest}")))
}

/// Numbers in which nothing has changed while we asked for the status.
fn agree(daemon: &Daemon<'_>, text: &str) -> bool {
    let (status, sources) = (daemon.status(), daemon.sources());
    let [first, ..] = &sources.sources[..] else { return false };
    let of = format!(
        "{{name=\"{}\",address=\"{}\",operator=\"{}\"}}",
        first.name,
        first.address.unwrap(),
        first.operator
    );
    let near = |sample: &str, value: Option<f64>| {
        number(text, sample).zip(value).is_some_and(|(told, value)| (told - value).abs() < 1e-3)
    };
    near("truechimer_bound_seconds", status.bound)
        && near("truechimer_offset_seconds", status.offset)
        && near("truechimer_oscillator_rate_ratio", status.counter_ppm.map(|ppm| ppm / 1e6))
        && number(text, "truechimer_stratum") == Some(f64::from(status.stratum))
        && number(text, "truechimer_sources{standing=\"truechimer\"}")
            == Some(status.sources.truechimers as f64)
        && near(&format!("truechimer_source_offset_seconds{of}"), first.offset)
        && number(text, &format!("truechimer_source_interval_seconds{of}")) == Some(first.interval)
}

#[test]
fn the_file_for_monitors_says_what_status_says_and_promtool_accepts_it() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let wishes = Wishes::asking(servers.iter().map(|server| server.place));
    let home = Home::new(&wishes);
    let folder = home.path("numbers");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("truechimer.prom");
    let names = "[\"truechimer\", \"chrony\", \"ntpd-rs\"]";
    let serve = format!(
        "[serve]\nntp = [\"{}\"]\n[metrics]\nfile = {file:?}\ninterval = \"1s\"\nnames = {names}\n",
        place::free_place()
    );
    home.rewrite(&Wishes { serve, ..wishes });
    let daemon = home.start();
    let text = eventually(PATIENCE, "the file says what status says", || {
        let text = fs::read_to_string(&file).ok()?;
        let is_there = text.contains("truechimer_status{truechimer_status=\"synchronised\"} 1\n");
        (is_there && agree(&daemon, &text)).then_some(text)
    });
    for sample in ["truechimer_uptime_seconds", "chrony_tracking_stratum", "ntp_system_stratum"] {
        assert!(number(&text, sample).is_some_and(|number| number > 0.0), "{sample} in\n{text}");
    }
    assert!(number(&text, "truechimer_events_total{event=\"status_changed\"}") >= Some(1.0), "{text}");
    let mut promtool = Command::new(peers.join("usr/bin/promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is among the peers: run tests/peers/fetch");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    // 1: it cannot be read; 3: it can, and somebody else's name (ours are free of that) is not after the rules.
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(matches!(said.status.code(), Some(0 | 3)), "{words}");
    assert!(!words.lines().any(|line| line.starts_with("truechimer_")), "{words}");
    daemon.terminate();
    assert!(!file.exists(), "numbers that nobody keeps up to date are not left lying about");
}
