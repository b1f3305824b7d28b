//! Signals, reduced to flags.
//!
//! A handler sets an atomic flag and does nothing else. `SA_RESTART` is off, so that a sleeping `poll` returns and
//! the loop looks at the flags; a loop that cannot be interrupted looks at them after each capped wait.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::c_int;

use crate::fd::check;

/// A signal that the daemon listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: finish in order.
    Terminate,
    /// SIGINT, control-C: finish in order.
    Interrupt,
    /// SIGHUP: read the configuration again, open files anew.
    HangUp,
    /// SIGUSR1.
    User1,
}

impl Signal {
    const ALL: [Self; 4] = [Self::Terminate, Self::Interrupt, Self::HangUp, Self::User1];

    const fn number(self) -> c_int {
        match self {
            Self::Terminate => libc::SIGTERM,
            Self::Interrupt => libc::SIGINT,
            Self::HangUp => libc::SIGHUP,
            Self::User1 => libc::SIGUSR1,
        }
    }
}

/// One flag for each of [`Signal::ALL`]. Process-wide, as signal handlers are.
static RAISED: [AtomicBool; Signal::ALL.len()] = [const { AtomicBool::new(false) }; Signal::ALL.len()];

/// Proof that the handlers are in place; the flags can be asked through it.
#[derive(Clone, Copy, Debug)]
pub struct SignalFlags {
    _installed: (),
}

impl SignalFlags {
    /// Puts the handlers in place for the whole process, and ignores SIGPIPE. To do so again changes nothing.
    pub fn install() -> io::Result<Self> {
        for signal in Signal::ALL {
            action(signal.number(), note as *const () as libc::sighandler_t)?;
        }
        action(libc::SIGPIPE, libc::SIG_IGN)?;
        Ok(Self { _installed: () })
    }

    /// Has the signal come since it was last taken? Several that came meanwhile are one.
    pub fn take(&self, signal: Signal) -> bool {
        RAISED[signal as usize].swap(false, Ordering::Relaxed)
    }
}

/// The handler. It may run between any two instructions of any thread, and so only stores to an atomic.
extern "C" fn note(number: c_int) {
    for signal in Signal::ALL {
        if signal.number() == number {
            RAISED[signal as usize].store(true, Ordering::Relaxed);
        }
    }
}

fn action(number: c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: sigaction is plain integers and a set of bits, for which all zeros is a value: no flags, empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: the kernel reads one sigaction; its handler is SIG_IGN or `note`, which is async-signal-safe.
    check(unsafe { libc::sigaction(number, &raw const action, std::ptr::null_mut()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::PollSet;
    use truechimer_time::Span;

    fn raise(signal: Signal) {
        // SAFETY: raising a signal that has a handler runs that handler.
        assert_eq!(unsafe { libc::raise(signal.number()) }, 0);
    }

    #[test]
    fn each_signal_raises_its_own_flag_once() {
        let flags = SignalFlags::install().unwrap();
        for signal in [Signal::Terminate, Signal::Interrupt, Signal::HangUp] {
            assert!(!flags.take(signal));
            raise(signal);
            raise(signal);
            assert!(flags.take(signal), "{signal:?}");
            assert!(!flags.take(signal), "{signal:?}");
        }
    }

    #[test]
    fn a_signal_ends_a_wait_and_is_no_error() {
        let flags = SignalFlags::install().unwrap();
        // SAFETY: asks for the name of this thread.
        let sleeper = unsafe { libc::pthread_self() };
        let waker = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            // SAFETY: the thread named is joining this one, so it exists.
            unsafe { libc::pthread_kill(sleeper, libc::SIGUSR1) }
        });
        let mut set = PollSet::<()>::new();
        let mut ready = set.wait(Some(Span::from_secs(30))).unwrap();
        assert!(ready.interrupted());
        assert!(ready.next().is_none());
        assert!(flags.take(Signal::User1));
        assert_eq!(waker.join().unwrap(), 0);
    }
}
