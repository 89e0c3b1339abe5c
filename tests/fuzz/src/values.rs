//! Laws of the values that directives and environment files have. The first byte of an input
//! chooses which, from `a` on.

use crate::{as_it_stands, quoted};
use procmgr::unit::environment::{is_valid_name, parse_assignments, parse_file};
use procmgr::unit::escape::{escape, escape_path, simplify_path, unescape, unescape_path};
use procmgr::unit::name::UnitName;
use procmgr::unit::specifier::{self, SpecifierContext, SystemFacts};
use procmgr::unit::value::{
    CapabilitySet, ExitStatusSet, LimitKind, Signal, TimeSpan, parse_boolean, parse_integer,
    parse_mode, parse_size,
};
use procmgr::unit::words::{Escapes, split_with};

/// The checks, in the order of their letters.
pub const CHECKS: [(&str, fn(&[u8])); 10] = [
    ("environment file", environment_file),
    ("time span", |input| text(input, time_span)),
    ("size", |input| text(input, size)),
    ("words", |input| text(input, words)),
    ("Environment=", |input| text(input, environment)),
    ("escapes", |input| text(input, escapes)),
    ("unit name", |input| text(input, unit_name)),
    ("specifiers", |input| text(input, specifiers)),
    ("resource limit", |input| text(input, limits)),
    ("signals, sets and numbers", |input| text(input, scalars)),
];

/// Checks an input.
pub fn check(input: &[u8]) {
    if let Some((selector, content)) = input.split_first() {
        let chosen = usize::from(selector.wrapping_sub(b'a')) % CHECKS.len();
        (CHECKS[chosen].1)(content);
    }
}

fn text(input: &[u8], check: fn(&str)) {
    if let Ok(text) = std::str::from_utf8(input) {
        check(text);
    }
}

/// What is read is no larger than the file, and written out again it is read as itself.
fn environment_file(content: &[u8]) {
    let Ok(read) = parse_file(content) else {
        return;
    };
    assert!(read.iter().all(|(name, _)| is_valid_name(name)));
    let size: usize = read
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!(size <= content.len());
    let mut printed = String::new();
    for (name, value) in &read {
        let mut escaped = String::new();
        for character in value.chars() {
            escaped.extend("\"\\`$".contains(character).then_some('\\'));
            escaped.push(character);
        }
        printed.push_str(&format!("{name}=\"{escaped}\"\n"));
    }
    assert_eq!(
        parse_file(printed.as_bytes()).as_ref(),
        Ok(&read),
        "{printed:?}"
    );
}

/// Where systemd stops to take numbers of years, half a million, below what would still fit.
const LONGEST_YEARS: u64 = u64::MAX / 31_557_600_000_000 * 31_557_600_000_000;

fn time_span(text: &str) {
    for unit in [1, 1_000, 1_000_000, 60_000_000] {
        if let Ok(span) = TimeSpan::parse_unit(text, unit)
            && (span.0 < LONGEST_YEARS || span.is_infinite())
        {
            let printed = span.to_string();
            assert_eq!(TimeSpan::parse(&printed), Ok(span), "{text:?}: {printed}");
        }
    }
}

fn size(text: &str) {
    if let Ok(bytes) = parse_size(text) {
        assert_eq!(parse_size(&bytes.to_string()), Ok(bytes), "{text:?}");
        // Parts from the largest mean their sum.
        let (kilo, rest) = (bytes / 1024, bytes % 1024);
        assert_eq!(
            parse_size(&format!("{kilo}K {rest}B")),
            Ok(bytes),
            "{text:?}"
        );
    }
}

fn words(value: &str) {
    for escapes in [Escapes::Decode, Escapes::Keep, Escapes::Remove] {
        let words = match split_with(value, escapes) {
            Ok(words) => words,
            Err((offset, _)) => {
                assert!(escapes != Escapes::Remove);
                assert!(offset < value.len() && value.is_char_boundary(offset));
                continue;
            }
        };
        let size: usize = words.iter().map(|word| word.text.len()).sum();
        assert!(size <= value.len());
        assert!(words.iter().map(|w| w.offset).is_sorted_by(|a, b| a < b));
        for word in &words {
            let places = word.unknown_escapes.iter().chain([&word.offset]);
            places.for_each(|at| assert!(value.is_char_boundary(*at) && *at < value.len()));
        }
        let printed: Vec<String> = words.iter().map(|word| quoted(&word.text)).collect();
        let again = split_with(&printed.join(" "), Escapes::Decode).expect("what was printed");
        assert!(
            again
                .iter()
                .map(|w| &w.text)
                .eq(words.iter().map(|w| &w.text))
        );
    }
}

fn environment(value: &str) {
    let read = parse_assignments(value, &as_it_stands);
    assert!(
        read.warnings
            .iter()
            .all(|(at, _)| value.is_char_boundary(*at))
    );
    let assignments = read.assignments.iter();
    let printed: Vec<String> = assignments
        .map(|(n, v)| quoted(&format!("{n}={v}")))
        .collect();
    let again = parse_assignments(&printed.join(" "), &as_it_stands);
    assert_eq!(again.assignments, read.assignments);
    assert!(again.warnings.is_empty());
}

fn escapes(value: &str) {
    // NUL is in no text that comes from a file.
    if !value.contains('\0') {
        assert_eq!(unescape(&escape(value)).as_deref(), Ok(value));
    }
    if let Ok(text) = unescape(value) {
        assert_eq!(unescape(&escape(&text)), Ok(text));
    }
    if let Ok(path) = unescape_path(value) {
        let escaped = escape_path(&path).expect("a path that was escaped");
        assert_eq!(unescape_path(&escaped), Ok(path));
    }
    let simple = simplify_path(value);
    assert_eq!(simplify_path(&simple), simple);
    assert!(simple.len() <= value.len());
}

fn unit_name(value: &str) {
    let Ok(name) = UnitName::parse(value) else {
        return;
    };
    assert_eq!(name.as_str(), value);
    assert_eq!(format!("{}.{}", name.stem(), name.unit_type()), value);
    assert!(name.stem().starts_with(name.prefix()));
    if let (Some(template), Some(instance)) = (name.template(), name.instance()) {
        assert!(template.is_template());
        if !instance.is_empty() {
            assert_eq!(template.with_instance(instance), Ok(name.clone()));
        }
    }
    specifiers_of(&name, "%n%N%p%P%i%I%j%J");
}

fn specifiers(value: &str) {
    let name = UnitName::parse("a-b@c-d.service").expect("a name");
    specifiers_of(&name, value);
}

fn specifiers_of(name: &UnitName, value: &str) {
    let system = SystemFacts::default();
    let context = SpecifierContext {
        unit: name,
        fragment: Some("/usr/u/a.service"),
        system: &system,
    };
    for expand in [specifier::expand, specifier::expand_name] {
        if let Ok(expanded) = expand(value, &context) {
            assert!(expanded.len() <= 256 * value.len());
            assert!(value.contains('%') || expanded == value);
        }
    }
}

fn limits(text: &str) {
    for kind in LimitKind::ALL {
        if let Ok(limit) = kind.parse(text) {
            assert!(limit.soft <= limit.hard, "{kind:?} {text:?}");
        }
    }
}

fn scalars(text: &str) {
    let _ = parse_boolean(text);
    if let Ok(number) = parse_integer(text, -100, 100) {
        assert!((-100..=100).contains(&number));
        assert_eq!(parse_integer(&number.to_string(), -100, 100), Ok(number));
    }
    if let Ok(mode) = parse_mode(text) {
        assert!(mode <= 0o7777);
        assert_eq!(parse_mode(&format!("{mode:04o}")), Ok(mode));
    }
    if let Ok(signal) = Signal::parse(text) {
        assert_eq!(Signal::parse(&signal.name()), Ok(signal));
        assert_eq!(Signal::parse(&signal.0.to_string()), Ok(signal));
    }
    if let Ok(set) = CapabilitySet::parse(text) {
        // Numbers beyond the last capability are taken, as in systemd, and have no name.
        let named = set.names().len() == set.0.count_ones() as usize;
        assert!(!named || CapabilitySet::parse(&set.names().join(" ")) == Ok(set));
    }
    let mut statuses = ExitStatusSet::default();
    let _ = statuses.extend(text);
}
