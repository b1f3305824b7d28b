//! A survey as comma-separated values (RFC 4180), one host a line, in the order in which they were named.

use super::finding::Finding;
use super::json::seconds;
use super::judge::{Judged, Judgement};
use super::round::Survey;
use super::text::{doubts, letter};

/// The names of the columns.
pub const HEAD: &str = "host,address,protocol,standing,ahead_s,bound_s,ahead_of_us_s,bound_of_us_s,delay_s,stratum,claim_s,group,assumed,asked,answered,error";

/// The whole file.
pub fn csv(survey: &Survey, judgement: &Judgement) -> String {
    let rows = survey.findings.iter().zip(&judgement.hosts).map(|(finding, judged)| row(finding, judged));
    [HEAD.to_owned()].into_iter().chain(rows).map(|row| row + "\r\n").collect()
}

fn row(finding: &Finding, judged: &Judged) -> String {
    let reading = finding.outcome.as_ref().ok();
    let claim = reading.and_then(|reading| reading.claim);
    let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.9}"));
    let ours = reading.map(|reading| reading.ahead_of_ours());
    let fields = [
        finding.name.clone(),
        finding.place.map_or(String::new(), |place| place.ip().to_string()),
        finding.protocol.map_or(String::new(), |protocol| protocol.word().to_owned()),
        judged.standing.word().to_owned(),
        number(judged.ahead.map(|ahead| seconds(ahead.middle()))),
        number(judged.ahead.map(|ahead| seconds(ahead.bound()) + 1e-9)),
        number(ours.map(|ahead| seconds(ahead.middle()))),
        number(ours.map(|ahead| seconds(ahead.bound()) + 1e-9)),
        number(reading.map(|reading| seconds(reading.delay))),
        claim.map_or(String::new(), |claim| claim.stratum.to_string()),
        number(claim.map(|claim| seconds(claim.distance))),
        judged.group.map_or(String::new(), letter),
        reading.map_or(String::new(), doubts),
        finding.asked.to_string(),
        finding.answered.to_string(),
        finding.outcome.as_ref().err().map_or(String::new(), |trouble| trouble.to_string()),
    ];
    fields.map(|field| quoted(&field)).join(",")
}

/// In quotes where it must be. What a spreadsheet would take for a formula is made a text: some of it was said by hosts.
fn quoted(field: &str) -> String {
    let is_number = field.parse::<f64>().is_ok();
    let is_formula = !is_number && field.starts_with(['=', '+', '-', '@']);
    let field = if is_formula { format!("'{field}") } else { field.to_owned() };
    match field.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cannot_end_themselves_nor_be_taken_for_formulas() {
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"no\""), "\"say \"\"no\"\"\"");
        assert_eq!(quoted("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(quoted("-0.25"), "-0.25");
    }
}
