//! What becomes of the methods where the world is not as plain as they would like it.

use super::contest::{self, OURS, Standings, YARDSTICK};
use super::score::median;
use super::setting::{Regime, TROUBLES, Trouble};
use crate::sheet::{Column, Form, Sheet};
use crate::work::Effort;

/// Histories of each trouble, unless it is said otherwise.
const SEEDS: u64 = 3;

const QUICK: [&str; 4] = ["none", "pareto 1.5", "queue there", "route 5 ms"];

fn troubles(quick: bool) -> Vec<&'static Trouble> {
    TROUBLES.iter().filter(|trouble| !quick || QUICK.contains(&trouble.name)).collect()
}

/// `sim robust`: one sheet for a fixed interval of 64 s, one for the yardstick's schedule.
pub fn sheets(effort: &Effort<'_>) -> Vec<Sheet> {
    let troubles = troubles(effort.quick);
    let regimes = [("robust, 64 s", Regime::Often), ("robust, 64..1024 s", Regime::Led)];
    let cells: Vec<(&Trouble, Regime)> = regimes
        .iter()
        .flat_map(|&(_, regime)| troubles.iter().map(move |&trouble| (trouble, regime)))
        .collect();
    let standings = contest::hold(effort, &cells, SEEDS, |&(trouble, regime), seed| {
        let setting = trouble.setting(regime.schedule(), seed).shortened(effort.quick);
        let entrants = contest::uninformed(&setting);
        (setting, entrants)
    });
    let sheet =
        |((name, _), standings): ((&'static str, Regime), &[Standings])| sheet(name, &troubles, standings);
    regimes.into_iter().zip(standings.chunks(troubles.len())).map(sheet).collect()
}

fn sheet(name: &'static str, troubles: &[&Trouble], standings: &[Standings]) -> Sheet {
    let mut columns = vec![Column::new(name, "", Form::Words)];
    columns.extend(contest::columns(standings));
    let mut sheet = Sheet::new(name, columns);
    for (trouble, standings) in troubles.iter().zip(standings) {
        let mut row = vec![trouble.name.into()];
        row.extend(contest::cells(standings));
        sheet.row(row);
    }
    let gains: Vec<f64> = standings.iter().filter_map(Standings::gain).collect();
    let middle = median(&gains).map(|middle| (format!("{YARDSTICK}/{OURS}, median"), middle, 2));
    sheet.findings.extend(middle);
    sheet.findings.extend(contest::gains(standings));
    sheet
}
