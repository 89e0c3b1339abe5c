//! Environment expansion of command lines, done at each start (checklist X5-X8).

use super::words::{self, Escapes};
use std::collections::BTreeSet;

/// Expands `$NAME` and `${NAME}` of every word; the second value names the variables that
/// were used but not set, each once, in the order of their use.
///
/// argv\[0\] is expanded as well, as systemd does it (one sees it with the `@` prefix); the
/// program that is executed is not among these words and is never expanded (X7). The result
/// is empty only if `argv` is: should every word vanish, one empty word stays.
pub fn expand_argv(
    argv: &[String],
    lookup: &dyn Fn(&str) -> Option<String>,
) -> (Vec<String>, Vec<String>) {
    let mut variables = Variables {
        lookup,
        unset: Vec::new(),
        seen: BTreeSet::new(),
    };
    let mut expanded = Vec::with_capacity(argv.len());
    for word in argv {
        match whole_variable(word) {
            Some(name) => {
                let value = variables.value(name);
                // With escapes removed, splitting cannot fail.
                let words = words::split_with(&value, Escapes::Remove).unwrap_or_default();
                expanded.extend(words.into_iter().map(|w| w.text));
            }
            None => expanded.push(expand_word(word, &mut variables)),
        }
    }
    if expanded.is_empty() && !argv.is_empty() {
        expanded.push(String::new());
    }
    (expanded, variables.unset)
}

struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    /// In the order of their use.
    unset: Vec<String>,
    /// The same, to look up.
    seen: BTreeSet<String>,
}

impl Variables<'_> {
    /// The value; empty if there is none (X8).
    fn value(&mut self, name: &str) -> String {
        // Nothing can be set under the empty name of `$` and `${}`.
        if name.is_empty() {
            return String::new();
        }
        (self.lookup)(name).unwrap_or_else(|| {
            if self.seen.insert(name.to_owned()) {
                self.unset.push(name.to_owned());
            }
            String::new()
        })
    }
}

/// The name if the word is `$NAME` and so is split: whatever follows the `$`, unless it is
/// `{` or `$` (X5, X6).
fn whole_variable(word: &str) -> Option<&str> {
    let name = word.strip_prefix('$')?;
    (!name.starts_with(['{', '$'])).then_some(name)
}

/// Replaces `${NAME}` and `$$` within a word, in one pass (X7).
fn expand_word(word: &str, variables: &mut Variables<'_>) -> String {
    let mut expanded = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(dollar) = rest.find('$') {
        let (before, from_dollar) = rest.split_at(dollar);
        expanded.push_str(before);
        // Text up to here stands for itself; what is a variable sets less.
        let mut literal = from_dollar.len();
        if let Some(inner) = from_dollar.strip_prefix("${") {
            match inner.find(['}', ':']) {
                Some(end) if inner[end..].starts_with('}') => {
                    expanded.push_str(&variables.value(&inner[..end]));
                    rest = &inner[end + 1..];
                    continue;
                }
                // The shell's default values are none of ours (X6).
                Some(colon) => literal = 2 + colon + 1,
                None => {}
            }
        } else if let Some(behind) = from_dollar.strip_prefix("$$") {
            expanded.push('$');
            rest = behind;
            continue;
        } else if let Some(next) = from_dollar[1..].chars().next() {
            literal = 1 + next.len_utf8();
        }
        expanded.push_str(&from_dollar[..literal]);
        rest = &from_dollar[literal..];
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "ONE" => "one",
            "TWO" => "a  'b c' d\\ e",
            "EMPTY" => "",
            "OPEN" => "'x y",
            "NESTED" => "${ONE} $ONE $$",
            "A-x" => "odd",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn expand(words: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut argv = vec!["/bin/x".to_owned()];
        argv.extend(words.iter().map(|w| (*w).to_owned()));
        let (mut expanded, unset) = expand_argv(&argv, &lookup);
        assert_eq!(expanded.remove(0), "/bin/x");
        (expanded, unset)
    }

    #[track_caller]
    fn check(word: &str, wanted: &[&str]) {
        assert_eq!(expand(&[word]).0, wanted, "{word}");
    }

    #[test]
    fn x5_braced_and_whole_words() {
        check("${TWO}", &["a  'b c' d\\ e"]);
        check("<${ONE}${ONE}>", &["<oneone>"]);
        check("$ONE", &["one"]);
        check("$TWO", &["a", "b c", "d e"]);
        check("$OPEN", &["x y"]);
        check("$EMPTY", &[]);
        check("$UNSET", &[]);
        check("${EMPTY}", &[""]);
    }

    #[test]
    fn x6_what_is_no_variable() {
        check("x$ONE", &["x$ONE"]);
        check("$ONE$ONE", &[]);
        check("$B-x", &[]);
        check("$A-x", &["odd"]);
        check("${ONE}${EMPTY}${ONE}", &["oneone"]);
        check("${ONE:-x}", &["${ONE:-x}"]);
        check("${ONE:-${ONE}}", &["${ONE:-one}"]);
        check("${}", &[""]);
        check("${ONE", &["${ONE"]);
        check("a${ONE}b${ONE", &["aoneb${ONE"]);
        check("${A B}", &[""]);
        check("${ONE$$", &["${ONE$$"]);
        check("${ONE$$:$$", &["${ONE$$:$"]);
        check("${A ${ONE}", &[""]);
    }

    #[test]
    fn x7_dollars() {
        check("$$", &["$"]);
        check("$$ONE", &["$ONE"]);
        check("$$$$", &["$$"]);
        check("$${ONE}", &["${ONE}"]);
        check("$$${ONE}", &["$one"]);
        check("a$b$$c", &["a$b$c"]);
        check("a$", &["a$"]);
        check("$", &[]);
        check("\u{e9}$\u{e9}${ONE}", &["\u{e9}$\u{e9}one"]);
        check("${NESTED}", &["${ONE} $ONE $$"]);
        check("$NESTED", &["${ONE}", "$ONE", "$$"]);
    }

    #[test]
    fn x7_argv0() {
        let argv = ["$ONE", "x"].map(str::to_owned);
        assert_eq!(expand_argv(&argv, &lookup).0, ["one", "x"]);
        let argv = ["$UNSET".to_owned()];
        assert_eq!(expand_argv(&argv, &lookup).0, [""]);
        assert!(expand_argv(&[], &lookup).0.is_empty());
    }

    #[test]
    fn x8_unset_variables_are_named_once() {
        let (words, unset) = expand(&["${NO}x", "$NO", "${EMPTY}", "$NOT", "${}", "$", "${ONE}"]);
        assert_eq!(words, ["x", "", "", "one"]);
        assert_eq!(unset, ["NO", "NOT"]);
    }

    proptest! {
        #[test]
        fn words_without_dollar_are_themselves(word in "[^$]*") {
            prop_assert_eq!(expand(&[&word]).0, [word]);
        }

        #[test]
        fn any_word_is_answered(word in r"[$\{\}:ONE\u{e9}]{0,24}|.*") {
            let (words, _) = expand(&[&word]);
            prop_assert!(words.len() <= 3);
        }
    }
}
