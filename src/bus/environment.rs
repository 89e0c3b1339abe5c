//! The environment that services begin with, as clients change it.

use super::dispatch::Call;
use super::failure::Failure;
use super::value::Body;
use crate::unit::environment::is_valid_name;

/// Variables a caller may set at a time, and the bytes they may have: what execve takes is
/// limited, too.
const MOST_BYTES: usize = 128 * 1024;

/// Answers SetEnvironment, UnsetEnvironment and UnsetAndSetEnvironment.
pub(super) async fn change(call: &Call<'_>) -> Result<Body, Failure> {
    let (unset, set): (Vec<String>, Vec<String>) = match call.member {
        "SetEnvironment" => (Vec::new(), call.arguments()?),
        "UnsetEnvironment" => (call.arguments()?, Vec::new()),
        _ => call.arguments()?,
    };
    let set = assignments(set)?;
    let unset = names(unset)?;
    let handle = &call.client.hub.handle;
    handle.change_environment(unset, set).await?;
    Ok(Body::EMPTY)
}

fn assignments(texts: Vec<String>) -> Result<Vec<(String, String)>, Failure> {
    let bytes: usize = texts.iter().map(String::len).sum();
    let split = |text: String| {
        let (name, value) = text.split_once('=')?;
        let good = is_valid_name(name) && !value.contains('\0');
        good.then(|| (name.to_owned(), value.to_owned()))
    };
    let split: Option<Vec<_>> = texts.into_iter().map(split).collect();
    match split {
        Some(assignments) if bytes <= MOST_BYTES => Ok(assignments),
        Some(_) => Err(Failure::invalid("Too long environment assignments")),
        None => Err(Failure::invalid("Invalid environment assignments")),
    }
}

/// Names, of which each may be written as an assignment whose value does not count.
fn names(texts: Vec<String>) -> Result<Vec<String>, Failure> {
    let name = |text: String| {
        let name = text.split('=').next().unwrap_or_default();
        is_valid_name(name).then(|| name.to_owned())
    };
    let names: Option<Vec<String>> = texts.into_iter().map(name).collect();
    names.ok_or_else(|| Failure::invalid("Invalid environment variable names or assignments"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_assignment_is_refused() {
        let of = |texts: &[&str]| assignments(texts.iter().map(|t| (*t).to_owned()).collect());
        let (name, value) = ("A".to_owned(), "b=c".to_owned());
        assert_eq!(of(&["A=b=c"]), Ok(vec![(name, value)]));
        assert!(of(&["A"]).is_err() && of(&["1A=x"]).is_err() && of(&["=x"]).is_err());
        assert!(of(&[&format!("A={}", "x".repeat(MOST_BYTES))]).is_err());
        let of = |text: &str| names(vec![text.to_owned()]);
        assert_eq!(of("A=x"), Ok(vec!["A".to_owned()]));
        assert!(of("a b").is_err());
    }
}
