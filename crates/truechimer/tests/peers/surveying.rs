//! `truechimer survey` and servers that are not ours: nginx's Date, chronyd's NTP.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::chronyd::Chronyd;
use crate::place::{self, eventually, free_place, truechimer};
use crate::process::{Launch, Process};

const PATIENCE: Duration = Duration::from_secs(15);

/// A Date is known to within this, in seconds.
const DATE_WITHIN: f64 = 0.020;

struct Nginx {
    place: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Nginx {
    fn serving(peers: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("truechimer-nginx-").tempdir().unwrap();
        let (place, home) = (free_place(), folder.path().display().to_string());
        let config = format!(
            "daemon off;\nmaster_process off;\npid {home}/pid;\nerror_log {home}/error.log;\n\
             events {{ worker_connections 64; }}\n\
             http {{\n access_log off;\n client_body_temp_path {home}/body;\n proxy_temp_path {home}/proxy;\n\
             fastcgi_temp_path {home}/fastcgi;\n uwsgi_temp_path {home}/uwsgi;\n scgi_temp_path {home}/scgi;\n\
             server {{ listen {place}; return 204; }}\n}}\n"
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, config).unwrap();
        let process = Process::start(&Launch {
            program: &peers.join("usr/sbin/nginx"),
            arguments: ["-p", &home, "-e", "stderr", "-c", path.to_str().unwrap()].map(Into::into).to_vec(),
            environment: Vec::new(),
            namespace: None,
            log: folder.path().join("log"),
        });
        eventually(PATIENCE, "nginx listens", || TcpStream::connect(place).ok());
        Self { place, _process: process, _folder: folder }
    }
}

fn survey(arguments: &[String]) -> (Output, Value) {
    let output = Command::new(truechimer())
        .args(["survey", "--run-dir", "/nonexistent", "--json", "--timeout", "10s"])
        .args(arguments)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, report)
}

/// The true offset is nothing: the server's clock is ours.
#[track_caller]
fn is_here(host: &Value) -> f64 {
    let ahead = &host["ahead_of_us"];
    let (lo, hi) = (ahead["lo"].as_f64().unwrap(), ahead["hi"].as_f64().unwrap());
    assert!(lo <= 0.0 && 0.0 <= hi, "{host}");
    ahead["bound"].as_f64().unwrap()
}

#[test]
fn the_date_of_nginx_is_known_to_within_20_milliseconds() {
    let Some(peers) = place::peers() else { return };
    if !peers.join("usr/sbin/nginx").exists() {
        place::not_tested("there is no nginx among the peers: run tests/peers/fetch again");
        return;
    }
    let nginx = Nginx::serving(&peers);
    // That the clock is in its interval is asserted each time; that the interval is narrow once in a while, because the machine is
    // busy with other tests and each delay widens it.
    let narrow = eventually(PATIENCE * 8, "a bound of 20 ms", || {
        let (output, report) = survey(&[format!("http://{}", nginx.place)]);
        assert_eq!(output.status.code(), Some(0), "{report}");
        Some(is_here(&report["hosts"][0])).filter(|bound| *bound < DATE_WITHIN)
    });
    eprintln!("nginx: its clock is known to within {:.1} ms", narrow * 1e3);
}

#[test]
fn chronyds_agree_and_one_whose_clock_is_shifted_lies() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let mut places: Vec<String> = servers.iter().map(|server| server.place.to_string()).collect();
    let (output, report) = survey(&places);
    assert_eq!(output.status.code(), Some(0), "{report}");
    report["hosts"].as_array().unwrap().iter().for_each(|host| {
        is_here(host);
    });
    assert_eq!((&report["reference"]["kind"], &report["reference"]["of"]), (&"majority".into(), &3.into()));
    let liar = Chronyd::ahead(&peers, 100);
    places.push(liar.place.to_string());
    let (output, report) = survey(&places);
    let last = &report["hosts"][3];
    assert_eq!((output.status.code(), last["standing"].as_str()), (Some(1), Some("liar")), "{report}");
    assert!((last["ahead"]["middle"].as_f64().unwrap() - 100.0).abs() < 0.1, "{last}");
}
