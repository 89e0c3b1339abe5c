//! `critical-chain`: of what a unit comes after, the one that was up last, and so on down.

use super::{Started, exact};
use crate::cli::client::Client;
use crate::cli::error::Problem;
use crate::cli::fields::Fields;
use crate::cli::names;
use crate::cli::output::{BAD, Output, say};
use serde_json::json;

/// Longer than any chain that people make.
const LONGEST: usize = 256;

pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    units: &[String],
) -> Result<u8, Problem> {
    let units = match units {
        [] => vec!["default.target".to_owned()],
        units => names::expand(client, units).await?,
    };
    let [begun, ..] = super::steps(client).await?;
    let mut chains = Vec::new();
    for unit in units {
        chains.push(chain(client, &unit).await?);
    }
    if output.is_text() {
        let texts: Vec<String> = chains.iter().map(|c| text(c, begun, output)).collect();
        say(&texts.join("\n"));
    } else {
        let link = |unit: &Started| {
            let at = unit.up.checked_sub(begun);
            json!({ "unit": unit.name, "at": at, "took": unit.took() })
        };
        let chains: Vec<Vec<_>> = chains
            .iter()
            .map(|c| c.iter().map(link).collect())
            .collect();
        output.json(&chains);
    }
    Ok(0)
}

async fn chain(client: &mut Client, unit: &str) -> Result<Vec<Started>, Problem> {
    let mut chain: Vec<Started> = Vec::new();
    let mut next = Some(unit.to_owned());
    while let Some(unit) = next.take() {
        let properties = client.unit(&unit).await?;
        let started = Started::of(&properties);
        let limit = if started.begun > 0 {
            started.begun
        } else {
            started.up
        };
        let mut before: Vec<Started> = Vec::new();
        for other in properties.texts("After") {
            before.push(Started::of(&client.unit(other).await?));
        }
        chain.push(started);
        // Only what was up when this one began can have held it up.
        before.retain(|other| {
            let is_new = chain.iter().all(|known| known.name != other.name);
            other.up > 0 && other.up <= limit && is_new
        });
        let last = before.into_iter().max_by_key(|other| other.up);
        next = last
            .map(|other| other.name)
            .filter(|_| chain.len() < LONGEST);
    }
    Ok(chain)
}

fn text(chain: &[Started], begun: u64, output: &Output) -> String {
    let mut text = String::new();
    for (depth, unit) in chain.iter().enumerate() {
        if depth > 0 {
            text.push_str(&" ".repeat(2 * (depth - 1)));
            text.push_str("└─");
        }
        text.push_str(&unit.name);
        if let Some(at) = unit.up.checked_sub(begun).filter(|_| unit.up > 0) {
            text.push_str(&format!(" @{}", exact(at)));
        }
        if let Some(took) = unit.took().filter(|took| *took > 0) {
            let took = format!("+{}", exact(took));
            text.push_str(&format!(" {}", output.painted(&took, BAD)));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_leads_down() {
        let unit = |name: &str, begun, up| Started {
            name: name.to_owned(),
            begun,
            up,
            down: 0,
        };
        let chain = [
            unit("a.target", 12_000, 12_000),
            unit("b.service", 5_000, 12_000),
            unit("c.target", 0, 0),
        ];
        assert_eq!(
            text(&chain, 2_000, &Output::plain()),
            "a.target @10ms\n└─b.service @10ms +7ms\n  └─c.target\n"
        );
    }
}
