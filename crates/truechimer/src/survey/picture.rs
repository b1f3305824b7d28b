//! A survey as a drawing: the interval of each host, from the one furthest behind to the one furthest ahead.

use truechimer_sim::plot::{Axis, Chart, Marks, Series};

use super::judge::{Judgement, Reference, Standing};
use super::round::Survey;
use super::window::Window;

/// More hosts than this are not drawn: of a network, those with trouble and then the first.
pub const HOSTS_MAX: usize = 4096;

/// Half of how wide the middle of an interval is drawn, where one host is 1.
const HALF: f64 = 0.4;

/// The text of an SVG file. None, if nothing is known of any clock.
pub fn picture(survey: &Survey, judgement: &Judgement) -> Option<String> {
    let known = |place: &usize| Some((judgement.hosts[*place].standing, judgement.hosts[*place].ahead?));
    let mut hosts: Vec<(Standing, Window)> =
        judgement.by_trouble().iter().filter_map(known).take(HOSTS_MAX).collect();
    hosts.sort_by_key(|(standing, ahead)| (ahead.middle(), *standing));
    let least = hosts.iter().map(|(_, ahead)| ahead.lo.as_seconds()).fold(f64::INFINITY, f64::min);
    let most = hosts.iter().map(|(_, ahead)| ahead.hi.as_seconds()).fold(f64::NEG_INFINITY, f64::max);
    if hosts.is_empty() {
        return None;
    }
    let known = judgement.hosts.iter().filter(|judged| judged.ahead.is_some()).count();
    let title = match known > hosts.len() {
        true => format!("The clocks of {} hosts of {known}", hosts.len()),
        false => format!("The clocks of {known} hosts of {}", survey.findings.len()),
    };
    let chart = Chart {
        title,
        x: Axis::linear("hosts, by their clocks", -0.5, hosts.len() as f64 - 0.5),
        y: Axis::offsets(ahead_of(&judgement.reference), (least * 1.2).min(-1e-6), (most * 1.2).max(1e-6)),
        series: series(&hosts),
    };
    Some(chart.svg())
}

fn ahead_of(reference: &Reference) -> &'static str {
    match reference {
        Reference::Daemon { .. } => "ahead of true time",
        Reference::Majority { .. } => "ahead of the majority",
        Reference::Ourselves => "ahead of this machine",
    }
}

fn series(hosts: &[(Standing, Window)]) -> Vec<Series> {
    let of = |standing: Standing| {
        hosts.iter().enumerate().filter(move |(_, (own, _))| *own == standing).flat_map(
            move |(place, (_, ahead))| {
                let x = place as f64;
                let middle = ahead.middle().as_seconds();
                let ends = vec![(x, ahead.lo.as_seconds()), (x, ahead.hi.as_seconds())];
                let across = vec![(x - HALF, middle), (x + HALF, middle)];
                [ends, across].map(|points| Series::new(standing.word(), Marks::Line(points)))
            },
        )
    };
    // The good first: they are the most, and the others are to lie above them.
    [Standing::Good, Standing::Liar, Standing::Beyond, Standing::Contradictory, Standing::Unclear]
        .into_iter()
        .flat_map(of)
        .collect()
}
