//! What is handed out for the programs of others speaks of metrics that there are, and the manual of all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use truechimer::metrics::{Names, families, up};
use truechimer::talk::{SourcesReply, StatusReply};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of all samples that are ever written.
fn written() -> BTreeSet<String> {
    let status = r#"{"version": 1, "status": "unknown", "clock": "user", "utc": null, "tai_minus_utc": null, "offset": null,
        "bound": null, "sigma": null, "age": null, "counter_ppm": null, "counter_error_ppm": 1, "clock_ppm": 0,
        "panicking": false, "forecast": [], "assumptions": {"version": 2, "max_rate_ppm": 1, "max_drift_ppm": 1},
        "sources": {"configured": 0, "truechimers": 0, "falsetickers": 0}, "stratum": 16,
        "traffic": {"questions": 0, "answers": 0, "per_day": 0}, "rms": null, "server": null}"#;
    let status: StatusReply = serde_json::from_str(status).expect("the reply of an older daemon");
    let sources = SourcesReply { version: 1, sources: Vec::new() };
    let told = families(&status, &sources, &Names::ALL).into_iter().chain(up(true, &Names::ALL));
    told.map(|family| family.sample_name()).collect()
}

/// The words of an expression that look like metrics of ours.
fn named(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words.filter(|word| word.starts_with("truechimer_")).map(str::to_owned).collect()
}

fn assert_there(place: &str, expression: &str) {
    let used = named(expression);
    let missing: Vec<_> = used.difference(&written()).cloned().collect();
    assert!(missing.is_empty(), "{place}: there is no {missing:?}");
}

#[test]
fn every_expression_of_the_dashboard_uses_what_is_written() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("contrib/grafana/truechimer.json")).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut seen = 0;
    for target in targets {
        let expression = target["expr"].as_str().expect("a target is an expression");
        assert!(!named(expression).is_empty(), "{expression} is about nothing of ours");
        assert_there("dashboard", expression);
        assert_eq!(target["datasource"]["uid"], "${datasource}", "who looks names the data source");
        seen += 1;
    }
    assert!(seen >= 20, "{seen} expressions");
    let variables = dashboard["templating"]["list"].as_array().expect("it has variables");
    assert!(variables.iter().any(|it| it["type"] == "datasource" && it["name"] == "datasource"));
    variables.iter().filter_map(|it| it["definition"].as_str()).for_each(|it| assert_there("variables", it));
}

#[test]
fn every_alarm_uses_what_is_written_and_says_what_to_do() {
    let rules = read("contrib/prometheus/truechimer.rules.yml");
    let alarms: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alarms.len() >= 10, "{} alarms", alarms.len());
    for alarm in alarms {
        let name = alarm.lines().next().unwrap_or_default();
        for key in ["expr:", "severity:", "summary:", "description:", "runbook:"] {
            assert!(alarm.contains(key), "{name} has no {key}");
        }
        let expression = alarm.split("expr:").nth(1).and_then(|rest| rest.split("labels:\n").next());
        assert_there(name, expression.expect("it has an expression"));
    }
}

#[test]
fn every_alarm_has_a_case_in_which_it_is_heard() {
    let (rules, cases) = (
        read("contrib/prometheus/truechimer.rules.yml"),
        read("contrib/prometheus/truechimer.rules.test.yml"),
    );
    for name in rules.split("- alert: ").skip(1).filter_map(|alarm| alarm.lines().next()) {
        assert!(cases.contains(&format!("labels: '{{alertname=\"{name}\", instance=\"ill\"}}'")), "{name}");
    }
}

/// What the unit runs and writes to, the profile that it names allows.
#[test]
fn the_profile_knows_what_the_unit_does() {
    let unit = read("crates/truechimer/src/service/templates/truechimer.service");
    let profile = read("contrib/package/apparmor");
    for (in_unit, in_profile) in [
        ("ExecStart={{program}}", "/usr/bin/truechimer mr,"),
        ("ExecReload=/bin/kill", "/{usr/,}bin/kill mr,"),
        ("Type=notify", "@{run}/systemd/notify w,"),
        ("StateDirectory=truechimer", "owner /var/lib/truechimer/** rwkl,"),
        ("RuntimeDirectory=truechimer", "@{run}/truechimer/** rwk,"),
        ("LogsDirectory=truechimer", "owner /var/log/truechimer/** rwk,"),
        ("CAP_SYS_TIME CAP_NET_BIND_SERVICE", "capability sys_time,\n  capability net_bind_service,"),
        ("AF_INET AF_INET6 AF_UNIX AF_NETLINK", "network netlink raw,"),
    ] {
        assert!(unit.contains(in_unit), "{in_unit}");
        assert!(profile.contains(in_profile), "{in_profile}");
    }
    // The kernel lets nobody out of his profile who may gain nothing.
    assert!(unit.contains("NoNewPrivileges=yes") && !profile.contains("Ux,"));
}

#[test]
fn the_manual_has_every_metric() {
    let manual = read("docs/manual/metrics.md");
    for name in written() {
        assert!(manual.contains(&format!("`{name}`")), "docs/manual/metrics.md lacks {name}");
    }
}
