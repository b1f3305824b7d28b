//! The statistics files: every measurement and every decision, and all that is needed to make them again.
//!
//! A file begins with a head of five lines: the format, the seed and birth of the node, the leap seconds, what it had
//! learned before, and the configuration as one line of JSON-quoted TOML. Behind it come the lines of
//! [`truechimer_core::record`]. When a file is full it is put aside as `record.1`, older ones move on, and the new one
//! says in its head that it continues. `docs/formats/statistics.md` describes it all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use truechimer_core::discipline::holdover::Hour;
use truechimer_core::event::Event;
use truechimer_core::learned::Learned;
use truechimer_core::moment::Moment;
use truechimer_core::node::Input;
use truechimer_core::record::{input_line, misreading_line, refusal_line, update_line};
use truechimer_core::status::Status;
use truechimer_time::{LeapKind, LeapTable, Rate, Time, Utc};

/// The first word of every file, and the version of the format.
pub const FORMAT: &str = "truechimer-record 1";

/// The newest file's name.
pub const FILE_NAME: &str = "record";

/// What a node was born with, as the head of a record keeps it.
#[derive(Clone, Debug)]
pub struct Head {
    /// The seed.
    pub seed: [u8; 32],
    /// The readings at birth.
    pub now: Moment,
    /// The rate of the clock at birth.
    pub rate: Rate,
    /// The floor.
    pub floor: Time<Utc>,
    /// The leap seconds.
    pub leaps: LeapTable,
    /// What had been learned before.
    pub learned: Option<Learned>,
    /// The effective configuration, as TOML.
    pub config: String,
}

impl Head {
    /// The head as lines.
    pub fn lines(&self) -> String {
        let seed: String = self.seed.iter().map(|byte| format!("{byte:02x}")).collect();
        let birth = input_line(&self.now, &Input::Wake);
        let learned = self.learned.as_ref().map_or("none".to_owned(), |known| {
            let [rate, error, wander] =
                [known.rate, known.rate_error, known.wander].map(Rate::as_attos_per_second);
            let seen = known.seen;
            let [largest, before] = [seen.largest, seen.largest_before].map(Rate::as_attos_per_second);
            format!(
                "{rate} {error} {wander} {largest} {before} {} {} {}{}",
                known.at,
                known.bound,
                seen.watched,
                known.hours.iter().map(hour_word).collect::<String>()
            )
        });
        let leap = |leap: &truechimer_time::Leap| {
            let sign = if leap.kind() == LeapKind::Inserted { '+' } else { '-' };
            format!(" {sign}{}", leap.midnight())
        };
        let leaps: String = self.leaps.leaps().iter().map(leap).collect();
        let config = serde_json::Value::from(self.config.as_str());
        let (rate, floor) = (self.rate.as_attos_per_second(), self.floor);
        format!(
            "{FORMAT}\nborn {seed} {rate} {floor} {birth}\nleaps{leaps} \nlearned {learned}\nconfig {config}\n"
        )
    }
}

/// An hour of the diary as one word: number, rate in attoseconds per second, and degrees if they are known.
fn hour_word(hour: &Hour) -> String {
    let degrees = hour.degrees.map_or(String::new(), |degrees| format!(",{degrees}"));
    format!(" {},{}{degrees}", hour.number, hour.rate.as_attos_per_second())
}

/// The file that is being written.
pub struct Recorder {
    path: PathBuf,
    file: File,
    written: u64,
    max_size: u64,
    keep: u32,
    continued: u64,
}

impl Recorder {
    /// Begins a record in a folder, putting an older one aside.
    pub fn begin(folder: &Path, head: &Head, max_size: u64, keep: u32) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(FILE_NAME);
        put_aside(&path, keep)?;
        let file = fresh(&path)?;
        let mut recorder = Self { path, file, written: 0, max_size, keep, continued: 0 };
        recorder.write(&head.lines())?;
        Ok(recorder)
    }

    /// Writes down what happened.
    pub fn input(&mut self, now: &Moment, input: &Input) -> io::Result<()> {
        self.write(&(input_line(now, input) + "\n"))
    }

    /// Writes down that the sources are others from now on: those of this effective configuration.
    pub fn listed(&mut self, now: &Moment, config: &str) -> io::Result<()> {
        self.write(&(listed_line(now, config) + "\n"))
    }

    /// Writes down what came of it, if it is of the kind that is kept.
    pub fn event(&mut self, event: &Event, status: Status) -> io::Result<()> {
        match line_of(event, status) {
            Some(line) => self.write(&(line + "\n")),
            None => Ok(()),
        }
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        if self.written + lines.len() as u64 > self.max_size && self.written > 0 {
            self.rotate()?;
        }
        self.written += lines.len() as u64;
        self.file.write_all(lines.as_bytes())
    }

    fn rotate(&mut self) -> io::Result<()> {
        put_aside(&self.path, self.keep)?;
        self.file = fresh(&self.path)?;
        self.continued += 1;
        let head = format!("{FORMAT}\ncontinues {}\n", self.continued);
        self.written = head.len() as u64;
        self.file.write_all(head.as_bytes())
    }
}

/// The line that says that other sources hold: the readings as an input has them, and the configuration as JSON-quoted TOML.
pub fn listed_line(now: &Moment, config: &str) -> String {
    let readings = input_line(now, &Input::Wake);
    format!("l{} {}", readings.strip_prefix('i').unwrap_or(&readings), serde_json::Value::from(config))
}

/// The line of an event, if it is of the kind that is kept.
pub fn line_of(event: &Event, status: Status) -> Option<String> {
    match event {
        Event::Measured(measurement) => Some(measurement.to_string()),
        Event::Paced(paced) => Some(paced.to_string()),
        Event::Refused { source, refusal } => Some(refusal_line(*source, *refusal)),
        Event::Misread { source, misreading } => Some(misreading_line(*source, *misreading)),
        Event::Updated(update) => Some(update_line(update, status)),
        Event::Addressed { .. }
        | Event::NotFound { .. }
        | Event::NotSent { .. }
        | Event::Reachable { .. }
        | Event::Unreachable { .. }
        | Event::Kissed { .. }
        | Event::Agreed { .. }
        | Event::NotAgreed { .. }
        | Event::Bootstrapping(_)
        | Event::Contradicted { .. }
        | Event::SameServer { .. }
        | Event::GivenUp { .. }
        | Event::Loops { .. }
        | Event::Selected { .. }
        | Event::Unselected(_)
        | Event::OscillatorDoubted
        | Event::StatusChanged { .. }
        | Event::Stepped { .. }
        | Event::Leapt { .. }
        | Event::MovedByOthers { .. }
        | Event::RetunedByOthers { .. }
        | Event::Suspended { .. }
        | Event::Interrupted(_)
        | Event::Starved { .. }
        | Event::Panicked { .. }
        | Event::Calmed
        | Event::SteeringFailed { .. }
        | Event::LeaveGiven => None,
    }
}

fn fresh(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Moves `record` to `record.1`, that to `record.2`, and so on; the last one is dropped.
fn put_aside(path: &Path, keep: u32) -> io::Result<()> {
    let numbered = |number: u32| match number {
        0 => path.to_path_buf(),
        _ => path.with_extension(number.to_string()),
    };
    remove_if_there(&numbered(keep))?;
    for number in (0..keep).rev() {
        match fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
