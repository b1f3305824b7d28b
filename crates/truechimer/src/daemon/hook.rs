//! A program of the administrator that is called for each thing that happened. It is not waited for, has no privileges
//! and not the clock's, and there is a limit of how many run at once and for how long.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use truechimer_time::{Mono, Span, Time};

use crate::happened::Happened;

/// So many run at once; what happens meanwhile waits.
const RUNNING_MAX: usize = 4;

/// So many wait at most; the oldest is left out then, and that is said.
const WAITING_MAX: usize = 64;

/// Who is not done by then is killed.
const PATIENCE: Span = Span::from_secs(30);

/// Those that run are looked at so often.
const LOOK: Span = Span::from_millis(250);

/// The program, and its runs.
#[derive(Debug)]
pub struct Hook {
    program: PathBuf,
    running: Vec<(Child, Time<Mono>)>,
    waiting: VecDeque<Happened>,
}

impl Hook {
    /// A program that was not called yet.
    pub fn new(program: PathBuf) -> Self {
        Self { program, running: Vec::new(), waiting: VecDeque::new() }
    }

    /// Something happened: the program is called now, or when others of it are done.
    pub fn call(&mut self, happened: Happened) {
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(happened);
    }

    /// When to look again.
    pub fn due(&self, now: Time<Mono>) -> Option<Time<Mono>> {
        (!self.running.is_empty() || !self.waiting.is_empty()).then_some(now + LOOK)
    }

    /// Goes on: buries those that are done, and calls for what waits. Returns what there is to complain about.
    pub fn turn(&mut self, now: Time<Mono>) -> Vec<String> {
        let mut complaints = Vec::new();
        let program = self.program.display().to_string();
        self.running.retain_mut(|(child, ends)| match child.try_wait() {
            Ok(None) if now < *ends => true,
            Ok(None) => {
                complaints.push(format!("the hook {program} was not done after 30 s and is killed"));
                // It may have ended just now; then there is nothing to kill, and it is buried all the same.
                let _ = child.kill();
                let _ = child.wait();
                false
            }
            Ok(Some(status)) if status.success() => false,
            Ok(Some(status)) => {
                complaints.push(format!("the hook {program} failed: {status}"));
                false
            }
            Err(error) => {
                complaints.push(format!("the hook {program} cannot be waited for: {error}"));
                false
            }
        });
        while self.running.len() < RUNNING_MAX {
            let Some(happened) = self.waiting.pop_front() else { break };
            match self.start(&happened) {
                Ok(child) => self.running.push((child, now + PATIENCE)),
                Err(error) => complaints.push(format!("the hook {program} cannot be called: {error}")),
            }
        }
        complaints
    }

    fn start(&self, happened: &Happened) -> std::io::Result<Child> {
        let by = happened.by.map_or(String::new(), |by| format!("{by:.9}"));
        let (map_before, map_after) = match &happened.map {
            Some(map) => (map.before.as_str(), map.after.as_str()),
            None => ("", ""),
        };
        Command::new(&self.program)
            .arg(&happened.label)
            .env("TRUECHIMER_LABEL", &happened.label)
            .env("TRUECHIMER_LEVEL", &happened.level)
            .env("TRUECHIMER_STATUS", &happened.status)
            .env("TRUECHIMER_UTC", happened.utc.as_deref().unwrap_or_default())
            .env("TRUECHIMER_LOCAL", &happened.local)
            .env("TRUECHIMER_RAW", &happened.raw)
            .env("TRUECHIMER_BY", by)
            .env("TRUECHIMER_BEFORE", map_before)
            .env("TRUECHIMER_AFTER", map_after)
            .env("TRUECHIMER_WORDS", &happened.words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
    }
}

impl Drop for Hook {
    /// Nobody stays behind.
    fn drop(&mut self) {
        for (child, _) in &mut self.running {
            // Who has ended already needs no killing.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::{Duration, Instant};

    fn happened(label: &str) -> Happened {
        Happened {
            version: 1,
            label: label.to_owned(),
            level: "warn".to_owned(),
            utc: Some("2026-11-23T12:00:00Z".to_owned()),
            local: "2026-11-23T12:00:00.5Z".to_owned(),
            raw: "1234.5".to_owned(),
            by: Some(-0.25),
            status: "holdover".to_owned(),
            map: None,
            words: "what happened".to_owned(),
        }
    }

    fn script(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("hook");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        path
    }

    /// Until nothing runs and nothing waits; time passes as fast as we say.
    fn until_done(hook: &mut Hook, now: Time<Mono>) -> Vec<String> {
        let (mut complaints, begun) = (Vec::new(), Instant::now());
        while hook.due(now).is_some() && begun.elapsed() < Duration::from_secs(60) {
            complaints.extend(hook.turn(now));
            std::thread::sleep(Duration::from_millis(5));
        }
        complaints
    }

    const NOW: Time<Mono> = Time::EPOCH;

    #[test]
    fn a_hook_is_told_all_there_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("out");
        let line =
            format!("echo \"$1 $TRUECHIMER_BY $TRUECHIMER_STATUS $TRUECHIMER_WORDS\" >>{}", out.display());
        let mut hook = Hook::new(script(folder.path(), &line));
        for _ in 0..2 * RUNNING_MAX {
            hook.call(happened("stepped"));
        }
        assert_eq!(until_done(&mut hook, NOW), Vec::<String>::new());
        let told = fs::read_to_string(&out).expect("it ran");
        assert_eq!(told, "stepped -0.250000000 holdover what happened\n".repeat(2 * RUNNING_MAX));
    }

    #[test]
    fn a_hook_that_fails_or_is_not_there_is_complained_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut hook = Hook::new(script(folder.path(), "exit 3"));
        hook.call(happened("calmed"));
        let complaints = until_done(&mut hook, NOW);
        assert!(complaints[0].ends_with("failed: exit status: 3"), "{complaints:?}");
        let mut hook = Hook::new(folder.path().join("absent"));
        hook.call(happened("calmed"));
        let complaints = until_done(&mut hook, NOW);
        assert!(complaints[0].contains("absent cannot be called"), "{complaints:?}");
    }

    #[test]
    fn hooks_that_hang_are_few_and_are_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut hook = Hook::new(script(folder.path(), "exec sleep 1000"));
        for _ in 0..2 * WAITING_MAX {
            hook.call(happened("starved"));
            hook.turn(NOW);
            assert!(hook.running.len() <= RUNNING_MAX && hook.waiting.len() <= WAITING_MAX);
        }
        let complaints = hook.turn(NOW + PATIENCE);
        assert_eq!(complaints.len(), RUNNING_MAX);
        assert!(complaints[0].contains("is killed"), "{complaints:?}");
    }
}
