//! What others serve, gathered until all of it is known, and then said as `[serve]`.

use super::access::{self, Became, Rule};
use super::values::{list, quoted};
use super::{Fate, Work};

/// Who is answered, and where.
#[derive(Default)]
pub(super) struct Serving {
    pub(super) rules: Vec<Rule>,
    /// Places to listen at, without ports; empty: everywhere.
    pub(super) places: Vec<String>,
    /// The port, if it is not 123; 0 is none.
    pub(super) port: Option<u16>,
    /// The certificate of key exchanges, and the line that names it.
    pub(super) certificate: Option<(String, usize)>,
    /// Its private key.
    pub(super) key: Option<(String, usize)>,
    /// The port of key exchanges.
    pub(super) nts_port: Option<(u16, usize)>,
}

impl Serving {
    /// Says it, if anybody is answered.
    pub(super) fn finish(mut self, work: &mut Work) {
        let lists = access::lists(&self.rules);
        let mut serves = !lists.allow.is_empty() && self.port != Some(0);
        if serves {
            let places = self.places(self.port.unwrap_or(123));
            let mut values = vec![("serve.ntp", list(&places)), ("serve.allow", list(&lists.allow))];
            if !lists.deny.is_empty() {
                values.push(("serve.deny", list(&lists.deny)));
            }
            let first = self.rules.iter().zip(&lists.became).find(|(_, became)| **became == Became::Allowed);
            work.report.at = first.map_or(work.report.at, |(rule, _)| rule.line);
            serves = work.put("", &values, "");
        }
        for (rule, became) in self.rules.iter().zip(lists.became) {
            work.report.at = rule.line;
            let (fate, why) = told(rule, became, serves);
            work.say("", fate, why);
        }
        match work.draft.value("serve.ntp").is_some() {
            true => self.key_exchange(work),
            false => self.nobody(work),
        }
    }

    fn places(&self, port: u16) -> Vec<String> {
        let everywhere = ["0.0.0.0".to_owned(), "[::]".to_owned()];
        let places = if self.places.is_empty() { &everywhere[..] } else { &self.places[..] };
        places.iter().map(|place| format!("{place}:{port}")).collect()
    }

    /// A certificate and its key are of use together only.
    fn key_exchange(&mut self, work: &mut Work) {
        match (self.certificate.take(), self.key.take()) {
            (Some((certificate, first)), Some((key, second))) => {
                let mut values =
                    vec![("serve.nts.certificate", quoted(&certificate)), ("serve.nts.key", quoted(&key))];
                let port = self.nts_port.take();
                if let Some((port, _)) = port {
                    values.push(("serve.nts.listen", list(&self.places(port))));
                }
                work.report.at = first;
                let is_taken = work.put("", &values, "");
                let fate = if is_taken { Fate::Taken } else { Fate::LeftOut };
                for line in [Some(second), port.map(|(_, line)| line)].into_iter().flatten() {
                    work.report.at = line;
                    work.say("", fate, "together with the certificate");
                }
            }
            (Some((_, line)), None) | (None, Some((_, line))) => {
                work.report.at = line;
                work.say("", Fate::LeftOut, "a certificate and its key are of use together only");
                self.port_alone(work);
            }
            (None, None) => self.port_alone(work),
        }
    }

    fn port_alone(&mut self, work: &mut Work) {
        if let Some((_, line)) = self.nts_port.take() {
            work.report.at = line;
            work.say("", Fate::Needless, "no keys are given for NTS");
        }
    }

    /// Nothing of it is of use.
    fn nobody(&mut self, work: &mut Work) {
        work.draft.remove("serve");
        work.draft.remove("serve.nts");
        let more = [&self.certificate, &self.key].into_iter().flatten().map(|(_, line)| *line);
        let more: Vec<usize> = more.chain(self.nts_port.map(|(_, line)| line)).collect();
        for line in more {
            work.report.at = line;
            work.say("", Fate::Needless, "nobody is answered");
        }
        let said = work.report.lines.iter_mut().flat_map(|line| &mut line.said);
        for said in said.filter(|said| said.key.starts_with("[serve")) {
            said.fate = Fate::Needless;
            said.key.clear();
            said.why = "nobody is answered".to_owned();
        }
    }
}

fn told(rule: &Rule, became: Became, serves: bool) -> (Fate, &'static str) {
    match became {
        Became::Allowed if serves => (Fate::Taken, "in [serve] allow"),
        Became::Denied if serves => (Fate::Taken, "in [serve] deny"),
        Became::Allowed | Became::Denied => (Fate::Needless, "nothing is served"),
        Became::Idle if rule.allows => (Fate::Default, "a wider network is answered already"),
        Became::Idle => (Fate::Default, "who is not in [serve] allow is not answered"),
        Became::Overruled => (Fate::Needless, "a later line says otherwise"),
        Became::Impossible => (
            Fate::LeftOut,
            "it is not answered: whoever is refused here is refused, and it is within a network that is; write the \
             networks of [serve] deny smaller",
        ),
    }
}
