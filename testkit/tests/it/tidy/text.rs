//! What no file may hold: stubs, silenced dead code, paths of one machine.

use super::{assert_none, files, root, sources};
use regex::Regex;

/// A pattern that must not occur, and what is wrong with it.
struct Ban {
    pattern: &'static str,
    reason: &'static str,
}

/// Bans in Rust sources. Written so that they don't match themselves.
const IN_SOURCES: [Ban; 2] = [
    Ban { pattern: r"\b(todo|unimplemented)\s*!\s*[(\[{]", reason: "a stub" },
    Ban { pattern: r"\b(allow|expect)\s*\([^)]*\bdead_code\b", reason: "dead code is deleted, not silenced" },
];

/// Bans in all files.
const IN_ALL: [Ban; 1] =
    [Ban { pattern: r#"(^|[\s"'`=(:\[,])/(work|root|home|Users)/"#, reason: "a path that exists on one machine only" }];

fn banned(path: &str, text: &str, bans: &[Ban]) -> Vec<String> {
    let patterns: Vec<(Regex, &str)> = bans.iter().map(|ban| (Regex::new(ban.pattern).unwrap(), ban.reason)).collect();
    let lines = (1..).zip(text.lines());
    let find = |(number, line): (usize, &str)| {
        let (_, reason) = patterns.iter().find(|(pattern, _)| pattern.is_match(line))?;
        Some(format!("{path}:{number}: {reason}: {}", line.trim()))
    };
    lines.filter_map(find).collect()
}

#[test]
fn sources_hold_no_stubs_and_silence_no_dead_code() {
    let findings: Vec<String> = sources().iter().flat_map(|(path, text)| banned(path, text, &IN_SOURCES)).collect();
    assert_none(&findings);
}

#[test]
fn files_name_no_paths_of_one_machine() {
    let text = |path: &String| Some((path.clone(), String::from_utf8(std::fs::read(root().join(path)).ok()?).ok()?));
    let texts: Vec<(String, String)> = files().iter().filter_map(text).collect();
    assert!(texts.len() > 100, "{} files were read", texts.len());
    let findings: Vec<String> = texts.iter().flat_map(|(path, text)| banned(path, text, &IN_ALL)).collect();
    assert_none(&findings);
}

#[test]
fn what_is_banned_is_found() {
    // Put together here, so that this file does not hold what it bans.
    let source = |text: &str| banned("a.rs", &text.replace('~', ""), &IN_SOURCES).len();
    assert_eq!(source("fn f() { to~do!() }"), 1);
    assert_eq!(source("unimpl~emented!(\"later\")"), 1);
    assert_eq!(source("#[al~low(dead_code)]"), 1);
    assert_eq!(source("#![ex~pect(unused, dead_code)]"), 1);
    assert_eq!(source("// to do: nothing; todos!()"), 0);

    let all = |text: &str| banned("a.md", &text.replace('~', ""), &IN_ALL).len();
    assert_eq!(all("see /wo~rk/notes.md"), 1);
    assert_eq!(all("path = \"/ro~ot/.cache\""), 1);
    assert_eq!(all("/ho~me/ada/acteon"), 1);
    assert_eq!(all("https://example.com/wo~rk/items and ./wo~rk/x"), 0);

    assert_eq!(
        banned("a.rs", "\nto~do!()".replace('~', "").as_str(), &IN_SOURCES)[0].split(' ').next(),
        Some("a.rs:2:")
    );
}
