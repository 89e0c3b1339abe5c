//! Checklist U1-U7 and the exactness of positions.

use super::*;
use proptest::prelude::*;

fn read(content: impl AsRef<[u8]>) -> Document {
    parse(&Arc::from("x.service"), content.as_ref())
}

/// `section.key=value` of every assignment.
fn assignments(document: &Document) -> Vec<String> {
    let all = document.assignments.iter();
    all.map(|a| format!("{}.{}={}", a.section, a.key, a.value))
        .collect()
}

fn findings(document: &Document) -> Vec<String> {
    let all = document.diagnostics.iter();
    all.map(ToString::to_string).collect()
}

/// `line:column` of a byte of the value of the only assignment.
fn place(document: &Document, offset: usize) -> (u32, u32) {
    assert_eq!(document.assignments.len(), 1);
    let position = document.assignments[0].position_at(offset);
    (position.line, position.column)
}

#[test]
fn u1_comments_do_not_end_or_enter_a_continued_value() {
    let document = read("[A]\n# x \\\n ; y\nk=1\\\n# no\\\n\t;no\n2\n#k=3\n");
    assert_eq!(assignments(&document), ["A.k=1 2"]);
    assert_eq!(findings(&document), [""; 0]);
    let document = read("[A]\nk=1 # not a comment\n");
    assert_eq!(assignments(&document), ["A.k=1 # not a comment"]);
}

#[test]
fn u2_continuation() {
    for (text, wanted) in [
        ("[A]\nk=a\\\nb\n", "A.k=a b"),
        ("[A]\nk=a\\\n  b\n", "A.k=a   b"),
        ("[A]\nk=a\\\n\nb=c\n", "A.k=a"),
        ("[A]\nk=a\\\\\n", "A.k=a\\\\"),
        ("[A]\nk=a\\\\\\\nb", "A.k=a\\\\ b"),
        ("[A]\nk=a\\ \n", "A.k=a\\"),
        ("[A]\nk=a\\", "A.k=a"),
        ("[A]\n\\\nk=a", "A.k=a"),
        ("[A]\nk\\\n=\\\na", "A.k=a"),
        ("[A\\\n]\nk=a", "A .k=a"),
    ] {
        assert_eq!(assignments(&read(text))[0], wanted, "{text:?}");
    }
    let document = read("[A]\nk=a\\\n\nb=c\n");
    assert_eq!(assignments(&document), ["A.k=a", "A.b=c"]);
}

#[test]
fn u3_line_ends_and_byte_order_mark() {
    for end in ["\n", "\r", "\r\n", "\n\r", "\0"] {
        let text = format!("[A]{end}k=1{end}{end}l=2");
        let document = read(&text);
        assert_eq!(assignments(&document), ["A.k=1", "A.l=2"], "{text:?}");
        assert_eq!(document.assignments[1].key_position.line, 4, "{text:?}");
    }
    let document = read("\u{feff}[A]\nk=1");
    assert_eq!(assignments(&document), ["A.k=1"]);
    assert_eq!(document.sections[0].1.column, 1);
    assert_eq!(findings(&read("\u{feff}# x\n")), [""; 0]);
}

#[test]
fn u4_lines_of_more_than_a_mebibyte_fail() {
    let long = "x".repeat(LONGEST_LINE);
    for text in [
        format!("[A]\nk=1\n# {long}\nl=2\n"),
        format!("[A]\nk=1\nm={long}\nl=2\n"),
        format!("[A]\nk=1\nm=\\\n{0}\\\n{0}\nl=2", &long[..LONGEST_LINE / 2]),
    ] {
        let document = read(&text);
        assert_eq!(assignments(&document), ["A.k=1"]);
        assert_eq!(document.diagnostics.len(), 1);
        assert_eq!(document.diagnostics[0].severity, Severity::Error);
    }
    let just_short = format!("[A]\nk={}\n", &long[..LONGEST_LINE - 3]);
    assert_eq!(read(&just_short).assignments.len(), 1);
    let document = read(format!("[A]\nk=1\n#{long}"));
    assert_eq!(
        findings(&document),
        ["x.service:3:1: error: the line is longer than 1 MiB"]
    );
}

#[test]
fn u5_bad_utf8_and_open_headers_fail() {
    let document = read(b"[A]\nk=1\nl=\xc3\xa9\xff\nm=2\n");
    assert_eq!(assignments(&document), ["A.k=1"]);
    assert_eq!(
        findings(&document),
        ["x.service:3:4: error: the line is not valid UTF-8"]
    );
    let document = read("[A]\nk=1\n  [Unit\nm=2\n");
    assert_eq!(assignments(&document), ["A.k=1"]);
    assert_eq!(
        findings(&document),
        ["x.service:3:3: error: the section header has no \"]\" at its end"]
    );
    assert_eq!(findings(&read("[A] # x\n")).len(), 1);
    assert_eq!(findings(&read("[A\"]\n")).len(), 1);
    assert_eq!(findings(&read("[")).len(), 1);
    // Nobody looks into comments.
    assert_eq!(findings(&read(b"# caf\xe9\n[A]\nk=1")), [""; 0]);
}

#[test]
fn u6_bad_lines_are_skipped_with_a_warning() {
    let document = read("k=0\n[A]\n junk\n =x\nk=1\n[X-Foo]\nanything\nl=2\n");
    assert_eq!(assignments(&document), ["A.k=1", "X-Foo.l=2"]);
    assert_eq!(
        findings(&document),
        [
            "x.service:1:1: warning: assignment before any section",
            "x.service:3:2: warning: the line has no \"=\"",
            "x.service:4:2: warning: there is no key before \"=\"",
        ]
    );
    let names: Vec<&str> = document.sections.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["A", "X-Foo"]);
}

#[test]
fn u7_sections_repeat_and_blanks_are_trimmed() {
    let document = read("[A]\nk = 1 \n[B]\n\tK=2\t\n[A]\nk=a=b\nl=\n");
    assert_eq!(
        assignments(&document),
        ["A.k=1", "B.K=2", "A.k=a=b", "A.l="]
    );
    assert_eq!(findings(&document), [""; 0]);
}

#[test]
fn positions_inside_continued_values() {
    let document = read("[A]\nk = \u{e9}a \\\n# x\n  bc\\\n d\n");
    let value = &document.assignments[0].value;
    assert_eq!(value, "\u{e9}a    bc  d");
    assert_eq!(place(&document, 0), (2, 5));
    assert_eq!(place(&document, value.find('a').unwrap()), (2, 6));
    assert_eq!(place(&document, value.find('b').unwrap()), (4, 3));
    assert_eq!(place(&document, value.find('c').unwrap()), (4, 4));
    assert_eq!(place(&document, value.find('d').unwrap()), (5, 2));
    assert_eq!(place(&document, 1), (2, 5));
    assert_eq!(place(&document, 1000), (5, 3));
}

#[test]
fn positions_of_values_that_begin_on_a_later_line() {
    let document = read("[A]\nExecStart=\\\n  /bin/x \\\n  y");
    assert_eq!(document.assignments[0].value, "/bin/x    y");
    assert_eq!(place(&document, 0), (3, 3));
    assert_eq!(place(&document, "/bin/x    ".len()), (4, 3));
    let document = read("[A]\n  k  =   \n");
    assert_eq!(document.assignments[0].key_position.column, 3);
    assert_eq!(place(&document, 0), (2, 7));
    let document = read("[A]\n\\\n k=1");
    assert_eq!(document.assignments[0].key_position.line, 3);
    assert_eq!(document.assignments[0].key_position.column, 2);
}

proptest! {
    #[test]
    fn any_bytes_are_answered(content in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(content);
    }

    #[test]
    fn every_place_points_at_its_character(
        content in "(\\[A\\]\n)?[ak=\\\\#; \n\r\t\u{e9}\u{65e5}]{0,80}",
    ) {
        // With LF alone, the lines of the file are those of `split`.
        let content = content.replace('\r', "");
        let lines: Vec<Vec<char>> = content.split('\n').map(|l| l.chars().collect()).collect();
        for assignment in read(&content).assignments {
            for (offset, c) in assignment.value.char_indices() {
                let at = assignment.position_at(offset);
                let there = lines[at.line as usize - 1][at.column as usize - 1];
                prop_assert!(there == c || (there == '\\' && c == ' '));
            }
        }
    }

    #[test]
    fn what_is_printed_is_read_as_itself(
        content in r"(\[[a-zA-Z]{1,3}\]\n|[a-z]{1,3} ?=[a-z\\ \t#=é]{0,9}\n|[#;]x\n|[=\n\r]){0,12}",
    ) {
        let document = read(&content);
        let triples = |document: &Document| -> Vec<[String; 3]> {
            let all = document.assignments.iter();
            all.map(|a| [a.section.clone(), a.key.clone(), a.value.clone()]).collect()
        };
        // The blank keeps a backslash at the end from continuing the line.
        let lines = triples(&document).into_iter();
        let printed: String = lines.map(|[s, k, v]| format!("[{s}]\n{k}={v} \n")).collect();
        let again = read(&printed);
        prop_assert!(again.diagnostics.is_empty());
        prop_assert_eq!(triples(&again), triples(&document));
    }
}
