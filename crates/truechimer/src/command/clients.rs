//! `truechimer clients`: who asks us for the time.

use std::io::{self, Write};

use anyhow::bail;
use truechimer_time::Span;

use crate::cli;
use crate::command::Outcome;
use crate::command::ask::ask;
use crate::talk::{ClientReply, ClientsReply, Reply, Request};
use crate::ui::colour::{Colours, Mood};
use crate::ui::table::{Side, Table};
use crate::ui::units;

/// Lists the clients. The answer is yes if there are any.
pub fn clients(arguments: &cli::Clients) -> anyhow::Result<Outcome> {
    let reply = match ask(&arguments.daemon.run_dir, Request::Clients {})? {
        Reply::Clients(reply) => reply,
        Reply::Error(why) => bail!("{why}"),
        Reply::Status(_) | Reply::Sources(_) | Reply::Subscribed {} | Reply::Happened(_) | Reply::Done {} => {
            bail!("the daemon answers something else")
        }
    };
    let mut out = io::stdout().lock();
    let colours = Colours::of(arguments.output.color, &out);
    let text = match arguments.output.json {
        true => serde_json::to_string_pretty(&reply)? + "\n",
        false => text(&reply, arguments.most, colours),
    };
    out.write_all(text.as_bytes())?;
    Ok(if reply.known > 0 { Outcome::Yes } else { Outcome::No })
}

fn text(reply: &ClientsReply, most: usize, colours: Colours) -> String {
    let head =
        [("client", Side::Left), ("asked", Side::Right), ("limited", Side::Right), ("age", Side::Right)];
    let mut table = Table::new(head).in_colours(colours);
    let listed = &reply.clients[..most.min(reply.clients.len())];
    for client in listed {
        table.row_in(mood(client), cells(client));
    }
    match reply.known - listed.len() {
        0 => table.to_string(),
        more => format!("{table}and {more} more\n"),
    }
}

fn mood(client: &ClientReply) -> Mood {
    if client.limited > 0 { Mood::Doubtful } else { Mood::Good }
}

fn cells(client: &ClientReply) -> [String; 4] {
    let network = if client.address.is_ipv6() { "/64" } else { "" };
    [
        format!("{}{network}", client.address),
        client.asked.to_string(),
        client.limited.to_string(),
        units::span(Span::from_seconds(client.age)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_eager_are_listed_and_the_others_counted() {
        let client = |address: &str, asked, limited| ClientReply {
            address: address.parse().expect("an address"),
            asked,
            limited,
            age: 2.0,
        };
        let clients =
            vec![client("2001:db8::", 900, 400), client("192.0.2.1", 7, 0), client("192.0.2.2", 3, 0)];
        let reply = ClientsReply { version: 1, known: 5, clients };
        let listed = text(&reply, 2, Colours::NONE);
        let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1][..3], ["2001:db8::/64", "900", "400"]);
        assert_eq!(lines[2][..3], ["192.0.2.1", "7", "0"]);
        assert_eq!(lines[3], ["and", "3", "more"]);
    }
}
