//! The clock that the daemon steers: the kernel's, by way of its keeper, or one of our own.

use truechimer_core::event::SteeringFault;
use truechimer_core::moment::Moment;
use truechimer_core::node::Steering;
use truechimer_core::node::report::Publication;
use truechimer_sys::adjust::{self, ClockError};
use truechimer_sys::clock::{self, Readings};
use truechimer_time::{Rate, Raw, Span, Time};

use super::keeper::{Keeper, Report};
use crate::page::UserClock;

/// A clock that can be read and steered.
pub enum LocalClock {
    /// The kernel's, steered by a process that the network cannot reach.
    Kept(Keeper),
    /// The kernel's, steered directly: under a simulator there is one process only.
    Kernel,
    /// One of our own, for those who may not touch the kernel's. It exists in the shared page alone.
    User(UserClock),
}

/// A clock of our own that shows the kernel's time plus `error` now, and runs with the raw counter.
pub fn user_clock(error: Span) -> UserClock {
    let now = clock::readings();
    UserClock { anchor: now.raw, local: now.realtime + error, rate: Rate::ZERO }
}

fn steer_user(clock: &mut UserClock, raw: Time<Raw>, command: Steering) -> Rate {
    clock.local = clock.read(raw);
    clock.anchor = raw;
    match command {
        Steering::Rate(rate) => clock.rate = rate,
        Steering::Step(by) | Steering::Mend(by) => clock.local += by,
    }
    clock.rate
}

impl LocalClock {
    /// The readings of this moment, with this clock as the local one.
    pub fn moment(&self, readings: &Readings) -> Moment {
        let local = match self {
            Self::Kept(_) | Self::Kernel => readings.realtime,
            Self::User(clock) => clock.read(readings.raw),
        };
        Moment { local, ..crate::page::moment(readings) }
    }

    /// The rate at which it runs against the raw counter.
    pub fn rate(&self) -> Result<Rate, ClockError> {
        match self {
            Self::Kept(_) | Self::Kernel => adjust::read_state().map(|state| state.rate),
            Self::User(clock) => Ok(clock.rate),
        }
    }

    /// Does what the node wants. Returns the rate that it has then.
    pub fn steer(&mut self, command: Steering) -> Result<Rate, SteeringFault> {
        match self {
            Self::Kept(keeper) => keeper.steer(command),
            Self::Kernel => steer_kernel(command).map_err(fault),
            Self::User(clock) => Ok(steer_user(clock, clock::raw(), command)),
        }
    }

    /// Lets the kernel know how good its clock is. A clock of our own tells nobody but the page.
    pub fn report(&mut self, publication: &Publication) -> Result<(), SteeringFault> {
        match self {
            Self::Kept(keeper) => {
                let rate = publication.model.map(|model| model.rate);
                rate.map_or(Ok(()), |rate| keeper.rest_at(rate))?;
                keeper.report(&Report::of(publication))
            }
            Self::Kernel => adjust::set_status(&Report::of(publication).status()).map(drop).map_err(fault),
            Self::User(_) => Ok(()),
        }
    }

    /// The clock of our own, if it is one.
    pub fn user(&self) -> Option<UserClock> {
        match self {
            Self::Kept(_) | Self::Kernel => None,
            Self::User(clock) => Some(*clock),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kept(_) | Self::Kernel => "kernel",
            Self::User(_) => "user",
        }
    }
}

/// Steers the kernel's clock. Returns the rate that it has then.
pub fn steer_kernel(command: Steering) -> Result<Rate, ClockError> {
    match command {
        Steering::Rate(rate) => adjust::set_rate(rate),
        Steering::Step(by) | Steering::Mend(by) => {
            adjust::step(by)?;
            adjust::read_state().map(|state| state.rate)
        }
    }
}

/// A kernel's error in the core's words.
pub fn fault(error: ClockError) -> SteeringFault {
    match error {
        ClockError::NotPermitted => SteeringFault::NotPermitted,
        ClockError::Invalid => SteeringFault::Invalid,
        ClockError::Interrupted => SteeringFault::Other(4),
        ClockError::Other(errno) => SteeringFault::Other(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_our_own_runs_and_jumps_as_it_is_told() {
        let mut clock = user_clock(Span::from_millis(700));
        let (start, shown) = (clock.anchor, clock.local);
        assert_eq!(
            steer_user(&mut clock, start, Steering::Rate(Rate::from_ppb(100_000))),
            Rate::from_ppb(100_000)
        );
        let later = start + Span::from_secs(10);
        assert_eq!(clock.read(later) - shown, Span::from_secs(10) + Span::from_millis(1));
        steer_user(&mut clock, later, Steering::Step(Span::from_millis(-701)));
        assert_eq!(clock.read(later) - shown, Span::from_secs(10) - Span::from_millis(700));
    }
}
