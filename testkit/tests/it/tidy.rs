//! The tree is tidy: sizes, module trees, dependencies, manifests and what sources may hold. The checks are pure and
//! say what is wrong as lines of text; each is also tested on input that it must refuse.

mod dependencies;
mod functions;
mod layout;
mod modules;
mod text;

use std::path::PathBuf;
use std::process::Command;

/// Longest file, in lines, exclusive.
const FILE_LINES: usize = 500;

/// The workspace's root: tests run in their crate's folder. The place that they were built in may be another checkout's.
fn root() -> PathBuf {
    std::env::current_dir().unwrap().parent().unwrap().to_path_buf()
}

/// What a command run in the root prints.
fn output(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Files in the tree, without what git ignores, as paths from the root.
fn files() -> Vec<String> {
    let list = output("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let exists = |path: &&str| !path.is_empty() && root().join(path).is_file();
    let mut files: Vec<String> = list.split('\0').filter(exists).map(str::to_owned).collect();
    files.sort();
    files.dedup();
    assert!(files.len() > 100, "the tree was not found: {files:?}");
    files
}

/// The Rust sources with their text.
fn sources() -> Vec<(String, String)> {
    let is_source = |path: &String| path.ends_with(".rs");
    files().into_iter().filter(is_source).map(|path| (path.clone(), read(&path))).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[track_caller]
fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// The finding that a file is too long.
fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines >= FILE_LINES).then(|| format!("{path}: {lines} lines; fewer than {FILE_LINES} are allowed"))
}

#[test]
fn files_are_short() {
    let findings: Vec<String> = sources().iter().filter_map(|(path, text)| too_long(path, text)).collect();
    assert_none(&findings);
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(too_long("a.rs", &"\n".repeat(FILE_LINES - 1)), None);
    assert!(too_long("a.rs", &"\n".repeat(FILE_LINES)).unwrap().starts_with("a.rs: 500 lines"));
}
