use super::*;
use crate::config::Level;
use crate::history::History;
use crate::history::tests::{at, model};
use truechimer_sim::network::PathSpec;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::ServerSpec;
use truechimer_sim::world::World;
use truechimer_time::{Local, Raw};

fn moment(seconds: i64) -> Moment {
    let At { mono, raw, local, asleep } = at(seconds);
    Moment { raw, mono, local, asleep, width: Span::ZERO }
}

fn told(words: &str) -> Told {
    Told { tai: None, level: Level::Info, label: "calmed".to_owned(), by: None, words: words.to_owned() }
}

#[test]
fn a_model_that_was_foretold_is_not_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut chronicle = Chronicle::new(folder.path());
    let first = model(moment(0).raw);
    let status = Status::Synchronised;
    chronicle.known(&moment(0), status, Some(first)).expect("written");
    for seconds in [64, 128, 3000] {
        let now = moment(seconds);
        let reading = first.read(now.raw);
        let same =
            Model { best: reading.best, bracket: first.bracket.carried_to(now.raw, first.limits), ..first };
        chronicle.known(&now, status, Some(same)).expect("not written");
    }
    chronicle.known(&moment(3600), status, Some(first)).expect("written");
    let moved = Model { best: first.best + Span::from_micros(200), ..first };
    chronicle.known(&moment(3601), status, Some(moved)).expect("written");
    chronicle.known(&moment(3602), Status::Holdover, Some(moved)).expect("written");
    chronicle.known(&moment(3603), Status::Disrupted, None).expect("written");
    chronicle.known(&moment(3604), Status::Disrupted, None).expect("not written");
    let history = History::read(folder.path()).expect("read");
    let seconds: Vec<Span> = history.entries.iter().map(|entry| entry.at.mono.since_epoch()).collect();
    assert_eq!((seconds, history.torn), ([0, 3600, 3601, 3602, 3603].map(Span::from_secs).to_vec(), 0));
}

#[test]
fn files_go_round_and_nothing_of_the_newest_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut chronicle = Chronicle { size_max: 400, ..Chronicle::new(folder.path()) };
    for number in 0..200 {
        chronicle.told(&moment(number), told(&format!("line {number}"))).expect("written");
    }
    let history = History::read(folder.path()).expect("read");
    let last = Entry { at: at(199), what: What::Told(told("line 199")) };
    assert_eq!(history.entries.last(), Some(&last));
    let count = history.entries.len();
    assert!((16..100).contains(&count), "{count}");
    let steady = history.entries.windows(2).all(|two| two[1].at.mono - two[0].at.mono == Span::from_secs(1));
    assert!(steady, "in order, without a gap");
}

#[test]
fn what_a_power_cut_has_torn_costs_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE_NAME);
    Chronicle::new(folder.path()).told(&moment(1), told("whole")).expect("written");
    let text = fs::read(&path).expect("there");
    fs::write(&path, &text[..text.len() - 30]).expect("torn");
    Chronicle::new(folder.path()).told(&moment(2), told("after it")).expect("written");
    let history = History::read(folder.path()).expect("read");
    assert_eq!((history.entries.len(), history.torn), (1, 1));
}

#[test]
fn a_folder_that_is_gone_is_told_of_once_and_lines_go_on_when_it_is_back() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("absent");
    let mut chronicle = Chronicle::new(&folder);
    let why = chronicle.told(&moment(1), told("lost")).expect_err("told");
    assert!(why.contains("absent/history cannot be written"), "{why}");
    chronicle.told(&moment(2), told("lost too")).expect("not told again");
    fs::create_dir(&folder).expect("back");
    chronicle.told(&moment(3), told("kept")).expect("written");
    assert_eq!(History::read(&folder).expect("read").entries.len(), 1);
}

/// Where the clock was at a reading of the counter, by the lines of a history: straight from one to the next.
fn way_of(entries: &[Entry], raw: Time<Raw>) -> Option<Time<Local>> {
    let after = entries.partition_point(|entry| entry.at.raw <= raw);
    let (from, to) = (&entries.get(after.checked_sub(1)?)?.at, &entries.get(after)?.at);
    let (passed, whole) = ((raw - from.raw).as_seconds(), (to.raw - from.raw).as_seconds());
    let gained = (to.local - from.local - (to.raw - from.raw)).as_seconds() * passed / whole;
    Some(from.local + (raw - from.raw) + Span::from_seconds(gained))
}

/// What a machine of the simulator has written of its time.
struct Written {
    history: History,
    /// In 30 days, at this pace.
    bytes_a_month: i64,
    /// All readings of counter and clock, and a tenth of the bound then.
    readings: Vec<(Moment, Span)>,
}

/// Four servers so far away, asked at such intervals, and so many steps by others on the way.
fn life(days: i64, intervals: (i64, i64), base: Span, changes: Vec<(Span, Change)>) -> Written {
    let folder = tempfile::tempdir().expect("a folder");
    let mut chronicle = Chronicle { size_max: u64::MAX, ..Chronicle::new(folder.path()) };
    let path = PathSpec { base, jitter: base / 5, ..PathSpec::default() };
    let server = |operator| ServerSpec { operator, path: path.clone(), ..ServerSpec::default() };
    let scenario = Scenario {
        servers: (0..4).map(server).collect(),
        duration: Span::from_secs(86_400 * days),
        intervals: (Span::from_secs(intervals.0), Span::from_secs(intervals.1)),
        changes,
        ..Scenario::default()
    };
    let mut readings = Vec::new();
    let mut before: Option<(Moment, Span, Rate)> = None;
    World::new(&scenario, 1).run_watched(|glimpse| {
        let (now, status, model) = (glimpse.now, glimpse.node.status(), glimpse.node.model_at(&glimpse.now));
        let bound = model.map_or(Span::ZERO, |model| model.read(now.raw).bound());
        let tenth = bound / ASIDE;
        // Where the clock has turned is seen afterwards: at the last glimpse but one.
        if let Some((then, was, rate)) = before {
            let passed = now.raw - then.raw;
            if passed < Span::from_millis(100) {
                return;
            }
            let gained = now.local - then.local - passed;
            if (gained - rate.over(passed)).abs() > Span::from_nanos(20) {
                let new = Rate::from_ratio(gained.as_seconds() / passed.as_seconds());
                chronicle.runs(&then, new).expect("written");
                before = Some((now, tenth, new));
            } else {
                before = Some((now, tenth, rate));
            }
            readings.push((then, was));
        } else {
            before = Some((now, tenth, Rate::ZERO));
        }
        chronicle.known(&now, status, model).expect("written");
    });
    let history = History::read(folder.path()).expect("read");
    let bytes_a_month = i64::try_from(chronicle.written).expect("a small file") * 30 / days;
    Written { history, bytes_a_month, readings }
}

/// Machines whose rate is known, but of whose oscillator little is assumed yet: where it is watched for longer, bounds grow more slowly,
/// and there are fewer lines. What people are told is not counted.
#[test]
fn a_month_of_history_is_about_a_megabyte_however_often_the_sources_are_asked() {
    let (fast, default) = ((16, 16), (64, 1024));
    let cases = [(fast, 1, 850_000), (fast, 10, 1_150_000), (default, 1, 800_000), (default, 10, 850_000)];
    for (intervals, millis, most) in cases {
        let bytes = life(2, intervals, Span::from_millis(millis), Vec::new()).bytes_a_month;
        assert!(bytes < most, "{bytes} bytes, asked every {intervals:?} s over {millis} ms");
    }
}

#[test]
fn what_is_not_written_of_the_clock_would_have_said_the_same_but_for_a_tenth_of_the_bound() {
    let jump = |hour: i64, by| (Span::from_secs(3600 * hour), Change::StepByOthers(by));
    let changes = vec![jump(5, Span::from_millis(40)), jump(9, Span::from_millis(-400))];
    let Written { history, readings, .. } = life(1, (16, 64), Span::from_millis(1), changes);
    let (mut looked, mut turns) = (0, 0);
    for (now, tenth) in &readings {
        let Some(told) = way_of(&history.entries, now.raw) else { continue };
        looked += 1;
        turns += usize::from(told != now.local);
        let aside = (told - now.local).abs();
        assert!(
            aside <= *tenth + Span::from_nanos(2),
            "{aside:?} beside the truth, where {tenth:?} is allowed"
        );
    }
    assert!(looked > 5000 && turns > 1000, "{looked} readings, {turns} of them not in the file");
}
