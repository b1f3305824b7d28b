//! `truechimer query`: what do other clocks say, now?

use std::io::{self, Write};

use anyhow::Context;

use crate::cli;
use crate::command::Outcome;
use crate::measuring::{self, Manner, Report, SERVERS_MAX, Stand, Survey};
use crate::ui::colour::Colours;

/// Measures and prints. Yes, if all have answered and none disagrees with a majority.
pub fn query(arguments: &cli::Query) -> anyhow::Result<Outcome> {
    if arguments.hosts.len() > SERVERS_MAX {
        writeln!(io::stderr(), "truechimer: at most {SERVERS_MAX} servers can be measured at once")?;
        return Ok(Outcome::Misused);
    }
    let cli::Query { samples, timeout, family, .. } = *arguments;
    let survey = measuring::measure(&arguments.hosts, &Manner { samples, timeout, family })
        .context("cannot measure other clocks")?;
    let mut out = io::stdout().lock();
    match arguments.output.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&Report::of(&survey))?)?,
        false => {
            let colours = Colours::of(arguments.output.color, &out);
            out.write_all(measuring::text(&survey, colours).as_bytes())?;
        }
    }
    Ok(if all_agree(&survey) { Outcome::Yes } else { Outcome::No })
}

fn all_agree(survey: &Survey) -> bool {
    survey.verdict.stands.iter().all(|stand| *stand == Stand::Agrees)
}
