//! The matrix: plain jitter J against a plain walk W, at fixed and at adaptive intervals.

use super::contest::{self, LIMIT, OURS, Standings};
use super::score::geometric_mean;
use super::setting::{self, Regime};
use crate::sheet::{Cell, Column, Form, Sheet};
use crate::work::Effort;

const WALKS: [f64; 3] = [1e-10, 1e-9, 1e-8];
const JITTERS: [f64; 4] = [1e-5, 1e-4, 1e-3, 1e-2];

/// Histories of each cell, unless it is said otherwise.
const SEEDS: u64 = 3;

/// Where J / (W τ^1.5) is larger than this, the oscillator does nothing between two exchanges that could be seen in one:
/// the corner in which a method has to learn W from thousands of packets.
const CORNER: f64 = 1e4;

/// One cell of the matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    regime: Regime,
    walk: f64,
    jitter: f64,
}

const QUICK: [Place; 4] = [
    Place { regime: Regime::Often, walk: 1e-9, jitter: 1e-4 },
    Place { regime: Regime::Often, walk: 1e-10, jitter: 1e-3 },
    Place { regime: Regime::Rarely, walk: 1e-8, jitter: 1e-4 },
    Place { regime: Regime::Led, walk: 1e-9, jitter: 1e-5 },
];

fn places(quick: bool) -> Vec<Place> {
    if quick {
        return QUICK.to_vec();
    }
    let mut places = Vec::new();
    for regime in Regime::ALL {
        for walk in WALKS {
            places.extend(JITTERS.map(|jitter| Place { regime, walk, jitter }));
        }
    }
    places
}

/// `sim matrix`.
pub fn sheets(effort: &Effort<'_>) -> Vec<Sheet> {
    let places = places(effort.quick);
    let standings = contest::hold(effort, &places, SEEDS, |place, seed| {
        let setting = setting::plain(place.walk, place.jitter, place.regime.schedule());
        let setting = setting.shortened(effort.quick);
        let entrants = contest::everybody(&setting, seed);
        (setting, entrants)
    });
    let mut sheet = Sheet::new("matrix", columns(&standings));
    for (place, standings) in places.iter().zip(&standings) {
        sheet.row(row(place, standings));
    }
    sheet.findings = findings(&places, &standings);
    vec![sheet]
}

fn columns(standings: &[Standings]) -> Vec<Column> {
    let mut columns = vec![
        Column::new("poll", "s", Form::Words),
        Column::new("W", "/√s", Form::Power),
        Column::new("J", "s", Form::Power),
    ];
    columns.extend(contest::columns(standings));
    columns
}

fn row(place: &Place, standings: &Standings) -> Vec<Cell> {
    let mut row = vec![place.regime.name().into(), place.walk.into(), place.jitter.into()];
    row.extend(contest::cells(standings));
    row
}

fn findings(places: &[Place], standings: &[Standings]) -> Vec<(String, f64, usize)> {
    let mut findings = contest::gains(standings);
    for (name, is_corner) in [("outside of the corner", false), ("in the corner of large J", true)] {
        let here = places.iter().zip(standings).filter(|(place, s)| is_in_corner(place, s) == is_corner);
        let excesses: Vec<f64> = here.filter_map(|(_, standings)| standings.excess()).collect();
        let mean =
            geometric_mean(&excesses).map(|mean| (format!("{OURS}/{LIMIT} {name}, geometric mean"), mean, 3));
        let worst = excesses.iter().copied().reduce(f64::max);
        findings.extend(mean);
        findings.extend(worst.map(|worst| (format!("{OURS}/{LIMIT} {name}, worst"), worst, 3)));
    }
    findings
}

fn is_in_corner(place: &Place, standings: &Standings) -> bool {
    place.jitter / (place.walk * libm::pow(standings.interval, 1.5)) > CORNER
}
