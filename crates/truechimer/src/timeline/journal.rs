//! Journals among the files: what they tell of the clocks of hosts, before they are told themselves.

use std::collections::BTreeMap;

use anyhow::Context;
use truechimer_timeline::course::Triples;
use truechimer_timeline::records::Records;
use truechimer_timeline::stamp::Reading;

use super::inputs::{self, Input, Kind};

/// No more hosts are told apart in the journals. What is said of others is of no use.
const HOSTS_MAX: usize = 4096;

/// What the journals tell of the clocks of all hosts.
#[derive(Debug, Default)]
pub struct Journals {
    /// By the name that the entries tell, or that of the file.
    of_hosts: BTreeMap<String, Triples>,
}

impl Journals {
    /// Reads all journals among the files, but for one that comes by a pipe, which can be read only once. What is in a file
    /// of which somebody said whose it is, is of that host.
    ///
    /// # Errors
    /// A file cannot be read, with its name. One that is torn tells what it tells before that; the error comes when it is told.
    pub fn of(inputs: &[Input], is_named: impl Fn(&Input) -> bool) -> anyhow::Result<Self> {
        let mut journals = Self::default();
        for input in inputs.iter().filter(|input| input.kind == Kind::Journal) {
            journals.take_in(input, is_named(input))?;
        }
        Ok(journals)
    }

    fn take_in(&mut self, input: &Input, is_named: bool) -> anyhow::Result<()> {
        let place = || format!("cannot read {}", input.path.display());
        let mut records = Records::of(inputs::open(&input.path).with_context(place)?);
        loop {
            match records.advance() {
                Ok(true) => {}
                Ok(false) | Err(_) => return Ok(()),
            }
            let Some(found) = records.found() else { continue };
            let (Reading::Clock(reading), Some(boot), Some(mono)) =
                (found.stamp.reading, found.boot, found.mono)
            else {
                continue;
            };
            let named = found.host.filter(|_| !is_named).map(String::from_utf8_lossy);
            let name = named.as_deref().unwrap_or(&input.host);
            if let Some(triples) = self.of_hosts.get_mut(name) {
                triples.take_in(boot, mono, reading);
            } else if self.of_hosts.len() < HOSTS_MAX {
                let mut triples = Triples::default();
                triples.take_in(boot, mono, reading);
                self.of_hosts.insert(name.to_owned(), triples);
            }
        }
    }

    /// What they tell of a host, which is named by its whole name or by the first part of it.
    pub fn of_host(&self, name: &str) -> Triples {
        let is_of = |called: &str| called == name || called.split('.').next() == Some(name);
        let mut all = Triples::default();
        for (_, triples) in self.of_hosts.iter().filter(|(called, _)| is_of(called)) {
            all.join(triples);
        }
        all
    }
}
