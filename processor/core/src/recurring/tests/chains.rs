//! Occurrences that start chains.

use super::{MINUTE, RULES, create, ids, of, with};
use crate::effect::Recorder;
use crate::rig::{Rig, START, kinds, parts};
use serde_json::json;

const RULE: &str = "
  - name: chained
    priority: 4
    condition: {field: action.payload.way, eq: chained}
    action: {type: chain, chain: c}
";

/// A recurring action whose occurrences go a rule's way, into a chain: one that waits for a signal and then makes a call.
fn chained(policy: &str, timeout_seconds: u64, rule: &str, way: &str) -> Rig {
    let mut parts = parts(&format!("{RULES}{}", rule.trim_start_matches('\n')));
    let chain = json!({"name": "c", "timeout_seconds": timeout_seconds, "steps": [
        {"name": "ask", "wait_for_signal": {"signal_name": "go"}},
        {"name": "call", "provider": "webhook", "action_type": "done"},
    ]});
    parts.chains = vec![serde_json::from_value(chain).unwrap()];
    let mut rig = Rig::new(parts);
    let action = json!({"provider": "webhook", "action_type": "a", "payload": {"way": way}});
    create(&mut rig, &with(&json!({"action_template": action, "overlap_policy": policy})));
    rig
}

fn chain_id(effects: &Recorder) -> String {
    let started = effects.outcomes.iter().find_map(|outcome| outcome["detail"].get("ChainStarted"));
    started.unwrap()["chain_id"].as_str().unwrap().to_owned()
}

#[test]
fn an_occurrence_is_not_over_while_its_chain_runs() {
    for (policy, second) in [
        ("allow_all", vec!["chain_started"]),
        ("skip", vec![]),
        ("cancel_other", vec!["chain_cancelled", "chain_started"]),
    ] {
        let mut rig = chained(policy, 86_400, RULE, "chained");
        assert_eq!(kinds(&rig.advance_to(START + 5 * MINUTE).outcomes), ["chain_started"], "{policy}");
        let effects = rig.advance_to(START + 10 * MINUTE);
        assert_eq!(kinds(&effects.outcomes), second, "{policy}");
        if policy == "skip" {
            assert_eq!(effects.audit[0]["outcome_details"]["reason"], "overlap");
            assert_eq!(of(&mut rig, "show_recurring")["skipped_count"], 1);
        }
    }
}

#[test]
fn cancel_other_cancels_the_chain_and_says_why() {
    let mut rig = chained("cancel_other", 86_400, RULE, "chained");
    let first = chain_id(&rig.advance_to(START + 5 * MINUTE));
    let second = chain_id(&rig.advance_to(START + 10 * MINUTE));
    assert_ne!(first, second);
    let (shown, _) = rig.command(&json!({"show_chain": {"chain_id": first}}));
    assert_eq!(shown["status"], "cancelled");
    assert_eq!(shown["cancel_reason"], "the next occurrence of recurring action heartbeat");
    let (shown, _) = rig.command(&json!({"show_chain": {"chain_id": second}}));
    assert_eq!(shown["status"], "waiting_signal");
}

#[test]
fn a_chain_that_has_ended_is_in_nobodys_way() {
    // By a signal and the call behind it.
    let mut rig = chained("skip", 86_400, RULE, "chained");
    let first = chain_id(&rig.advance_to(START + 5 * MINUTE));
    let (_, went_on) = rig.command(&json!({"signal": {"chain_id": first, "signal": "go", "payload": {}}}));
    assert_eq!(kinds(&rig.advance_to(START + 10 * MINUTE).outcomes), [""; 0], "its call is under way");
    rig.result(&went_on.dispatches[0], true);
    assert_eq!(ids(&rig.advance_to(START + 15 * MINUTE)), ["heartbeat@2026-03-02T15:15:00Z"]);
    // By its timeout, at the very moment of the next occurrence: whichever comes first.
    for policy in ["skip", "cancel_other"] {
        let mut rig = chained(policy, 300, RULE, "chained");
        rig.advance_to(START + 5 * MINUTE);
        let effects = rig.advance_to(START + 10 * MINUTE);
        let mut found = kinds(&effects.outcomes);
        found.sort_unstable();
        assert_eq!(found, ["chain_started", "chain_timed_out"], "{policy}");
    }
    // By a command.
    let mut rig = chained("skip", 86_400, RULE, "chained");
    let first = chain_id(&rig.advance_to(START + 5 * MINUTE));
    rig.command(&json!({"cancel_chain": {"chain_id": first}}));
    assert_eq!(kinds(&rig.advance_to(START + 10 * MINUTE).outcomes), ["chain_started"]);
}

#[test]
fn chains_of_copies_count_as_well() {
    const COPIED: &str = "
  - name: copied
    priority: 0
    condition: {field: action.payload.way, eq: copied}
    action: {type: chain, chain: c, continue: true}
";
    for (policy, second) in [
        ("allow_all", vec!["chain_started", "dispatched"]),
        ("skip", vec![]),
        ("cancel_other", vec!["chain_cancelled", "chain_started", "dispatched"]),
    ] {
        let mut rig = chained(policy, 86_400, COPIED, "copied");
        let first = rig.advance_to(START + 5 * MINUTE);
        assert_eq!(kinds(&first.outcomes), ["chain_started", "dispatched"], "{policy}");
        rig.result(&first.dispatches[0], true);
        assert_eq!(kinds(&rig.advance_to(START + 10 * MINUTE).outcomes), second, "{policy}: its chain runs");
        if policy == "skip" {
            let chain_id = chain_id(&first);
            rig.command(&json!({"cancel_chain": {"chain_id": chain_id}}));
            assert_eq!(kinds(&rig.advance_to(START + 15 * MINUTE).outcomes), ["chain_started", "dispatched"]);
        }
    }
}

#[test]
fn the_result_of_a_copy_does_not_end_an_occurrence() {
    const COPIED: &str = "
  - name: copied
    priority: 0
    condition: {field: action.payload.way, eq: later}
    action: {type: reroute, target_provider: sms, continue: true}
";
    let mut rig = chained("skip", 86_400, COPIED, "later");
    let first = rig.advance_to(START + 5 * MINUTE);
    assert_eq!(kinds(&first.outcomes), ["dispatched", "scheduled"]);
    rig.result(&first.dispatches[0], true);
    assert_eq!(kinds(&rig.advance_to(START + 10 * MINUTE).outcomes), [""; 0], "it is held for fifteen minutes");
}
