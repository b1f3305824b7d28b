//! The hooks of DHCP clients that the package has: what they make of what DHCP offers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

fn hooks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/package/hooks")
}

/// A folder where hooks find what they need, and leave what they make.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(hooks().join("common.sh"), folder.path().join("offer.sh")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a hook as its caller would, with what that says.
    fn run(&self, hook: &str, arguments: &[&str], environment: &[(&str, &str)]) {
        let status = Command::new("sh")
            .arg(hooks().join(hook))
            .args(arguments)
            .env("TRUECHIMER_HOOKS", self.folder.path())
            .env("TRUECHIMER_OFFERS", self.path("dhcp"))
            .env("TRUECHIMER_LEASES", self.path("leases"))
            .env("TRUECHIMER_RELOAD", format!("tee -a {}", self.path("reloaded").display()))
            .envs(environment.iter().copied())
            .stdin(fs::File::open(self.path("offer.sh")).unwrap())
            .stdout(fs::File::create(self.path("out")).unwrap())
            .status()
            .unwrap();
        assert!(status.success(), "{hook} {arguments:?}: {status}");
    }

    fn offered(&self, interface: &str) -> Option<String> {
        fs::read_to_string(self.path("dhcp").join(interface)).ok()
    }

    /// Was the daemon told since this was last asked?
    fn was_reloaded(&self) -> bool {
        fs::remove_file(self.path("reloaded")).is_ok()
    }
}

#[test]
fn networkmanager_offers_and_takes_back() {
    let place = Place::new();
    let servers = [("DHCP4_NTP_SERVERS", "192.0.2.1 192.0.2.2"), ("DHCP6_DHCP6_NTP_SERVERS", "2001:db8::1")];
    place.run("networkmanager", &["eth0", "up"], &servers);
    assert_eq!(place.offered("eth0").as_deref(), Some("192.0.2.1\n192.0.2.2\n2001:db8::1\n"));
    assert!(place.was_reloaded());
    place.run("networkmanager", &["eth0", "dhcp4-change"], &servers);
    assert!(!place.was_reloaded(), "nothing is new");
    place.run("networkmanager", &["eth0", "hostname"], &[]);
    assert_eq!(place.offered("eth0").as_deref(), Some("192.0.2.1\n192.0.2.2\n2001:db8::1\n"));
    place.run("networkmanager", &["eth0", "down"], &[]);
    assert_eq!(place.offered("eth0").as_deref(), Some(""));
    assert!(place.was_reloaded());
}

#[test]
fn dhclient_offers_and_takes_back() {
    let place = Place::new();
    let bound = [("reason", "BOUND"), ("interface", "wlan0"), ("new_ntp_servers", "192.0.2.7")];
    place.run("dhclient", &[], &bound);
    assert_eq!(place.offered("wlan0").as_deref(), Some("192.0.2.7\n"));
    assert!(place.was_reloaded());
    place.run("dhclient", &[], &[("reason", "PREINIT"), ("interface", "wlan0")]);
    assert_eq!(place.offered("wlan0").as_deref(), Some("192.0.2.7\n"));
    place.run("dhclient", &[], &[("reason", "RELEASE"), ("interface", "wlan0")]);
    assert_eq!(place.offered("wlan0").as_deref(), Some(""));
}

#[test]
fn networkd_keeps_the_lease_of_an_interface() {
    let place = Place::new();
    fs::create_dir(place.path("leases")).unwrap();
    let index = fs::read_to_string("/sys/class/net/lo/ifindex").unwrap();
    let lease = place.path("leases").join(index.trim());
    fs::write(&lease, "ADDRESS=192.0.2.9\nNTP=192.0.2.3 192.0.2.4\nDNS=192.0.2.5\n").unwrap();
    place.run("networkd", &[], &[("IFACE", "lo")]);
    assert_eq!(place.offered("lo").as_deref(), Some("192.0.2.3\n192.0.2.4\n"));
    fs::remove_file(lease).unwrap();
    place.run("networkd", &[], &[("IFACE", "lo")]);
    assert_eq!(place.offered("lo").as_deref(), Some(""));
}

#[test]
fn an_interface_of_a_strange_name_makes_no_strange_file() {
    let place = Place::new();
    for name in ["../../etc/passwd", ".hidden", "", "eth0~"] {
        place.run("networkmanager", &[name, "up"], &[("DHCP4_NTP_SERVERS", "192.0.2.1")]);
    }
    assert!(!place.path("dhcp").exists());
    assert!(!place.was_reloaded());
}
