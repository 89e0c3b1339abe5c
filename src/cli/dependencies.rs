//! `list-dependencies`: what units need, or who needs them, as a tree.

use super::args::more::ListDependencies;
use super::client::{Client, Properties};
use super::error::Problem;
use super::fields::Fields;
use super::names;
use super::output::Output;
use super::pager::show;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const NEEDS: &[&str] = &[
    "Requires",
    "Requisite",
    "Wants",
    "ConsistsOf",
    "BindsTo",
    "Upholds",
];
const NEEDED: &[&str] = &[
    "RequiredBy",
    "RequisiteOf",
    "WantedBy",
    "PartOf",
    "BoundBy",
    "UpheldBy",
];

/// Deeper than any set of units for people; who is deeper stands in a circle.
const DEEPEST: usize = 64;

/// Prints a tree for each unit.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    wanted: &ListDependencies,
) -> Result<u8, Problem> {
    let units = match wanted.units.as_slice() {
        [] => vec!["default.target".to_owned()],
        units => names::expand(client, units).await?,
    };
    let mut forest = Forest {
        kinds: kinds(wanted),
        // The other way round every unit is of interest, as in systemctl.
        all: wanted.all,
        known: BTreeMap::new(),
    };
    let mut trees = Vec::new();
    for unit in units {
        let mut path = Vec::new();
        let mut tree = Box::pin(forest.grow(client, unit.clone(), &mut path)).await?;
        tree.name = unit;
        trees.push(tree);
    }
    if output.is_text() {
        let texts: Vec<String> = trees
            .iter()
            .map(|t| text(t, output, wanted.plain))
            .collect();
        show(output, &texts.join("\n"));
    } else {
        output.json(&trees.iter().map(object).collect::<Vec<_>>());
    }
    Ok(0)
}

fn kinds(wanted: &ListDependencies) -> &'static [&'static str] {
    match (wanted.reverse, wanted.after, wanted.before) {
        (true, ..) => NEEDED,
        (_, true, _) => &["After"],
        (_, _, true) => &["Before"],
        (false, false, false) => NEEDS,
    }
}

struct Forest {
    kinds: &'static [&'static str],
    all: bool,
    /// What was asked already.
    known: BTreeMap<String, Properties>,
}

/// A unit with what hangs below it.
#[derive(Debug, PartialEq, Eq)]
struct Tree {
    name: String,
    active: String,
    below: Vec<Tree>,
}

impl Forest {
    async fn grow(
        &mut self,
        client: &mut Client,
        unit: String,
        path: &mut Vec<String>,
    ) -> Result<Tree, Problem> {
        if !self.known.contains_key(&unit) {
            let properties = client.unit(&unit).await?;
            self.known.insert(unit.clone(), properties);
        }
        let properties = &self.known[&unit];
        let mut tree = Tree {
            active: properties.text("ActiveState").to_owned(),
            name: properties.text("Id").to_owned(),
            below: Vec::new(),
        };
        // The asked for unit, and below it targets only, unless all are to be.
        let is_opened = path.is_empty() || self.all || tree.name.ends_with(".target");
        let is_circle = path.contains(&tree.name) || path.len() > DEEPEST;
        if !is_opened || is_circle {
            return Ok(tree);
        }
        let mut children: Vec<String> = self
            .kinds
            .iter()
            .flat_map(|kind| properties.texts(kind))
            .map(str::to_owned)
            .collect();
        // As in systemctl: targets below the others.
        children.sort_by_key(|name| (name.ends_with(".target"), name.clone()));
        children.dedup();
        path.push(tree.name.clone());
        for child in children {
            if !path.contains(&child) {
                tree.below
                    .push(Box::pin(self.grow(client, child, path)).await?);
            }
        }
        path.pop();
        Ok(tree)
    }
}

fn object(tree: &Tree) -> Json {
    json!({
        "unit": tree.name,
        "active": tree.active,
        "dependencies": tree.below.iter().map(object).collect::<Vec<_>>(),
    })
}

fn text(tree: &Tree, output: &Output, plain: bool) -> String {
    let mut text = format!("{}\n", tree.name);
    branches(&tree.below, output, plain, &mut String::new(), &mut text);
    text
}

fn branches(trees: &[Tree], output: &Output, plain: bool, margin: &mut String, text: &mut String) {
    for (index, tree) in trees.iter().enumerate() {
        let is_last = index + 1 == trees.len();
        let (branch, below) = match (plain, is_last) {
            (true, _) => ("  ", "  "),
            (false, true) => ("└─", "  "),
            (false, false) => ("├─", "│ "),
        };
        if !plain {
            let dot = match tree.active.as_str() {
                "inactive" => "○",
                "failed" => "×",
                _ => "●",
            };
            let dot = output.painted(dot, output.state_color(&tree.active));
            text.push_str(&format!("{dot} "));
        }
        text.push_str(&format!("{margin}{branch}{}\n", tree.name));
        let length = margin.len();
        margin.push_str(below);
        branches(&tree.below, output, plain, margin, text);
        margin.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(name: &str, below: Vec<Tree>) -> Tree {
        Tree {
            name: name.to_owned(),
            active: "active".to_owned(),
            below,
        }
    }

    #[test]
    fn lines_lead_to_the_leaves() {
        let inner = tree("b.target", vec![tree("c.service", Vec::new())]);
        let outer = tree("a.target", vec![inner, tree("d.service", Vec::new())]);
        let output = Output::plain();
        assert_eq!(
            text(&outer, &output, false),
            "a.target\n● ├─b.target\n● │ └─c.service\n● └─d.service\n"
        );
        assert_eq!(
            text(&outer, &output, true),
            "a.target\n  b.target\n    c.service\n  d.service\n"
        );
    }
}
