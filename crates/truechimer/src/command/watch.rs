//! `truechimer watch`: the time, live.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use truechimer_sys::clock;
use truechimer_sys::signal::{Signal, SignalFlags};
use truechimer_time::{Mono, Span, Time};

use crate::cli;
use crate::command::Outcome;
use crate::command::run::NODE_FOLDER;
use crate::history::History;
use crate::page;
use crate::ui::colour::Colours;
use crate::watch::informant::{News, Order, send_out};
use crate::watch::look::Look;
use crate::watch::state::{Key, State};
use crate::watch::view::{KEYS, View};
use crate::watch::{paint, plain};

/// Keys, news and signals are looked for so often.
const NAP: Duration = Duration::from_millis(100);

/// Whether the terminal is still there is looked at so often.
const TERMINAL_LOOK: Duration = Duration::from_millis(500);

/// The newest file of the history is read, and so many older ones: months of a steady machine.
const OLDER: u32 = 1;

/// Shows it until the user has seen enough.
pub fn watch(arguments: &cli::Watch) -> anyhow::Result<Outcome> {
    let signals = SignalFlags::install().context("cannot listen to signals")?;
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if arguments.plain || is_dumb || !io::stdout().is_terminal() {
        return print(arguments, signals);
    }
    let (news, orders) = send_out(&arguments.daemon.run_dir).context("cannot watch the daemon")?;
    let colours = Colours::of(arguments.color, &io::stdout());
    let mut screen = Screen::open()?;
    let mut session =
        Session { arguments, news, orders, state: State::new(arguments.span), next: clock::mono() };
    session.remember();
    while !session.state.is_over && !is_told_to_end(signals) {
        if session.go_on()? {
            let view = View::of(&session.state);
            screen.terminal.draw(|frame| paint::paint(frame, &view, colours))?;
        }
    }
    Ok(Outcome::Yes)
}

fn is_told_to_end(signals: SignalFlags) -> bool {
    [Signal::Terminate, Signal::Interrupt, Signal::HangUp].into_iter().any(|signal| signals.take(signal))
}

fn look(arguments: &cli::Watch) -> Result<Look, String> {
    let (page, now) = page::read(&arguments.daemon.run_dir).map_err(|error| format!("{error:#}"))?;
    Ok(Look::at(&page, &now))
}

/// A line each time, until a signal comes or nobody reads.
fn print(arguments: &cli::Watch, signals: SignalFlags) -> anyhow::Result<Outcome> {
    let mut next = clock::mono();
    while !is_told_to_end(signals) {
        if clock::mono() < next {
            thread::sleep(NAP);
            continue;
        }
        next = (next + arguments.interval).max(clock::mono());
        let mut out = io::stdout().lock();
        out.write_all(plain::line(&look(arguments)).as_bytes())?;
        out.flush()?;
    }
    Ok(Outcome::Yes)
}

/// The terminal as we need it. It is as it was when this goes, and after a panic.
struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    fn open() -> anyhow::Result<Self> {
        let terminal = ratatui::try_init().context("cannot draw on this terminal (try --plain)")?;
        if io::stdin().is_terminal() {
            thread::spawn(end_with_terminal);
        }
        Ok(Self { terminal })
    }
}

/// A terminal that is closed is none any more. Whoever waits for its keys then reads errors for ever, and sees no signal.
fn end_with_terminal() {
    while io::stdin().is_terminal() {
        thread::sleep(TERMINAL_LOOK);
    }
    std::process::exit(0);
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// A state and those who tell it things.
struct Session<'a> {
    arguments: &'a cli::Watch,
    news: Receiver<News>,
    orders: Sender<Order>,
    state: State,
    /// The page is looked at then.
    next: Time<Mono>,
}

impl Session<'_> {
    /// Waits a little. True if there may be something new to see.
    fn go_on(&mut self) -> anyhow::Result<bool> {
        let mut is_new = false;
        if event::poll(NAP).or_else(interrupted)? {
            is_new = true;
            if let Some(order) = key_of(&event::read()?).and_then(|key| self.state.press(key))
                && self.orders.send(order).is_err()
            {
                self.state.notice = Some("nobody is left who could tell the daemon".to_owned());
            }
        }
        while let Ok(news) = self.news.try_recv() {
            is_new = true;
            if self.state.hear(news) {
                self.remember();
            }
        }
        if clock::mono() >= self.next {
            is_new = true;
            self.next = (self.next + self.arguments.interval).max(clock::mono() - Span::from_secs(1));
            self.state.look(look(self.arguments));
        }
        Ok(is_new)
    }

    /// What was before, from the history.
    fn remember(&mut self) {
        match History::read_newest(&self.arguments.state_dir.join(NODE_FOLDER), OLDER) {
            Ok(history) => self.state.remember(&history.entries),
            Err((path, error)) => {
                self.state.notice = Some(format!("no history: {}: {error}", path.display()));
            }
        }
    }
}

/// A signal ends a wait, and is no error.
fn interrupted(error: io::Error) -> io::Result<bool> {
    if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) }
}

fn key_of(event: &Event) -> Option<Key> {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else { return None };
    match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
        KeyCode::Esc => Some(Key::Quit),
        KeyCode::Tab => Some(Key::Panel),
        // The same key as +, on many keyboards.
        KeyCode::Char('=') => Some(Key::Longer),
        KeyCode::Char(pressed) => {
            let found = KEYS.iter().find(|(key, ..)| key == pressed);
            Some(found.map_or(Key::Other, |(_, key, ..)| *key))
        }
        _ => Some(Key::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_what_the_last_line_says() {
        let press = |code, modifiers| key_of(&Event::Key(KeyEvent::new(code, modifiers)));
        for (key, meant, ..) in KEYS {
            let code = if key == '\t' { KeyCode::Tab } else { KeyCode::Char(key) };
            assert_eq!(press(code, KeyModifiers::NONE), Some(meant));
        }
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Quit));
        for code in [KeyCode::Char('c'), KeyCode::Char(' '), KeyCode::Enter, KeyCode::F(1)] {
            assert_eq!(press(code, KeyModifiers::NONE), Some(Key::Other), "{code:?}");
        }
        assert_eq!(key_of(&Event::Resize(3, 4)), None);
    }
}
