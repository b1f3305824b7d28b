//! Where things are: the peers, ports that are free, and how long to wait for them.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Ports below those that the kernel hands out itself (from 32768), so that no question of a test takes one.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Our own program.
pub(crate) fn truechimer() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_truechimer"))
}

/// Where the peers are unpacked. `None` if they are not and that was allowed; it is said.
pub(crate) fn peers() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let wanted = std::env::var_os("TRUECHIMER_PEERS").map(PathBuf::from);
    let found = wanted.map_or_else(
        || [target, Some(&workspace)].into_iter().flatten().map(|target| target.join("peers/root")).collect(),
        |wanted| vec![wanted],
    );
    let found = found.into_iter().find(|root| root.join("usr/sbin/chronyd").exists());
    let may_lack = std::env::var_os("TRUECHIMER_WITHOUT_PEERS").is_some_and(|value| value == "1");
    assert!(found.is_some() || may_lack, "the real peers are missing: run tests/peers/fetch first");
    if found.is_none() {
        not_tested("there are no real peers here (TRUECHIMER_WITHOUT_PEERS=1)");
    }
    found
}

/// Is this root? If not, it is said what is left out.
pub(crate) fn is_root(or_without: &str) -> bool {
    let is_root = truechimer_sys::user::effective_uid() == 0;
    if !is_root {
        not_tested(&format!("{or_without} (needs root)"));
    }
    is_root
}

/// Says what is left out, and in which test. Not by a macro: what those print, a test that passes keeps to itself.
pub(crate) fn not_tested(what: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Without a stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "SKIPPED, NOT TESTED: {test}: {what}");
}

/// A UDP port of loopback that nobody has, and that no other test of this process is given.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    let start = (std::process::id() % u32::from(count)) as u16;
    let is_free = |port: &u16| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
    (0..count)
        .map(|_| PORTS.start + (start + NEXT.fetch_add(1, Ordering::Relaxed) % count) % count)
        .find(is_free)
        .expect("one port in ten thousand is free")
}

/// A place on loopback that nobody has.
pub(crate) fn free_place() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// Waits until there is something, and looks every 20 ms.
#[track_caller]
pub(crate) fn eventually<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The name of who runs this test.
pub(crate) fn user_name() -> String {
    let output = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
