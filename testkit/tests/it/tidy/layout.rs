//! Manifests take the workspace's lints, and ARCHITECTURE.md's map is true.

use super::{assert_none, files, read, root};
use regex::Regex;
use std::collections::BTreeSet;

/// The page with the map of folders.
const MAP: &str = "ARCHITECTURE.md";

/// The finding that a package's manifest leaves out the workspace's lints.
fn lints(path: &str, text: &str) -> Option<String> {
    let manifest: toml::Table = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    let takes_them = || manifest.get("lints")?.get("workspace")?.as_bool();
    let is_package = manifest.contains_key("package");
    (is_package && takes_them() != Some(true)).then(|| format!("{path}: `[lints] workspace = true` is missing"))
}

/// Top-level folders that are not hidden.
fn top_folders(files: &[String]) -> BTreeSet<&str> {
    let folder = |path: &'_ String| path.split_once('/').map(|(folder, _)| folder.len());
    let folders = files.iter().filter_map(|path| Some(&path[..folder(path)?]));
    folders.filter(|folder| !folder.starts_with('.')).collect()
}

/// What the map leaves out, and what it names that is not there. Its entries are paths in backticks that end with a
/// slash, at the start of a table row or a list item.
fn map_findings(map: &str, files: &[String], folder_exists: impl Fn(&str) -> bool) -> Vec<String> {
    let unnamed = top_folders(files).into_iter().filter(|folder| !map.contains(&format!("{folder}/")));
    let mut findings: Vec<String> = unnamed.map(|folder| format!("{MAP} does not name {folder}/")).collect();
    let entry = Regex::new(r"(?m)^\s*[|*-]\s*`([^`\s]+)/`").unwrap();
    let named = entry.captures_iter(map).map(|entry| entry[1].to_owned());
    findings.extend(named.filter(|folder| !folder_exists(folder)).map(|folder| format!("{MAP}: no folder {folder}/")));
    findings
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let is_manifest = |path: &&String| path.as_str() == "Cargo.toml" || path.ends_with("/Cargo.toml");
    let findings: Vec<String> =
        files().iter().filter(is_manifest).filter_map(|path| lints(path, &read(path))).collect();
    assert_none(&findings);
}

#[test]
fn a_manifest_without_the_lints_is_found() {
    assert_eq!(lints("a", "[package]\nname = \"a\"\n[lints]\nworkspace = true"), None);
    assert_eq!(lints("a", "[workspace]\nmembers = []"), None);
    for text in ["[package]\nname = \"a\"", "[package]\nname = \"a\"\n[lints]\nworkspace = false"] {
        assert!(lints("a", text).is_some(), "{text}");
    }
}

#[test]
fn the_map_is_true() {
    assert_none(&map_findings(&read(MAP), &files(), |folder| root().join(folder).is_dir()));
}

#[test]
fn a_false_map_is_found() {
    let files: Vec<String> = [".ci/run", "Makefile", "a/b/c.rs", "d/e.rs"].map(str::to_owned).to_vec();
    let check = |map: &str| map_findings(map, &files, |folder| ["a", "a/b", "d"].contains(&folder));
    assert_eq!(check("| `a/` | crate a |\n- `a/b/`: part\n* `d/`"), [] as [&str; 0]);
    assert_eq!(check("| `a/` | crate a |"), ["ARCHITECTURE.md does not name d/"]);
    assert_eq!(check("| `a/` | |\n| `d/` | |\n| `a/gone/` | |"), ["ARCHITECTURE.md: no folder a/gone/"]);
}
