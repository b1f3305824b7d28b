//! All bytes that were worth keeping, fed to what must hold for any bytes: the fuzz targets without a fuzzer.

use std::fs;
use std::path::Path;

#[path = "../../../fuzz/src/bodies.rs"]
#[allow(unreachable_pub, reason = "there it is the root of a library, and public")]
mod bodies;

/// Feeds each file of a corpus, and each beginning of it: torn input is the commonest bad input of all.
fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for file in files {
        let bytes = fs::read(file.expect("an entry").path()).expect("a seed is readable");
        body(&bytes);
        for len in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
            body(&bytes[..len]);
        }
        count += 1;
    }
    assert!(count > 2, "there are only {count} seeds in {}", folder.display());
}

#[test]
fn packets() {
    replay("packet", bodies::packet);
}

#[test]
fn extensions() {
    replay("extension", bodies::extension);
}

#[test]
fn exchanges() {
    replay("exchange", bodies::exchange);
}

#[test]
fn classic_formats() {
    replay("classic", bodies::classic);
}

#[test]
fn leap_files() {
    replay("leap", bodies::leap);
}

#[test]
fn control_lines() {
    replay("control", bodies::control);
}

#[test]
fn configurations() {
    replay("config", bodies::config);
}

#[test]
fn configurations_of_others() {
    replay("import", bodies::import);
}

#[test]
fn records() {
    replay("record", bodies::record);
}

#[test]
fn lives() {
    replay("node", bodies::node);
}

#[test]
fn key_exchanges() {
    replay("key_exchange", bodies::key_exchange);
}

#[test]
fn cookies() {
    replay("cookie", bodies::cookie);
}

#[test]
fn protected_datagrams() {
    replay("protected", bodies::protected);
}

#[test]
fn sealed_fields() {
    replay("sealed", bodies::sealed);
}

#[test]
fn datagrams_at_a_desk() {
    replay("desk", bodies::desk);
}

#[test]
fn visits_of_the_key_server() {
    replay("key_server", bodies::key_server);
}

#[test]
fn questions_of_chronyc() {
    replay("monitor", bodies::monitor);
}

#[test]
fn answers_to_a_survey() {
    replay("survey", bodies::survey);
}

#[test]
fn logs_of_anybody() {
    replay("timeline", bodies::timeline);
}
