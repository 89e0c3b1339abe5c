//! What a misspelt name was probably meant to be, and a misspelt value.

use super::row::Kind;
use super::table;

/// The name in the section that is nearest to `key`, if it is near enough to be a slip: the
/// same letters in another case, or at most two letters (one of a short name) off.
pub fn nearest(section: &str, key: &str) -> Option<&'static str> {
    let names = table().filter(|row| row.sections.contains(&section));
    nearest_of(names.map(|row| row.name), key)
}

/// As [`nearest`], of any names.
pub fn nearest_of<'a>(names: impl Iterator<Item = &'a str>, word: &str) -> Option<&'a str> {
    let letters = word.chars().count();
    let allowed = if letters < 6 { 1 } else { 2 };
    names
        .filter(|name| name.len().abs_diff(letters) <= allowed)
        .map(|name| (distance(name, word), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// The word that a bad value was probably meant to be, where there are words to choose from.
pub(super) fn of_value(kind: Kind, value: &str) -> Option<String> {
    let Kind::Choice(words) = kind else {
        return None;
    };
    let near = nearest_of(words.iter().copied(), value)?;
    Some(format!("did you mean {near}?"))
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
        // It never becomes less again.
        if current.iter().all(|changes| *changes > 2) {
            return usize::MAX;
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
