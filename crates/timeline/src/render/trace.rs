//! Trace events (the JSON of Chrome's tracing, which Perfetto shows): a process is a host, a thread is a log, a line is a bar
//! from the earliest to the latest moment at which it can have been written. Lines without evidence are left out, and counted.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::json;
use truechimer_time::{LeapTable, Tai, Time};

use super::{Named, evidence_word};

#[derive(Default)]
pub(super) struct Trace {
    left_out: u64,
    /// Hosts, and logs with lines of theirs, whose names were written.
    named: BTreeSet<(usize, Option<usize>)>,
}

impl Trace {
    pub(super) fn begin(out: &mut impl Write) -> io::Result<Self> {
        // All that follow begin with a comma, so one has to be first.
        let first = json!({"ph": "M", "name": "trace", "args": {}});
        write!(out, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{first}")?;
        Ok(Self::default())
    }

    /// The names of a process and of its thread are events of their own.
    fn name(&mut self, out: &mut impl Write, named: &Named<'_>) -> io::Result<()> {
        let (pid, tid) = (named.told.host, named.told.log);
        if self.named.insert((pid, None)) {
            let event = json!({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": named.host}});
            write!(out, ",\n{event}")?;
        }
        if self.named.insert((pid, Some(tid))) {
            let event = json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": named.log}});
            write!(out, ",\n{event}")?;
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, out: &mut impl Write, named: &Named<'_>) -> io::Result<()> {
        let told = named.told;
        let Some(truth) = told.when.and_then(|when| when.truth).filter(|truth| truth.interval.is_bounded())
        else {
            self.left_out += 1;
            return Ok(());
        };
        self.name(out, named)?;
        let line = String::from_utf8_lossy(told.line.bytes);
        let event = json!({
            "ph": "X",
            "name": line,
            "pid": told.host,
            "tid": told.log,
            "ts": micros(truth.interval.earliest),
            "dur": micros(truth.interval.latest) - micros(truth.interval.earliest),
            "args": {"bound": truth.interval.bound().as_seconds(), "evidence": evidence_word(truth.evidence)},
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
