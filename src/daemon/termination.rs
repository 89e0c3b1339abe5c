//! Where Kubernetes looks for why a container ended: a file of at most 4096 bytes
//! (terminationMessagePath of a container).

use crate::host::Mode;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The usual place; Kubernetes puts a file there.
const USUAL: &str = "/dev/termination-log";
/// More than this is cut by Kubernetes, in the middle.
const MOST: usize = 4096;

/// Which file it is; none if there is none.
pub(super) fn place(given: Option<PathBuf>, mode: Mode) -> Option<PathBuf> {
    match given {
        Some(path) => Some(path).filter(|path| !path.as_os_str().is_empty()),
        None => {
            let usual = mode != Mode::Host && Path::new(USUAL).exists();
            usual.then(|| PathBuf::from(USUAL))
        }
    }
}

/// Writes the reason. The end of it counts: there the last words of a unit are.
pub(super) fn write(path: &Path, reason: &str) {
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .and_then(|mut file| file.write_all(cut(reason).as_bytes()));
    if let Err(error) = written {
        tracing::warn!(
            "cannot write why the daemon ends to {}: {error}",
            path.display()
        );
    }
}

/// The first line and as much of the end as there is room for.
fn cut(reason: &str) -> String {
    if reason.len() <= MOST {
        return reason.to_owned();
    }
    let (first, rest) = reason.split_once('\n').unwrap_or(("", reason));
    let first: String = first.chars().take(MOST / 8).collect();
    let room = MOST - first.len() - 1;
    let mut from = rest.len().saturating_sub(room);
    while !rest.is_char_boundary(from) {
        from += 1;
    }
    format!("{first}\n{}", &rest[from..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_and_last_words_stay() {
        assert_eq!(cut("short"), "short");
        let long = format!("why\n{}the end", "é".repeat(5000));
        let text = cut(&long);
        assert!(
            text.len() <= MOST && text.len() > MOST - 8,
            "{}",
            text.len()
        );
        assert!(text.starts_with("why\n") && text.ends_with("the end"));
        let single = "x".repeat(10_000);
        assert!(cut(&single).len() <= MOST);
    }

    #[test]
    fn what_was_there_is_replaced_and_a_bad_place_harms_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, "something longer").unwrap();
        write(&path, "why");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "why");
        write(Path::new("/no/such/directory/log"), "why");
    }
}
