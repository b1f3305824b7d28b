//! `truechimer survey`: what do the clocks of many hosts show, and who of them is wrong?

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use truechimer_sys::poll::PollSet;
use truechimer_sys::signal::{Signal, SignalFlags};
use truechimer_sys::{clock, file, limits};
use truechimer_time::{Civil, Mono, Span, Time};

use crate::cli;
use crate::command::Outcome;
use crate::page;
use crate::survey::diary::{Diary, Rate};
use crate::survey::json::{Drift, Report};
use crate::survey::judge::{Judgement, Standing, judge};
use crate::survey::protocol::{Ports, Protocol};
use crate::survey::state::State;
use crate::survey::target::{HOSTS_MAX, HOSTS_MAX_WIDE, Target, Targets, Usual};
use crate::survey::trouble::Kind;
use crate::survey::{Audience, Finding, Manner, Survey, csv, numbers, picture, survey as measure, text};
use crate::ui::colour::Colours;
use crate::ui::picture as drawings;

/// No file of hosts is longer, in bytes: more than the most hosts have.
const FILE_MAX: u64 = 64 << 20;

/// Everybody may read the numbers: their reader is another account.
const NUMBERS_MODE: u32 = 0o644;

/// So many lines to a host are open at once at most, but for those that are slower than that.
const LINES_PER_HOST: u64 = 8;

/// From one look at whether it is to end to the next.
const LOOK: Span = Span::from_millis(250);

/// Surveys, once or again and again.
pub fn survey(arguments: &cli::Survey) -> anyhow::Result<Outcome> {
    let targets = match targets(arguments)? {
        Ok(targets) => targets,
        Err(sentence) => {
            writeln!(io::stderr(), "truechimer: {sentence}")?;
            return Ok(Outcome::Misused);
        }
    };
    arguments.plot.as_deref().map(drawings::check).transpose()?;
    // A host may be asked in several ways at once. With less there is waiting, and no harm.
    let wanted = u64::from(arguments.concurrency) * LINES_PER_HOST + 64;
    limits::allow_descriptors(wanted).context("cannot see how many files may be open")?;
    warn_of_page(&arguments.daemon.run_dir)?;
    let mut teller = Teller::new(arguments)?;
    let mut audience = Listener::new(arguments)?;
    let known = audience.known(&targets);
    match arguments.watch {
        None => {
            let survey = measure(&targets, known, &manner(arguments), &mut audience);
            let survey = audience.done(survey)?;
            teller.tell(&survey)
        }
        Some(interval) => watch(arguments, &targets, interval, &mut audience, &mut teller),
    }
}

/// That no daemon runs is nothing to speak of; that what it says cannot be read is.
fn warn_of_page(run_dir: &Path) -> io::Result<()> {
    match page::read(run_dir) {
        Err(error) if run_dir.join(page::FILE_NAME).exists() => {
            writeln!(io::stderr(), "truechimer: true time is not known from the daemon: {error:#}")
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn watch(
    arguments: &cli::Survey,
    targets: &[Target],
    interval: Span,
    audience: &mut Listener,
    teller: &mut Teller<'_>,
) -> anyhow::Result<Outcome> {
    let mut due = clock::mono();
    let mut round = 0;
    loop {
        let nothing = vec![None; targets.len()];
        let survey = measure(targets, nothing, &manner(arguments), audience);
        let survey = audience.done(survey)?;
        round += 1;
        let outcome = teller.tell(&survey)?;
        due = (due + interval).max(clock::mono());
        let is_last = arguments.rounds.is_some_and(|rounds| round >= rounds);
        if survey.is_cut || is_last || audience.sleep(due)? {
            return Ok(outcome);
        }
    }
}

/// The hosts, or what is wrong with how they were written.
fn targets(arguments: &cli::Survey) -> anyhow::Result<Result<Vec<Target>, String>> {
    let ladder = match arguments.protocols.is_empty() {
        true => Protocol::LADDER.to_vec(),
        false => arguments.protocols.clone(),
    };
    let limit = if arguments.wide { HOSTS_MAX_WIDE } else { HOSTS_MAX };
    let usual = Usual { ladder, ports: Ports::moved(arguments.ports.clone()), limit };
    let mut targets = Targets::new(usual);
    for host in &arguments.hosts {
        if let Err(unclear) = targets.take(host) {
            return Ok(Err(format!("{host}: it {unclear}")));
        }
    }
    for path in &arguments.files {
        let text = text_of(path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Err((line, unclear)) = targets.take_lines(&text) {
            return Ok(Err(format!("{}:{line}: it {unclear}", path.display())));
        }
    }
    let all = targets.into_all();
    Ok(if all.is_empty() { Err("there is no host to ask".to_owned()) } else { Ok(all) })
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let len = match path.as_os_str() == "-" {
        true => io::stdin().lock().take(FILE_MAX).read_to_string(&mut text)?,
        false => File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?,
    };
    match (len as u64) < FILE_MAX {
        true => Ok(text),
        false => Err(anyhow!("it is longer than {FILE_MAX} bytes")),
    }
}

fn manner(arguments: &cli::Survey) -> Manner {
    Manner {
        samples: arguments.samples,
        turns: arguments.turns,
        timeout: arguments.timeout,
        concurrency: arguments.concurrency.into(),
        rate: arguments.rate,
        family: arguments.family,
        ca: arguments.ca.clone(),
        run_dir: arguments.daemon.run_dir.clone(),
    }
}

/// Whoever waits: the bar, the file of the state, control-C.
struct Listener {
    flags: SignalFlags,
    bar: ProgressBar,
    state: Option<State>,
    earlier: HashMap<String, Finding>,
}

impl Listener {
    fn new(arguments: &cli::Survey) -> anyhow::Result<Self> {
        let flags = SignalFlags::install().context("cannot listen to signals")?;
        let (state, earlier) = match &arguments.state {
            None => (None, HashMap::new()),
            Some(path) => {
                let opened = State::open(path, arguments.resume);
                let (state, earlier) = opened.with_context(|| path.display().to_string())?;
                (Some(state), earlier)
            }
        };
        Ok(Self { flags, bar: bar(), state, earlier })
    }

    /// What was found about these hosts before.
    fn known(&mut self, targets: &[Target]) -> Vec<Option<Finding>> {
        let known: Vec<_> = targets.iter().map(|target| self.earlier.remove(&target.name)).collect();
        self.bar.set_length(known.iter().filter(|finding| finding.is_none()).count() as u64);
        known
    }

    fn done(&mut self, survey: io::Result<Survey>) -> anyhow::Result<Survey> {
        self.bar.finish_and_clear();
        self.bar.reset();
        survey.context("the survey has failed")
    }

    /// Sleeps until then. Is it to end instead?
    fn sleep(&mut self, until: Time<Mono>) -> io::Result<bool> {
        let mut nothing = PollSet::<()>::with_cap(LOOK);
        while clock::mono() < until {
            if self.is_over() {
                return Ok(true);
            }
            nothing.wait(Some(until - clock::mono()))?;
        }
        Ok(false)
    }
}

impl Audience for Listener {
    fn found(&mut self, finding: &Finding) -> io::Result<()> {
        self.bar.inc(1);
        self.state.as_mut().map_or(Ok(()), |state| state.add(finding))
    }

    fn is_over(&mut self) -> bool {
        self.flags.take(Signal::Interrupt) || self.flags.take(Signal::Terminate)
    }
}

/// Shown on a terminal only, on stderr, so that a table can be redirected.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("survey {bar:40} {pos}/{len}, {eta} left");
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr_with_hz(4),
        false => ProgressDrawTarget::hidden(),
    };
    let style = style.expect("the template is a constant, and every run has read it");
    ProgressBar::with_draw_target(None, target).with_style(style)
}

/// Whoever is told: stdout, and the files that were asked for.
struct Teller<'a> {
    arguments: &'a cli::Survey,
    diary: Option<Diary>,
}

impl<'a> Teller<'a> {
    fn new(arguments: &'a cli::Survey) -> anyhow::Result<Self> {
        let diary = match (&arguments.history, arguments.watch) {
            (Some(path), _) => Some(Diary::open(path).with_context(|| path.display().to_string())?),
            (None, Some(_)) => Some(Diary::new()),
            (None, None) => None,
        };
        Ok(Self { arguments, diary })
    }

    /// Tells all, and what it comes to.
    fn tell(&mut self, survey: &Survey) -> anyhow::Result<Outcome> {
        let judgement = judge(&survey.findings, self.arguments.limit);
        let rates = self.remember(survey, &judgement)?;
        let drifts: Vec<Drift> = rates.iter().map(|rate| rate.and_then(Rate::drift)).collect();
        if let Some(path) = &self.arguments.plot {
            match picture::picture(survey, &judgement) {
                Some(svg) => drawings::write(path, &svg)?,
                None => writeln!(io::stderr(), "truechimer: no clock is known, so nothing is drawn")?,
            }
        }
        if let Some(path) = &self.arguments.prometheus {
            let text = numbers::numbers(survey, &judgement, &drifts);
            file::replace(path, text.as_bytes(), NUMBERS_MODE).context("no numbers for Prometheus")?;
        }
        self.print(survey, &judgement, &rates, &drifts)?;
        Ok(outcome(survey, &judgement))
    }

    fn remember(&mut self, survey: &Survey, judgement: &Judgement) -> anyhow::Result<Vec<Option<Rate>>> {
        let Some(diary) = &mut self.diary else { return Ok(Vec::new()) };
        diary.take(survey, judgement).context("cannot write the history")?;
        Ok(diary.rates(survey))
    }

    fn print(
        &self,
        survey: &Survey,
        judgement: &Judgement,
        rates: &[Option<Rate>],
        drifts: &[Drift],
    ) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        let output = self.arguments.output;
        if output.json {
            let report = Report::of(survey, judgement, drifts);
            // One survey a line, where there are many.
            let text = match self.arguments.watch {
                None => serde_json::to_string_pretty(&report)?,
                Some(_) => serde_json::to_string(&report)?,
            };
            writeln!(out, "{text}")?;
        } else if self.arguments.csv {
            out.write_all(csv::csv(survey, judgement).as_bytes())?;
        } else {
            if self.arguments.watch.is_some() {
                let begun = Civil::of(Time::from_epoch(survey.begun.since_epoch()));
                writeln!(out, "{begun:.0}")?;
            }
            let colours = Colours::of(output.color, &out);
            out.write_all(text::text(survey, judgement, rates, self.arguments.most, colours).as_bytes())?;
        }
        Ok(out.flush()?)
    }
}

/// No, if there is anything to look at; a failure, if nobody could be reached at all.
fn outcome(survey: &Survey, judgement: &Judgement) -> Outcome {
    let is_unreached = |finding: &Finding| {
        finding.outcome.as_ref().is_err_and(|trouble| matches!(trouble.kind, Kind::Network | Kind::NotFound))
    };
    let is_nobody_there = judgement.hosts.iter().all(|judged| judged.standing == Standing::Absent);
    if survey.findings.iter().all(is_unreached) {
        return Outcome::Failed;
    }
    match is_nobody_there || judgement.has_trouble() || survey.is_cut {
        true => Outcome::No,
        false => Outcome::Yes,
    }
}
