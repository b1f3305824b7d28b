//! Trace events (the JSON of Chrome's tracing, which Perfetto shows): a process is a host, a thread is a log, a line is a bar
//! from the earliest to the latest moment at which it can have been written. Lines without evidence are left out, and counted.

use std::io::{self, Write};

use serde_json::json;
use truechimer_time::{LeapTable, Tai, Time};

use super::{Named, word};
use crate::story::Host;

pub(super) struct Trace {
    left_out: u64,
}

impl Trace {
    pub(super) fn begin(out: &mut impl Write, hosts: &[Host], logs: &[String]) -> io::Result<Self> {
        out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        for (pid, host) in hosts.iter().enumerate() {
            let comma = if pid > 0 { "," } else { "" };
            let event = json!({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": host.name}});
            write!(out, "{comma}\n{event}")?;
            for (tid, log) in logs.iter().enumerate() {
                let event =
                    json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": log}});
                write!(out, ",\n{event}")?;
            }
        }
        Ok(Self { left_out: 0 })
    }

    pub(super) fn tell(&mut self, out: &mut impl Write, named: &Named<'_>) -> io::Result<()> {
        let told = named.told;
        let Some(truth) = told.when.and_then(|when| when.truth).filter(|truth| truth.interval.is_bounded())
        else {
            self.left_out += 1;
            return Ok(());
        };
        let line = String::from_utf8_lossy(told.line.bytes);
        let event = json!({
            "ph": "X",
            "name": line,
            "pid": told.host,
            "tid": told.log,
            "ts": micros(truth.interval.earliest),
            "dur": micros(truth.interval.latest) - micros(truth.interval.earliest),
            "args": {"bound": truth.interval.bound().as_seconds(), "evidence": word(truth.evidence)},
        });
        write!(out, ",\n{event}")
    }

    pub(super) fn end(self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "],\n\"otherData\":{}}}", json!({"lines_without_evidence": self.left_out}))
    }
}

/// Microseconds of POSIX. Floating numbers hold a quarter of one in these centuries.
fn micros(at: Time<Tai>) -> f64 {
    LeapTable::COMPILED.utc_of_tai(at).time.since_epoch().as_nanos() as f64 / 1000.0
}
