//! `plot`: the start as a timeline, an SVG picture.

use super::{Started, exact, steps};
use crate::cli::client::Client;
use crate::cli::error::{FAILURE, Problem};
use crate::cli::output::{complain, say};
use std::fmt::Write as _;

/// Pixels between two rows, left of the first bar, and above the first row.
const ROW: u64 = 20;
const LEFT: u64 = 20;
const TOP: u64 = 60;
/// How wide the whole time is drawn.
const WIDTH: u64 = 1000;
/// Room for the names behind the bars.
const NAMES: u64 = 400;

pub(super) async fn run(client: &mut Client) -> Result<u8, Problem> {
    let [begun, loading, loaded, finished] = steps(client).await?;
    if finished == 0 {
        complain("The first start has not finished yet.");
        return Ok(FAILURE);
    }
    let mut units = super::all(client).await?;
    // What started later has nothing to do with how all came up.
    units.retain(|unit| unit.begun >= begun && unit.begun <= finished);
    units.sort_by(|a, b| (a.begun, &a.name).cmp(&(b.begun, &b.name)));
    say(&picture([begun, loading, loaded, finished], &units));
    Ok(0)
}

fn picture(steps: [u64; 4], units: &[Started]) -> String {
    let [begun, loading, loaded, finished] = steps;
    let total = finished.saturating_sub(begun).max(1);
    let at = |time: u64| LEFT + time.saturating_sub(begun).min(total) * WIDTH / total;
    let height = TOP + ROW * (units.len() as u64 + 3);
    let width = LEFT + WIDTH + NAMES;
    let mut svg = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg width=\"{width}\" height=\"{height}\" version=\"1.1\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n\
         <style>text {{ font: 12px sans-serif }} .load {{ fill: #9bd }} .starting {{ fill: #d64 }} \
         .up {{ fill: #eca }} .grid {{ stroke: #ccc }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\">dd-procmgrd: started in {}</text>\n",
        exact(total)
    );
    // Writing to a String cannot fail.
    for tenth in 0..=10 {
        let time = begun + total * tenth / 10;
        let x = at(time);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{height}\"/>\
             <text x=\"{x}\" y=\"{}\">{}</text>",
            TOP - 12,
            TOP - 16,
            exact(time - begun)
        );
    }
    let mut y = TOP;
    bar(&mut svg, "load", (at(loading), at(loaded)), y, "unit files");
    for unit in units {
        y += ROW;
        let is_up = unit.up >= unit.begun;
        let ready = if is_up {
            unit.up.min(finished)
        } else {
            finished
        };
        if is_up {
            bar(&mut svg, "up", (at(ready), at(finished)), y, "");
        }
        let name = match unit.took() {
            Some(took) if took > 0 => format!("{} ({})", unit.name, exact(took)),
            _ => unit.name.clone(),
        };
        bar(&mut svg, "starting", (at(unit.begun), at(ready)), y, &name);
    }
    svg.push_str("</svg>\n");
    svg
}

/// A bar with a name at its beginning.
fn bar(svg: &mut String, class: &str, (from, to): (u64, u64), y: u64, name: &str) {
    let width = to.saturating_sub(from).max(1);
    let height = ROW - 4;
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{from}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
    );
    if !name.is_empty() {
        let name = name
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let (x, y) = (from + 4, y + height - 4);
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\">{name}</text>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_has_a_bar_and_names_are_escaped() {
        let units = [
            Started {
                name: "a<b>.service".to_owned(),
                begun: 1500,
                up: 1700,
                down: 0,
            },
            Started {
                name: "never.service".to_owned(),
                begun: 1600,
                up: 0,
                down: 0,
            },
        ];
        let svg = picture([1000, 1100, 1400, 2000], &units);
        assert!(svg.contains("a&lt;b&gt;.service (200us)"), "{svg}");
        assert!(svg.contains(">never.service<"));
        assert_eq!(svg.matches("class=\"starting\"").count(), 2);
        assert_eq!(svg.matches("class=\"up\"").count(), 1);
        assert!(svg.starts_with("<?xml") && svg.ends_with("</svg>\n"));
        // A start that took no time divides by nothing.
        assert!(picture([5, 5, 5, 5], &[]).contains("</svg>"));
    }
}
