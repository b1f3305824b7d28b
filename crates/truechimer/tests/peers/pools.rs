//! Debian's chronyds behind one name, and sources that come and go while the daemon runs.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use truechimer::talk::SourceReply;

use crate::chronyd::Chronyd;
use crate::daemon::{Daemon, Home, Wishes};
use crate::place::{self, eventually, free_port, not_tested};

/// A name may be asked every 16 s, and after a burst of eight nothing hurries.
const PATIENCE: Duration = Duration::from_secs(120);

/// In the second block the first server is not there, nor is any in the third. The first address is a pool's neighbour, and our own.
#[test]
fn bad_inputs_133_135_a_pool_finds_the_servers_that_answer_one_of_each_block() {
    let Some(peers) = place::peers() else { return };
    let Some(library) = resolver() else { return };
    let port = free_port();
    let at = |block: u8, host: u8| SocketAddr::from((Ipv4Addr::new(127, block, 0, host), port));
    let _servers = [at(1, 1), at(1, 2), at(4, 1), at(5, 1)].map(|place| Chronyd::serving_at(&peers, place));
    let pool = format!(
        "[[source]]\naddress = \"pool.example:{port}\"\npool = 3\nnear = true\nmin_interval = \"16s\"\nburst = 8\n"
    );
    let home = Home::new(&Wishes { serve: pool, ..Wishes::asking([]) });
    let names = home.path("addresses");
    fs::write(&names, "127.0.0.1\n127.1.0.1\n127.1.0.2\n127.2.0.1\n127.3.0.1\n127.4.0.1\n127.5.0.1\n")
        .unwrap();
    let environment = vec![("LD_PRELOAD", library.into()), ("TRUECHIMER_TEST_ADDRESS", names.into())];
    let daemon = home.start_with(None, environment);
    let first =
        eventually(PATIENCE, "three are asked", || Some(asked(&daemon)).filter(|asked| asked.len() == 3));
    assert_eq!(first, [at(1, 1), at(2, 1), at(3, 1)], "one of each block, and not ourselves");
    eventually(PATIENCE, "those that answer are asked", || {
        // Who dies first is replaced first.
        let asked: BTreeSet<SocketAddr> = asked(&daemon).into_iter().collect();
        (asked == BTreeSet::from([at(1, 1), at(4, 1), at(5, 1)])).then_some(())
    });
    eventually(PATIENCE, "all of them agree", || {
        daemon.sources().sources.iter().all(|source| source.mark == '*').then_some(())
    });
    let shown = String::from_utf8(daemon.command("sources").output().unwrap().stdout).unwrap();
    for server in ["#1 127.1.0.1", " 127.4.0.1", " 127.5.0.1"] {
        assert!(shown.contains(server), "{shown}");
    }
    let log = daemon.process.log();
    assert!(
        log.contains(&format!("pool.example:{port} #2 is given up at {}: it does not answer", at(2, 1))),
        "{log}"
    );
    daemon.terminate();
}

#[test]
fn a_reload_takes_the_sources_of_the_file_and_of_dhcp_and_keeps_what_is_known_of_the_others() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..4).map(|_| Chronyd::serving(&peers)).collect();
    let [a, b, c, d] = [0, 1, 2, 3].map(|index: usize| servers[index].place);
    let home = Home::new(&Wishes::asking([a, b, c]));
    let statistics = home.path("statistics");
    let wishes = |places: &[SocketAddr]| Wishes {
        serve: format!("[statistics]\ndir = {statistics:?}\n"),
        ..Wishes::asking(places.iter().copied())
    };
    home.rewrite(&wishes(&[a, b, c]));
    let daemon = home.start();
    let settled = |what: &str, places: &[SocketAddr]| {
        eventually(PATIENCE, what, || {
            let sources = daemon.sources().sources;
            // Whom DHCP offers is asked a burst of eight, of which one may be lost, and the next a minute later.
            let is_right = |source: &SourceReply| source.mark == '*' && source.samples > 3;
            (asked(&daemon) == places && sources.iter().all(is_right)).then_some(sources)
        })
    };
    let before = settled("three agree", &[a, b, c]);
    offer(&home, "eth0", &format!("# from a lease\n{d}\nno address\n"));
    home.rewrite(&wishes(&[c, b]));
    daemon.process.signal("HUP");
    // Whom DHCP offers takes the place of the one that is gone.
    let after = settled("two stay and one comes", &[d, b, c]);
    assert_eq!(after[0].operator, "dhcp");
    for (old, new) in before[1..].iter().zip(&after[1..]) {
        assert!(new.traffic.answers >= old.traffic.answers && new.samples >= old.samples, "{old:?} {new:?}");
    }
    let log = daemon.process.log();
    for said in [
        "is no source any more",
        "of dhcp is a source from now on",
        "eth0:3: is left out",
        "its sources hold now",
    ] {
        assert!(log.contains(said), "{said}:\n{log}");
    }
    fs::set_permissions(home.path("run/dhcp"), fs::Permissions::from_mode(0o777)).unwrap();
    daemon.process.signal("HUP");
    eventually(PATIENCE, "a folder that others can write to offers nothing", || {
        (asked(&daemon) == [b, c]).then_some(())
    });
    daemon.terminate();
    // What was written down leads to the same decisions again, other sources and all.
    let replay =
        Command::new(place::truechimer()).args(["sim", "--replay"]).arg(statistics.join("record")).output();
    let replay = replay.unwrap();
    assert_eq!(replay.status.code(), Some(0), "{replay:?}");
}

/// Where the daemon asks, in the order of its places.
fn asked(daemon: &Daemon<'_>) -> Vec<SocketAddr> {
    daemon.sources().sources.iter().filter_map(|source| source.address).collect()
}

/// What a hook of a DHCP client would do.
fn offer(home: &Home, interface: &str, text: &str) {
    let folder = home.path("run/dhcp");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join(interface), text).unwrap();
}

/// The library that answers for names. `None` without a C compiler, where that was allowed; it is said.
fn resolver() -> Option<PathBuf> {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("resolver-{}.so", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classic/resolver.c");
    let made =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    let is_made = made.is_ok_and(|status| status.success());
    let may_lack = std::env::var_os("TRUECHIMER_WITHOUT_CC").is_some();
    assert!(
        is_made || may_lack,
        "the library cannot be compiled; without a C compiler set TRUECHIMER_WITHOUT_CC=1"
    );
    if !is_made {
        not_tested("there is no C compiler (TRUECHIMER_WITHOUT_CC=1)");
    }
    is_made.then_some(library)
}
