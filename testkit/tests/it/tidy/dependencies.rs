//! The rule language and the decision core are pure: no runtime, no Kafka, no database among what they are built from.

use super::{assert_none, output};

/// Crates that do input and output.
const IMPURE: [&str; 5] = ["rdkafka", "reqwest", "rocksdb", "tokio", "librocksdb-sys"];
/// Packages that must not be built from them.
const PURE: [&str; 2] = ["acteon-core", "acteon-rules"];

/// What `cargo tree` prints of a package's normal dependencies, one `name version` a line.
fn closure(package: &str) -> String {
    let arguments = ["tree", "--offline", "--locked", "-p", package, "-e", "normal", "--prefix", "none"];
    output(env!("CARGO"), &arguments)
}

/// The impure crates in a closure.
fn impure(closure: &str) -> Vec<&'static str> {
    let has = |name: &&str| closure.lines().any(|line| line.split(' ').next() == Some(name));
    IMPURE.into_iter().filter(has).collect()
}

#[test]
fn the_core_and_the_rules_are_pure() {
    let findings: Vec<String> = PURE
        .into_iter()
        .flat_map(|package| {
            let closure = closure(package);
            assert!(closure.starts_with(package), "{closure}");
            impure(&closure).into_iter().map(move |name| format!("{package} is built from {name}"))
        })
        .collect();
    assert_none(&findings);
}

#[test]
fn an_impure_dependency_is_found() {
    assert_eq!(impure("acteon-core v0.1.0 (core)\ntokio v1.0.0\nrocksdb-like v1.0.0"), ["tokio"]);
    let runtime = closure("acteon-runtime");
    assert!(["rdkafka", "rocksdb", "tokio"].iter().all(|name| impure(&runtime).contains(name)), "{runtime}");
}
