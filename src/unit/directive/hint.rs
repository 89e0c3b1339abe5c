//! The directive that a misspelt one was probably meant to be.

use super::table;

/// The name in the section that is nearest to `key`, if it is near enough to be a slip: the
/// same letters in another case, or at most two letters (one of a short name) off.
pub fn nearest(section: &str, key: &str) -> Option<&'static str> {
    let allowed = if key.chars().count() < 6 { 1 } else { 2 };
    table()
        .filter(|row| row.sections.contains(&section))
        .map(|row| (distance(row.name, key), row.name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be put in, taken out or changed to turn one into the other, case
/// aside.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut current = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let change = previous[j] + usize::from(from != to);
            current.push(change.min(previous[j + 1] + 1).min(current[j] + 1));
        }
        previous = current;
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("Service", "ExecStrat"), Some("ExecStart"));
        assert_eq!(nearest("Service", "restartsec"), Some("RestartSec"));
        assert_eq!(nearest("Unit", "Aftr"), Some("After"));
        assert_eq!(nearest("Service", "Color"), None);
        assert_eq!(nearest("Unit", "ExecStrat"), None);
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("kitten", "sittin"), 2);
        assert_eq!(distance("abc", "ab"), 1);
    }
}
