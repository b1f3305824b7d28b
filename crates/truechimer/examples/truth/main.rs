//! The truth inside a test guest: servers that tell it, and a judge who holds the kernel's clock against it.
//!
//! The clock under test is the guest's own, so the truth is made of the raw counter, which nobody can steer. `begin`
//! draws it so that the kernel's clock is wrong from the start, and keeps it in a file; servers and judge read it there,
//! and anew when it has changed.
//!
//! ```text
//! truth begin [behind=SECONDS] [slow=PPM] [ramp=PPM/H] [sine=PPM:SECONDS] [swing=NS:SECONDS]
//!             [walk=PPM:SEED] [leaps=FILE] [tai_less=SECONDS]
//!                                  the kernel's clock is behind by so much, the raw counter runs so many PPM slow,
//!                                  which rises by so many PPM each hour, swings so far in such a period, and wanders
//!                                  by a step of so many PPM each 16 s; `swing` is one of time itself, which the
//!                                  kernel module knows, too; `tai_less`: the kernel's clock is to show TAI less so
//!                                  many seconds, not UTC
//! truth begin turns=FILE           the truth is the line through these rows of the program `turns`
//! truth follow                     corrects the truth where rows of `turns` on stdin contradict it, and says so
//! truth skip SECONDS               true time goes on by so much at once, as when the machine was halted
//! truth leaps +|- YEAR             a table in which a second is inserted or left out at the end of that year
//! truth line                       the line at the root of it, for the kernel module
//! truth serve ADDRESS PLACE..      servers on ports of an address: ntp:PORT, taiclock:PORT or time:PORT; =ERROR is
//!                                  how many seconds the server is wrong, =smear that it smears leap seconds
//! truth judge SECONDS [EVERY]      a row each second, or each so many; exit 1 if a bound was false, of the page, of the
//!                                  kernel, or of what clients of ClockBound are told, where there is a file for them
//! truth first TABLE MICROS         the second of a judge's table from which on the clock is right to so much, or never
//! truth sum TABLE FROM TO          of these seconds of a judge's table: how far the clock was off, root mean square
//!                                  and at worst, what the page and the kernel claimed at the median, and how many
//!                                  claims were false
//! ```
//!
//! **Invariant:** no clock is ever set or steered here.

use std::process::ExitCode;

use anyhow::bail;
use truechimer_time::Span;

mod course;
mod judge;
mod serve;
mod turns;

use course::Course;

fn main() -> anyhow::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["begin", ref options @ ..] => Course::begin(options)?.keep()?,
        ["follow"] => turns::follow()?,
        ["skip", seconds] => Course::skip(Span::from_seconds(seconds.parse()?))?,
        ["leaps", sign, year] => print!("{}", course::leaps_with(sign, year.parse()?)?),
        ["line"] => println!("{}", Course::kept()?.line()),
        ["serve", address, ref places @ ..] => serve::serve(address.parse()?, places)?,
        ["judge", seconds] => return judge::judge(seconds.parse()?, 1),
        ["judge", seconds, every] => return judge::judge(seconds.parse()?, every.parse()?),
        ["first", table, micros] => println!("{}", judge::first(table, micros.parse()?)?),
        ["sum", table, from, to] => println!("{}", judge::sum(table, from.parse()?..=to.parse()?)?),
        _ => bail!("one of begin, follow, skip, leaps, line, serve, judge, first, sum and their arguments"),
    }
    Ok(ExitCode::SUCCESS)
}
