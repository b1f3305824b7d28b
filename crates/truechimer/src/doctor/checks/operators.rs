//! Whether one liar among the sources could move the clock.

use crate::doctor::configured::Configured;
use crate::doctor::keepers::Program;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "operators",
    area: Area::Sources,
    question: "Could one operator of sources move the clock?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
A clock that believes one server is as wrong as that server. Two can disagree,
and nobody knows who is right. Three of different operators outvote one that
lies; servers of one operator commonly err together. This reads which sources
the time program of this machine is told to ask, counts the servers of a pool
as different ones, and takes for the operator what is written, or the domain
of a name.

wrong   No source is configured.
risky   One server; or all of one operator; or two operators only.
fine    Three operators or more, or a pool of three servers or more.

What to do: name three to five operators. The default of truechimer has five.
systemd-timesyncd asks one server at a time, whatever it is told: use another
program where the time matters.
";

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    judge(machine.configured()?).map(|finding| vec![finding])
}

fn judge(configured: &[Configured]) -> Result<Finding, Hidden> {
    let Some(first) = configured.first() else {
        return Err(Hidden::Because("no source on the network is configured here".to_owned()));
    };
    let (program, file) = (first.program, first.file.display());
    let remedied = |finding: Finding| {
        finding
            .run(format!("sudoedit {file}"))
            .told("have three operators, such as time.cloudflare.com, ptbtime1.ptb.de and ntp.netnod.se")
    };
    if program == Program::Timesyncd {
        return Ok(Finding::risky(format!(
            "{} believes one server at a time, and would not notice one that lies",
            program.name()
        ))
        .run("sudo apt-get install chrony")
        .told("or keep the clock by truechimer, which lets five operators vote"));
    }
    let mut operators: Vec<&str> = configured.iter().map(|source| source.operator.as_str()).collect();
    operators.sort_unstable();
    operators.dedup();
    // Those behind a name of the pool do not know each other.
    let strangers: usize = configured
        .iter()
        .filter(|source| source.address.is_of_strangers())
        .map(|source| source.servers)
        .sum();
    let servers: usize = configured.iter().map(|source| source.servers).sum();
    let voices = operators.len().max(strangers.min(servers));
    let finding = match (servers, voices) {
        (1, _) => remedied(Finding::risky(format!(
            "{} asks one server only, {}: nobody would notice if it lied",
            program.name(),
            first.address
        ))),
        (_, 1) => remedied(Finding::risky(format!(
            "all {servers} sources of {} are of one operator, {}: they err together",
            program.name(),
            operators[0]
        ))),
        (_, 2) => remedied(Finding::risky(format!(
            "the sources of {} are of two operators: if they disagree, nobody knows who is right",
            program.name()
        ))),
        (_, several) => {
            Finding::fine(format!("{} asks {servers} servers of {several} operators", program.name()))
        }
    };
    Ok(finding.number("servers", servers as f64).number("operators", voices as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::survey::tests::configured;

    fn verdict(names: &[&str]) -> Verdict {
        let configured: Vec<Configured> = names.iter().map(|name| configured(name)).collect();
        judge(&configured).unwrap().verdict
    }

    #[test]
    fn three_operators_outvote_a_liar_and_fewer_do_not() {
        assert_eq!(verdict(&["a.example.org"]), Verdict::Risky);
        assert_eq!(verdict(&["a.example.org", "b.example.org", "c.example.org"]), Verdict::Risky);
        assert_eq!(verdict(&["a.example.org", "a.example.net"]), Verdict::Risky);
        assert_eq!(verdict(&["a.example.org", "a.example.net", "a.example.com"]), Verdict::Fine);
    }

    #[test]
    fn the_volunteers_of_a_pool_do_not_know_each_other() {
        let mut pool = configured("2.debian.pool.ntp.org");
        pool.servers = 4;
        assert_eq!(judge(&[pool]).unwrap().verdict, Verdict::Fine);
    }

    #[test]
    fn timesyncd_believes_one_whatever_it_is_told() {
        let mut sources = ["a.example.org", "a.example.net", "a.example.com"].map(configured);
        sources.iter_mut().for_each(|source| source.program = Program::Timesyncd);
        assert_eq!(judge(&sources).unwrap().verdict, Verdict::Risky);
    }
}
