//! The rule directory that ships with Acteon.

use acteon_rules::{Checked, Evaluation, Options, SourceFile, compile, load_dir};
use serde_json::json;

use crate::support::{Action, Memory, lines, summaries, walk};

fn files(dir: &str) -> Vec<SourceFile> {
    load_dir(dir).unwrap()
}

fn starter() -> Checked {
    compile(&files("../../rules"), &Options::default()).unwrap()
}

#[test]
fn passes_the_check_without_a_warning() {
    for evaluation in [Evaluation::Cascade, Evaluation::FirstMatch] {
        let options = Options { evaluation, ..Options::default() };
        let checked = compile(&files("../../rules"), &options).unwrap();
        assert_eq!(lines(&checked.warnings), "");
        assert!(checked.rules.rules().len() >= 3);
    }
}

/// The starter rules come last, so they admit nothing that a default block would stop.
#[test]
fn leaves_a_default_block_its_work() {
    let all = [files("../../rules"), files("tests/fixtures/orders")].concat();
    let checked = compile(&all, &Options::default()).unwrap();
    assert_eq!(lines(&checked.warnings), "");
    let ping = Action::new("ping", json!({})).tenant("acme-store");
    let alert = Action::new("alert", json!({})).tenant("acme-store").key("k");
    let found = summaries(&checked.rules, &[ping, alert], 0);
    assert_eq!(found, ["Suppress by deny-unmatched"; 2]);
}

#[test]
fn lets_ordinary_actions_pass_and_stops_noise() {
    let rules = starter().rules;
    let alert = || Action::new("alert", json!({"severity": "critical"})).key("db-down");
    let actions = [
        Action::new("send_email", json!({"to": "a@b.c"})).id("1"),
        Action::new("send_email", json!({"to": "a@b.c"})).id("2"),
        Action::new("send_email", json!({"environment": "test"})).id("3"),
        alert().id("4"),
        alert().id("5"),
        Action::new("alert", json!({})).id("6"),
        Action::new("alert", json!({})).id("7"),
    ];
    assert_eq!(
        summaries(&rules, &actions, 0),
        [
            "DefaultAllow",
            "DefaultAllow",
            "Suppress by suppress-test-environment",
            "DefaultAllow",
            "Deduplicated by deduplicate-alerts",
            "DefaultAllow",
            "DefaultAllow",
        ]
    );
}

#[test]
fn throttles_a_runaway_tenant_only() {
    let rules = starter().rules;
    let mut host = Memory::default();
    let action = |n: u32| Action::new("send_email", json!({})).id(&n.to_string());
    let passed = (0..20_000).take_while(|n| walk(&rules, &action(*n), 0, &mut host).rule.is_none()).count();
    assert!((1_000..20_000).contains(&passed), "{passed} actions passed");
    let other = action(0).tenant("someone-else");
    assert_eq!(walk(&rules, &other, 0, &mut host).summary(), "DefaultAllow");
}
