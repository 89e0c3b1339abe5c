//! `dot`: dependencies as a graph, in the language of dot(1); colours as systemd-analyze's.

use crate::cli::args::more::Edges;
use crate::cli::client::Client;
use crate::cli::error::Problem;
use crate::cli::fields::Fields;
use crate::cli::output::{complain, say};
use glob::Pattern;

/// Property, colour, and whether it orders.
const KINDS: [(&str, &str, bool); 5] = [
    ("After", "green", true),
    ("Requires", "black", false),
    ("Requisite", "darkblue", false),
    ("Wants", "grey66", false),
    ("Conflicts", "red", false),
];

pub(super) async fn run(
    client: &mut Client,
    patterns: &[String],
    edges: Edges,
) -> Result<u8, Problem> {
    let patterns = patterns.iter().map(|text| {
        Pattern::new(text).map_err(|error| Problem::local(format!("pattern {text}: {error}")))
    });
    let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
    let fits = |name: &str| patterns.is_empty() || patterns.iter().any(|p| p.matches(name));
    let mut text = String::from("digraph dd_procmgr {\n");
    for row in client.list_units(&[], &[]).await? {
        let properties = client.unit(&row.name).await?;
        for (property, color, orders) in KINDS {
            let is_wanted = match edges {
                Edges::All => true,
                Edges::Order => orders,
                Edges::Require => !orders,
            };
            let others = properties.texts(property).into_iter();
            for other in others.filter(|other| is_wanted && (fits(&row.name) || fits(other))) {
                text.push_str(&edge(&row.name, other, color));
            }
        }
    }
    text.push_str("}\n");
    say(&text);
    complain(
        "   Color legend: black     = Requires\n                 dark blue = Requisite\n                 \
         dark grey = Wants\n                 red       = Conflicts\n                 green     = After",
    );
    Ok(0)
}

fn edge(from: &str, to: &str, color: &str) -> String {
    let quote = |name: &str| name.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "\t\"{}\"->\"{}\" [color=\"{color}\"];\n",
        quote(from),
        quote(to)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(
            edge("a\\x2d.service", "b.target", "red"),
            "\t\"a\\\\x2d.service\"->\"b.target\" [color=\"red\"];\n"
        );
    }
}
