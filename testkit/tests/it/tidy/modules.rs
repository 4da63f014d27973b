//! Every source file belongs to a target: it is a target's root, or reached from one through `mod` declarations.

use super::{assert_none, output, root, sources};
use std::collections::{BTreeMap, BTreeSet};
use syn::{Expr, ExprLit, Item, ItemMod, Lit, Meta};

/// Source texts by path from the root.
type Sources = BTreeMap<String, String>;

/// The root files of all targets of all packages.
fn target_roots() -> Vec<String> {
    let metadata = output(env!("CARGO"), &["metadata", "--offline", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let targets = packages.iter().flat_map(|package| package["targets"].as_array().unwrap());
    let root = format!("{}/", root().display());
    targets.map(|target| target["src_path"].as_str().unwrap().strip_prefix(&root).unwrap().to_owned()).collect()
}

/// The folder and the name of a file: `a/b.rs` is `("a", "b.rs")`.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The folder in which a file's `mod` declarations are looked up.
fn folder(path: &str, is_root: bool) -> String {
    let (parent, name) = split(path);
    if is_root || name == "mod.rs" { parent.to_owned() } else { join(parent, name.trim_end_matches(".rs")) }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The value of a `#[path = "…"]` attribute.
fn path_attribute(item: &ItemMod) -> Option<String> {
    item.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Adds the files that modules declare. `file` is where they are declared, `folder` where they are looked up.
fn declared(sources: &Sources, file: &str, folder: &str, items: &[Item], reached: &mut BTreeSet<String>) {
    for item in items {
        let Item::Mod(item) = item else { continue };
        let name = item.ident.to_string();
        if let Some((_, items)) = &item.content {
            declared(sources, file, &join(folder, &name), items, reached);
            continue;
        }
        let candidates = match path_attribute(item) {
            Some(path) => vec![join(split(file).0, &path)],
            None => vec![join(folder, &format!("{name}.rs")), join(folder, &format!("{name}/mod.rs"))],
        };
        candidates.iter().for_each(|candidate| reach(sources, candidate, false, reached));
    }
}

/// Adds a file and all that it declares.
fn reach(sources: &Sources, path: &str, is_root: bool, reached: &mut BTreeSet<String>) {
    let Some(text) = sources.get(path) else { return };
    if reached.insert(path.to_owned()) {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        declared(sources, path, &folder(path, is_root), &file.items, reached);
    }
}

/// Findings about files that no target is built from.
fn dead_files(sources: &Sources, roots: &[String]) -> Vec<String> {
    let mut reached = BTreeSet::new();
    roots.iter().for_each(|root| reach(sources, root, true, &mut reached));
    let dead = sources.keys().filter(|path| !reached.contains(*path));
    dead.map(|path| format!("{path}: no target is built from it; declare it with `mod` or delete it")).collect()
}

#[test]
fn every_source_file_is_built() {
    let roots = target_roots();
    assert!(roots.contains(&"cli/src/main.rs".to_owned()), "{roots:?}");
    assert_none(&dead_files(&sources().into_iter().collect(), &roots));
}

#[test]
fn a_file_that_no_target_is_built_from_is_found() {
    let files = [
        ("a/src/lib.rs", "mod one; mod two; #[cfg(test)] mod tests { mod table; } #[path = \"other.rs\"] mod renamed;"),
        ("a/src/one.rs", "mod deep;"),
        ("a/src/one/deep.rs", ""),
        ("a/src/two/mod.rs", "mod beside;"),
        ("a/src/two/beside.rs", ""),
        ("a/src/tests/table.rs", ""),
        ("a/src/other.rs", ""),
        ("a/src/deep.rs", ""),
        ("a/src/one/gone.rs", ""),
        ("a/tests/it/main.rs", "mod one;"),
    ];
    let sources: Sources = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let dead = |roots: &[&str]| {
        let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
        let findings = dead_files(&sources, &roots);
        findings.iter().map(|finding| finding.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(dead(&["a/src/lib.rs", "a/tests/it/main.rs"]), ["a/src/deep.rs", "a/src/one/gone.rs"]);
    assert!(dead(&["a/src/lib.rs"]).contains(&"a/tests/it/main.rs".to_owned()));
}
