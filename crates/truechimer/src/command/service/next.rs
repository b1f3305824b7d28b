//! What the administrator has to do, in commands: after writing, and before taking away.

use std::path::Path;

use crate::service::manifest::{Manifest, Written};
use crate::service::{Layout, Role, Supervisor};

/// How what was written comes to life.
pub(super) fn after_install(layout: &Layout) -> String {
    match layout.supervisor {
        Supervisor::Systemd => after_units(layout),
        Supervisor::Daemontools | Supervisor::Runit | Supervisor::S6 => {
            let (services, scan) = (layout.services.display(), layout.scan.display());
            let mut text = format!("\nnext, as root:\n  {services}/accounts\n");
            if layout.supervisor == Supervisor::S6 {
                text += &format!("  s6-svscanctl -a {scan}\n");
            }
            text + &format!("and the scanner that looks into {scan} starts all, the step at boot first\n")
        }
    }
}

fn after_units(layout: &Layout) -> String {
    let taiclockd = match layout.role {
        Role::Master => " taiclockd",
        Role::Client => "",
    };
    format!(
        "\nnext, as root:\n  systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload\nand then one of the two:\n  \
         systemctl enable --now truechimer truechimer-wait\n  systemctl enable --now clockspeed clockadjust{taiclockd}\n"
    )
}

/// How they are stopped, so that they can be taken away.
pub(super) fn before_remove(manifest: &Manifest, services: &Path, supervised: &[&str]) -> String {
    let all = supervised.join(" ");
    let mut text =
        format!("truechimer: nothing was removed, because these are supervised: {all}\nfirst, as root:\n");
    match manifest.supervisor.as_str() {
        "systemd" => text += &format!("  systemctl disable --now {all}\n"),
        supervisor => {
            for name in supervised.iter().filter(|name| !name.ends_with("/log")) {
                text += &stop(supervisor, manifest, &services.join(name));
            }
        }
    }
    text
}

fn stop(supervisor: &str, manifest: &Manifest, folder: &Path) -> String {
    let leads_there = |written: &Written| matches!(written, Written::Link(target) if target == folder);
    let link = manifest.written.iter().find(|(_, written)| leads_there(written));
    let remove = link.map_or(String::new(), |(link, _)| format!("rm -f {} && ", link.display()));
    let is_logged = manifest.written.contains_key(&folder.join("log"));
    let folder = folder.display();
    match supervisor {
        "runit" => format!("  {remove}sv force-shutdown {folder}\n"),
        "s6" if is_logged => format!("  {remove}s6-svc -dx {folder} && s6-svc -dx {folder}/log\n"),
        "s6" => format!("  {remove}s6-svc -dx {folder}\n"),
        _daemontools if is_logged => format!("  {remove}svc -dx {folder} {folder}/log\n"),
        _daemontools => format!("  {remove}svc -dx {folder}\n"),
    }
}
