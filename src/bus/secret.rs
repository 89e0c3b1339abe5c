//! Which environment values are not shown to anybody who asks.

/// Parts of a variable's name that say its value is a secret.
const SECRET_WORDS: [&str; 4] = ["API_KEY", "TOKEN", "PASSWORD", "SECRET"];

/// What stands in place of a secret.
const MASK: &str = "********";

/// A `NAME=value` assignment with its value hidden if the name says it is a secret.
pub(super) fn mask(assignment: &str) -> String {
    match assignment.split_once('=') {
        Some((name, value)) if !value.is_empty() && is_secret(name) => format!("{name}={MASK}"),
        _ => assignment.to_owned(),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        assert_eq!(mask("DD_API_KEY=abc"), "DD_API_KEY=********");
        assert_eq!(mask("my_token=abc"), "my_token=********");
        assert_eq!(mask("DB_PASSWORD_FILE=x"), "DB_PASSWORD_FILE=********");
        assert_eq!(mask("DD_SITE=datadoghq.eu"), "DD_SITE=datadoghq.eu");
        assert_eq!(mask("DD_API_KEY="), "DD_API_KEY=");
        assert_eq!(mask("TOKEN"), "TOKEN");
    }
}
