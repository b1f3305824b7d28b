//! `truechimer burst` and `truechimer step`: orders to the daemon.

use anyhow::{Context, bail};
use truechimer_sys::file::FileError;

use crate::cli;
use crate::command::Outcome;
use crate::command::ask::ask;
use crate::config::Config;
use crate::daemon::keeper;
use crate::talk::{Reply, Request};

/// Has the daemon measure all its sources now.
pub fn burst(arguments: &cli::Burst) -> anyhow::Result<Outcome> {
    order(&arguments.daemon, Request::Burst {})
}

/// Gives leave to step once. As root it also renews the keeper's budget of steps in this boot.
pub fn step(arguments: &cli::Step) -> anyhow::Result<Outcome> {
    let config = Config::load(arguments.config.as_deref()).context("configuration")?;
    let renewed: Result<(), FileError> = keeper::renew_budget(&config.state.dir);
    renewed.context("cannot renew the budget of steps (are you root?)")?;
    order(&arguments.daemon, Request::Step {})
}

fn order(daemon: &cli::Daemon, request: Request) -> anyhow::Result<Outcome> {
    match ask(&daemon.run_dir, request)? {
        Reply::Done {} => Ok(Outcome::Yes),
        Reply::Status(_)
        | Reply::Sources(_)
        | Reply::Clients(_)
        | Reply::Subscribed {}
        | Reply::Happened(_)
        | Reply::Error(_) => {
            bail!("the daemon answers something else")
        }
    }
}
