//! TAICLOCK and TIME at the desk of NTP: the same who may ask, the same table of who asks how often, the same counters.
//!
//! Neither protocol has a field for "the time is not known" or for how far it may be off. So nobody is answered unless the time
//! would be told by NTP.
//!
//! TAICLOCK tells TAI, which knows no leap seconds and is never smeared. TIME tells what NTP tells, in whole seconds.
//!
//! TIME by UDP is the one protocol here whose answer is longer than its question, by four bytes: the empty datagram of RFC 868
//! gets 32 bytes of IP for 28, in a frame of Ethernet that is as long (both are filled up to 46). A rate stands in for the law: a
//! network has one such answer a second, and [`Gate`](crate::server::time37::Gate) tells the rest.

use core::net::SocketAddr;

use super::{Answer, Desk, Question, Telling};
use crate::server::Silence;
use crate::server::taiclock;
use crate::server::time37::{Ignored, Service};
use crate::wire::time37::{VALUE_LEN, Value};
use crate::wire::{DATAGRAM_MAX, taiclock as wire};
use truechimer_time::{Raw, Time};

/// What is spoken where a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5905, with NTS where that is served.
    Ntp,
    /// The neighbour's time, as TAI.
    Taiclock,
    /// RFC 868.
    Time,
}

impl Desk {
    /// Answers a question of a protocol.
    ///
    /// # Errors
    /// [`Silence`] with its reason, which is counted.
    pub fn answer_by(
        &mut self,
        protocol: Protocol,
        question: &Question<'_>,
        telling: &Telling<'_>,
        reply: &mut [u8; DATAGRAM_MAX],
    ) -> Result<Answer, Silence> {
        let len = match protocol {
            Protocol::Ntp => return self.answer(question, telling, reply),
            Protocol::Taiclock => {
                let outcome = self.tell_tai(question, telling, reply);
                self.counters.taiclock += u64::from(outcome.is_ok());
                outcome
            }
            Protocol::Time => {
                let outcome = self.tell_datagram(question, telling);
                let outcome = outcome.map(|value| {
                    reply[..VALUE_LEN].copy_from_slice(&value.bytes());
                    VALUE_LEN
                });
                self.counters.time += u64::from(outcome.is_ok());
                outcome
            }
        };
        self.taken_down(len.map(|len| Answer { len, wanted: None }))
    }

    /// What somebody is told by TIME who has made a connection. Nobody can do that in the name of another, so that there is no
    /// more to it than who may ask, and how often.
    ///
    /// # Errors
    /// [`Silence`] with its reason, which is counted.
    pub fn tell_connected(
        &mut self,
        from: SocketAddr,
        at: Time<Raw>,
        telling: &Telling<'_>,
    ) -> Result<Value, Silence> {
        let allowed = telling.policy.allowed.admit(from);
        let outcome = allowed.and_then(|()| self.admit(from)).and_then(|()| value(telling, at));
        self.counters.time += u64::from(outcome.is_ok());
        self.taken_down(outcome)
    }

    fn tell_tai(
        &mut self,
        question: &Question<'_>,
        telling: &Telling<'_>,
        reply: &mut [u8; DATAGRAM_MAX],
    ) -> Result<usize, Silence> {
        if question.to_many {
            return Err(Silence::ToMany);
        }
        telling.policy.allowed.admit(question.from)?;
        if question.bytes.len() < wire::COOKIE_AT {
            return Err(Silence::Short);
        }
        if !taiclock::is_question(question.bytes) {
            return Err(Silence::NotAQuestion);
        }
        self.admit(question.from)?;
        let now = telling.dial.tai(question.leaves).ok_or(Silence::Unsynchronised)?;
        taiclock::answer_into(reply, question.bytes, now).ok_or(Silence::Unsynchronised)
    }

    fn tell_datagram(&mut self, question: &Question<'_>, telling: &Telling<'_>) -> Result<Value, Silence> {
        if question.to_many {
            return Err(Silence::ToMany);
        }
        telling.policy.allowed.admit(question.from)?;
        let (len, from) = (question.bytes.len(), question.from);
        self.gate.judge(Service::Time, len, from).map_err(Silence::of_time)?;
        self.admit(from)?;
        let value = value(telling, question.leaves)?;
        self.gate.admit(Service::Time, len, from, self.now).map_err(Silence::of_time)?;
        Ok(value)
    }
}

/// The second that NTP tells, if it is told as the time.
fn value(telling: &Telling<'_>, at: Time<Raw>) -> Result<Value, Silence> {
    match telling.dial.is_synchronised(at) {
        true => Ok(Value::of_timestamp(telling.dial.read(at))),
        false => Err(Silence::Unsynchronised),
    }
}

impl Silence {
    fn of_time(ignored: Ignored) -> Self {
        match ignored {
            Ignored::NotAQuestion => Self::NotAQuestion,
            Ignored::ServerPort | Ignored::OwnPort => Self::ServerPort,
            Ignored::NotAHost => Self::NotAHost,
            Ignored::TooOften => Self::Limited,
        }
    }
}

#[cfg(test)]
mod tests;
