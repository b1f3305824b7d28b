//! What the audience sees: claims of the daemon, held against the truth.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use truechimer_core::discipline::model::Reading;
use truechimer_core::status::Status;
use truechimer_sys::clock;
use truechimer_sys::shm::PageReader;
use truechimer_time::{LeapTable, Local, Span, Tai, Time};

use super::servers::WAYS;
use super::truth::{COUNTER_FAST, Truth};
use crate::cli::ColourWhen;
use crate::command::ask::ask;
use crate::page::Page;
use crate::talk::{Reply, Request};
use crate::ui::colour::{Colours, Mood};
use crate::ui::units;

/// The clock counts as settled below this.
const SETTLED: Span = Span::from_millis(1);

/// The demonstration's other half.
pub struct Show<W> {
    truth: Truth,
    page: PageReader,
    run_dir: PathBuf,
    out: W,
    colours: Colours,
    last: Option<Look>,
    score: Score,
}

/// One look at the page, and at the truth of the same moment.
#[derive(Clone, Copy)]
struct Look {
    at: Span,
    status: Status,
    reading: Option<Reading>,
    truth: Time<Tai>,
    clock_error: Span,
}

/// What was seen in all.
#[derive(Default)]
struct Score {
    looks: u64,
    outside: u64,
    worst_share: f64,
    settled_at: Option<Span>,
    error_when_cut: Option<Span>,
    liar: Option<String>,
    had_holdover: bool,
    forecast: Option<(Span, Span)>,
}

impl Look {
    /// The truth minus what the daemon holds to be likeliest.
    fn error(&self) -> Option<Span> {
        self.reading.map(|reading| self.truth - reading.best)
    }
}

impl<W: Write + IsTerminal> Show<W> {
    /// A show for an audience at `out`.
    pub fn new(truth: Truth, page: PageReader, run_dir: &Path, out: W) -> Self {
        let colours = Colours::of(ColourWhen::Auto, &out);
        Self {
            truth,
            page,
            run_dir: run_dir.to_path_buf(),
            out,
            colours,
            last: None,
            score: Score::default(),
        }
    }

    /// The programme.
    pub fn open(&mut self, cast: &str) -> io::Result<()> {
        writeln!(
            self.out,
            "A clock that is 0.7 s wrong, on a counter that runs {} fast, and four servers:\n{cast}\n\
             error is true time minus our clock; bound is what the daemon claims; known here, because the truth is.\n\n\
             {:>6}  {:<13} {:>12}   {:<12} {:>12}  who votes how (* with, x against, ? silent)",
            units::rate(COUNTER_FAST),
            "time",
            "status",
            "clock error",
            "bound",
            "of best guess",
        )
    }

    /// Looks at the page and the truth.
    pub fn look(&mut self) -> anyhow::Result<()> {
        let page = Page::of_words(self.page.read()?)?;
        let now = clock::readings();
        let truth = self.truth.at(now.raw);
        let clock = page.clock.map_or(now.realtime, |clock| clock.read(now.raw));
        let look = Look {
            at: self.truth.since_begin(now.raw),
            status: page.status,
            reading: page.read(now.raw, now.asleep),
            truth,
            clock_error: local(truth) - clock,
        };
        self.score.look(&look);
        self.last = Some(look);
        Ok(())
    }

    /// Prints what was seen last.
    pub fn line(&mut self) -> anyhow::Result<()> {
        let Some(look) = self.last else { return Ok(()) };
        let votes = self.votes()?;
        let bound = look.reading.map_or("-".to_owned(), |reading| units::bound(reading.bound()));
        let error = look.error().map_or("-".to_owned(), units::offset);
        let mood = match look.status {
            Status::Synchronised => Mood::Good,
            Status::Holdover | Status::Degraded => Mood::Doubtful,
            Status::Unknown | Status::Disrupted => Mood::Faint,
        };
        let status = self.colours.paint(mood, &format!("{:<13}", look.status));
        let (at, clock) = (look.at.as_seconds(), units::offset(look.clock_error));
        writeln!(self.out, "{at:>5.1}s  {status} {clock:>12}   {bound:<12} {error:>12}  {votes}")?;
        Ok(())
    }

    /// Who votes how, by the daemon's own word.
    fn votes(&mut self) -> anyhow::Result<String> {
        let Reply::Sources(reply) = ask(&self.run_dir, Request::Sources {})? else {
            return Ok(String::new());
        };
        for (source, way) in reply.sources.iter().zip(&WAYS) {
            if source.mark == 'x' {
                self.score.liar = Some(way.name.to_owned());
            }
        }
        let vote = |(source, way): (&crate::talk::SourceReply, &super::servers::Way)| {
            let mood = if source.mark == 'x' { Mood::Bad } else { Mood::Good };
            self.colours.paint(mood, &format!("{}{}", source.mark, way.name))
        };
        Ok(reply.sources.iter().zip(&WAYS).map(vote).collect::<Vec<_>>().join(" "))
    }

    /// The network is cut: prints what the daemon expects.
    pub fn cut(&mut self) -> anyhow::Result<()> {
        self.score.error_when_cut = self.last.map(|look| look.clock_error);
        if let Reply::Status(status) = ask(&self.run_dir, Request::Status {})? {
            let forecast: Vec<(Span, Span)> = status
                .forecast
                .iter()
                .map(|f| (Span::from_seconds(f.bound), Span::from_seconds(f.holds)))
                .filter(|(_, holds)| *holds > Span::ZERO)
                .collect();
            let words = crate::daemon::story::forecast_words(&forecast);
            writeln!(self.out, "\nNow the network is cut. The daemon's forecast: {words}.\n")?;
            self.score.forecast = forecast.first().copied();
        }
        Ok(())
    }

    /// The summary. Did everything go as it should?
    pub fn finish(&mut self) -> anyhow::Result<bool> {
        let score = &self.score;
        let held = score.looks > 0 && score.outside == 0;
        let settled =
            score.settled_at.is_some() && score.error_when_cut.is_some_and(|error| error.abs() < SETTLED);
        let found = score.liar.as_deref() == Some("charlie");
        let or_never =
            |at: Option<Span>| at.map_or("never".to_owned(), |at| format!("after {:.1} s", at.as_seconds()));
        let at_cut = score.error_when_cut.map_or("unknown".to_owned(), units::offset);
        let verdict = |good: bool| if good { "yes" } else { "NO" };
        writeln!(
            self.out,
            "\nthe clock settled below 1 ms          {:<4} {}, {at_cut} when the network was cut\n\
             the liar was found                    {:<4} {}\n\
             the truth stayed inside the bound     {:<4} {} of {} looks; at worst the error was {:.0} % of the bound\n\
             kept time without a network           {:<4} {}",
            verdict(settled),
            or_never(score.settled_at),
            verdict(found),
            score.liar.as_deref().unwrap_or("nobody was accused"),
            verdict(held),
            score.looks - score.outside,
            score.looks,
            score.worst_share * 100.0,
            verdict(score.had_holdover),
            self.last_words(),
        )?;
        Ok(held && settled && found && score.had_holdover)
    }

    fn last_words(&self) -> String {
        match self.last.and_then(|look| Some((look, look.reading?))) {
            Some((look, reading)) => format!(
                "at the end the clock is off by {}, claimed {}",
                units::offset(look.clock_error),
                units::bound(reading.bound())
            ),
            None => "the time was not known at the end".to_owned(),
        }
    }
}

impl Score {
    fn look(&mut self, look: &Look) {
        let Some(reading) = look.reading else { return };
        self.looks += 1;
        let is_outside = look.truth < reading.earliest || reading.latest < look.truth;
        self.outside += u64::from(is_outside);
        let share = (look.truth - reading.best).abs().as_seconds() / reading.bound().as_seconds().max(1e-12);
        self.worst_share = self.worst_share.max(share);
        if look.clock_error.abs() < SETTLED {
            self.settled_at = self.settled_at.or(Some(look.at));
        } else if self.error_when_cut.is_none() {
            self.settled_at = None;
        }
        self.had_holdover |= look.status == Status::Holdover;
    }
}

fn local(tai: Time<Tai>) -> Time<Local> {
    Time::from_epoch(LeapTable::COMPILED.utc_of_tai(tai).time.since_epoch())
}
