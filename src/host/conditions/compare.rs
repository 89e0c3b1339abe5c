//! Comparison operators in condition values: `>=5.4`, `!= 3`, `=debian`.

use std::cmp::Ordering;

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Operator {
    /// Takes an operator off the front of a text; blanks behind it go too.
    pub(super) fn split(text: &str) -> (Option<Operator>, &str) {
        const SPELLINGS: [(&str, Operator); 8] = [
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("!=", Operator::NotEqual),
            ("<>", Operator::NotEqual),
            ("==", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
            ("=", Operator::Equal),
        ];
        let text = text.trim();
        SPELLINGS
            .into_iter()
            .find_map(|(spelling, operator)| {
                let rest = text.strip_prefix(spelling)?;
                Some((Some(operator), rest.trim_start()))
            })
            .unwrap_or((None, text))
    }

    /// Whether `left OPERATOR right` holds, given how they compare.
    pub(super) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Operator::Less => ordering.is_lt(),
            Operator::LessOrEqual => ordering.is_le(),
            Operator::Equal => ordering.is_eq(),
            Operator::NotEqual => ordering.is_ne(),
            Operator::GreaterOrEqual => ordering.is_ge(),
            Operator::Greater => ordering.is_gt(),
        }
    }
}

/// Compares versions part by part, numbers as numbers: `5.10` is above `5.9`, and `1.0~rc1`
/// below `1.0` (version-format specification of the UAPI group, without its rarer marks).
pub(super) fn versions(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (parts(left).into_iter(), parts(right).into_iter());
    loop {
        let ordering = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (Some(Part::Tilde), None) => Ordering::Less,
            (None, Some(Part::Tilde)) => Ordering::Greater,
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (Some(a), Some(b)) => a.cmp(&b),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

/// In ascending order: what precedes a release, letters, numbers.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Tilde,
    Word(String),
    Number(u128),
}

fn parts(version: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = version;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| {
            if first.is_ascii_digit() {
                c.is_ascii_digit()
            } else {
                c.is_ascii_alphabetic()
            }
        };
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        if end == 0 {
            if first == '~' {
                parts.push(Part::Tilde);
            }
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (part, tail) = rest.split_at(end);
        parts.push(match part.parse() {
            Ok(number) => Part::Number(number),
            Err(_) => Part::Word(part.to_owned()),
        });
        rest = tail;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_versions() {
        for (low, high) in [
            ("5.9", "5.10"),
            ("5.10", "5.10.1"),
            ("5.10-rc1", "5.11"),
            ("1.0~rc1", "1.0"),
            ("4.19.0-13-amd64", "6.18.5"),
        ] {
            assert_eq!(versions(low, high), Ordering::Less, "{low} {high}");
            assert_eq!(versions(high, low), Ordering::Greater, "{high} {low}");
        }
        assert_eq!(versions("6.1", "6.1"), Ordering::Equal);
    }

    #[test]
    fn operators() {
        assert_eq!(
            Operator::split(">= 5"),
            (Some(Operator::GreaterOrEqual), "5")
        );
        assert_eq!(Operator::split("5"), (None, "5"));
        assert_eq!(Operator::split("!=x"), (Some(Operator::NotEqual), "x"));
        assert!(Operator::Less.holds(Ordering::Less));
        assert!(!Operator::NotEqual.holds(Ordering::Equal));
    }
}
