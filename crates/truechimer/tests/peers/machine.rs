//! Machines whose clocks exist in files (`clock.c`): at the start 5 s behind, on a counter that is 80 ppm fast.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::place;

/// By how much the clock is behind when it is made, in seconds.
pub(crate) const BEHIND: f64 = 5.0;

/// By how much the counter is fast.
pub(crate) const COUNTER_PPM: f64 = 80.0;

/// How right a clock is that was stepped, in seconds; starting a process to look at it takes some.
const RIGHT: f64 = 0.03;

/// The machine that tests it may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the kernel's state is in the file of a machine (`struct machine`).
const FREQUENCY_AT: usize = 16;

/// The clock of a machine, in a folder of its own. All processes with its [environment](Self::environment) are on it.
pub(crate) struct Machine {
    folder: PathBuf,
}

impl Machine {
    /// A new one in this folder. `None` if it cannot be compiled and that was allowed; it is said.
    pub(crate) fn new(folder: &Path) -> Option<Self> {
        let machine = Self { folder: folder.to_owned() };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/machine/clock.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.join("clock.so")).arg(source).arg("-ldl");
        if cc.status().is_ok_and(|status| status.success()) {
            machine.make();
            return Some(machine);
        }
        assert!(
            std::env::var_os("TRUECHIMER_WITHOUT_CC").is_some(),
            "the clock cannot be compiled; without a C compiler set TRUECHIMER_WITHOUT_CC=1"
        );
        place::not_tested("clocks that exist in files (no C compiler)");
        None
    }

    /// Everybody is to be on it, so it is made by one who may let them.
    fn make(&self) {
        let steps = self.folder.join("steps");
        fs::write(&steps, "").unwrap();
        fs::set_permissions(steps, fs::Permissions::from_mode(0o666)).unwrap();
        self.date();
    }

    /// What its clock shows, in seconds since 1970.
    fn date(&self) -> f64 {
        let output = Command::new("date").arg("+%s.%N").envs(self.environment()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    /// The environment of all processes that are on it.
    pub(crate) fn environment(&self) -> [(&'static str, String); 5] {
        Self::environment_in(&self.folder)
    }

    /// The same where its folder is seen at another place.
    pub(crate) fn environment_in(folder: &Path) -> [(&'static str, String); 5] {
        let file = |name: &str| folder.join(name).display().to_string();
        [
            ("LD_PRELOAD", file("clock.so")),
            ("MACHINE", file("machine")),
            ("MACHINE_ERROR", (-BEHIND).to_string()),
            ("MACHINE_PPM", COUNTER_PPM.to_string()),
            ("MACHINE_LOG", file("steps")),
        ]
    }

    /// What a shell has to run to be on it, with all that it starts.
    pub(crate) fn entrance(&self) -> String {
        let words: Vec<String> =
            self.environment().iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("export {}", words.join(" "))
    }

    /// All steps of its clock, in seconds.
    pub(crate) fn steps(&self) -> Vec<f64> {
        let steps = fs::read_to_string(self.folder.join("steps")).unwrap_or_default();
        steps.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// By how much its clock is ahead.
    pub(crate) fn error(&self) -> f64 {
        let before = now();
        self.date() - (before + now()) / 2.0
    }

    /// By how much its kernel was told to have the clock run faster than the counter.
    pub(crate) fn frequency_ppm(&self) -> f64 {
        let bytes = fs::read(self.folder.join("machine")).unwrap();
        let frequency = bytes[FREQUENCY_AT..].first_chunk().expect("the machine is made");
        f64::from_ne_bytes(*frequency) * 1e6
    }

    /// The clock is right, and was stepped once.
    #[track_caller]
    pub(crate) fn is_right(&self) {
        let error = place::eventually(PATIENCE, "the clock is right", || {
            Some(self.error()).filter(|error| error.abs() < RIGHT)
        });
        let steps = self.steps();
        assert!((steps[0] - BEHIND).abs() < RIGHT, "the first step is by what it was behind: {steps:?}");
        assert!(steps[1..].iter().all(|step| step.abs() < RIGHT), "and no other: {steps:?}, {error} s off");
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}
