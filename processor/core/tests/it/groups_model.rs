//! Groups under chance: whatever comes, whenever, every action is told of, none too soon, and nothing stays.

use crate::groups::Bench;
use acteon_core::{Input, InputKind, Recorder, StateError, StepError, Task, step};
use acteon_schemas::Coordinates;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const RULES: &str = "
rules:
  - name: plain
    priority: 1
    condition: {field: action.action_type, eq: plain}
    action: {type: group, group_by: [payload.floor], group_wait_seconds: 20, group_interval_seconds: 90, max_group_size: 4}
  - name: repeating
    priority: 2
    condition: {field: action.action_type, eq: other}
    action: {type: group, group_by: [payload.floor], group_wait_seconds: 30, group_interval_seconds: 60,
             repeat_interval_seconds: 20000, max_group_size: 6}
";

/// Numbers that only look as if they came by chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn action(&mut self, second: u64) -> Value {
        let kind = ["plain", "other"][self.below(2) as usize];
        let mut action = json!({"action_type": kind, "payload": {"floor": self.below(3), "n": self.below(2)}});
        if self.below(2) == 0 {
            action["fingerprint"] = json!(format!("f{}", self.below(4)));
        }
        match self.below(5) {
            0 => action["status"] = json!("resolved"),
            1 => action["status"] = json!("firing"),
            2 => {
                let end = rfc3339(second + self.below(500));
                action["ends_at"] = json!(end);
            }
            _ => {}
        }
        action
    }
}

fn rfc3339(second: u64) -> String {
    let (day, hour, minute) = (1 + second / 86_400, second / 3_600 % 24, second / 60 % 60);
    format!("1970-01-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

/// What came in and what was told of it.
#[derive(Default)]
struct Seen {
    /// Actions that were grouped and that no other one has taken the place of; whether they can last.
    grouped: BTreeMap<String, bool>,
    told: BTreeMap<String, usize>,
    /// When each group was told of last.
    last: BTreeMap<String, i64>,
    dispatch_ids: BTreeSet<String>,
}

impl Seen {
    fn take(&mut self, effects: &Recorder) {
        let mut causes = effects.audit.iter().filter(|record| record["outcome"] == "group_flushed");
        for sent in &effects.dispatches {
            let cause = causes.next().unwrap()["outcome_details"]["cause"].as_str().unwrap();
            let payload = &sent["payload"];
            let at = sent["decided_at"].as_i64().unwrap();
            let interval = if payload["rule"] == "plain" { 90_000 } else { 60_000 };
            let last = self.last.insert(payload["group_id"].as_str().unwrap().to_owned(), at);
            if cause == "time" {
                assert!(last.is_none_or(|last| at >= last + interval), "told of too soon: {last:?} {at}");
            }
            assert!(self.dispatch_ids.insert(sent["dispatch_id"].as_str().unwrap().to_owned()));
            for event in payload["events"].as_array().unwrap() {
                *self.told.entry(event["action_id"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        assert_eq!(causes.next(), None, "a flush without a notification");
        for record in effects.audit.iter().filter(|record| record["outcome"] == "grouped") {
            if let Some(replaced) = record["outcome_details"]["replaces"].as_str() {
                self.grouped.remove(replaced);
            }
        }
    }
}

fn run(seed: u64) -> (Seen, Vec<Recorder>) {
    let (mut bench, mut chance, mut seen) = (Bench::new(RULES), Chance(seed), Seen::default());
    let (mut second, mut all) = (0, Vec::new());
    for n in 1..=60 {
        // Now and then nothing comes for hours.
        second += if chance.below(15) == 0 { chance.below(30_000) } else { chance.below(60) };
        all.push(bench.until(second as i64));
        let action = chance.action(second);
        let lasts = action.get("fingerprint").is_some() || action.get("ends_at").is_some();
        seen.grouped.insert(format!("a{n}"), lasts);
        all.push(bench.act(second as i64, action).1);
        if chance.below(10) == 0 {
            let (list, _) = bench.command(second as i64, json!({"list_groups": {}}));
            let id = list["CommandDone"]["result"]["groups"][0]["group_id"].clone();
            all.push(bench.command(second as i64, json!({"flush_group": {"group": id}})).1);
        }
    }
    all.push(bench.until(second as i64 + 9 * 24 * 3_600));
    bench.assert_nothing_left();
    for effects in &all {
        seen.take(effects);
    }
    (seen, all)
}

#[test]
fn every_action_is_told_of_and_nothing_stays() {
    for seed in 0..60 {
        let (seen, effects) = run(seed);
        for (action, lasts) in &seen.grouped {
            let times = seen.told.get(action).copied().unwrap_or(0);
            assert!(times == 1 || (*lasts && times > 1), "seed {seed}: {action} was told of {times} times");
        }
        if seed % 20 == 0 {
            assert_eq!(effects, run(seed).1, "seed {seed} differs from run to run");
        }
    }
}

#[test]
fn a_corrupt_group_is_an_error() {
    let mut bench = Bench::new(RULES);
    bench.grouped(0, json!({"action_type": "plain", "fingerprint": "f"}));
    let keys: Vec<Vec<u8>> = bench.driver.state.0.keys().cloned().collect();
    assert_eq!(keys.len(), 3, "a head, the number of groups and an event");
    let value =
        br#"{"namespace":"n","tenant":"t","provider":"slack","action_type":"plain","payload":{},"fingerprint":"f"}"#;
    // The number is read when a group begins, which is tried last.
    for (spoilt, gone) in [(0, None), (2, None), (1, Some(0))] {
        let mut state = bench.driver.state.clone();
        state.0.insert(keys[spoilt].clone(), b"\x01________{".to_vec());
        gone.map(|gone: usize| state.0.remove(&keys[gone]));
        let source = Coordinates { topic: "actions".into(), partition: 0, offset: 9 };
        let input = Input { kind: InputKind::Action, source, origin: None, value: Some(value) };
        let task = Task { partition: 0, partitions: 1 };
        let mut effects = Recorder::default();
        let failed = step(&bench.driver.definitions, task, &mut state, 1_000, &input, &mut effects);
        assert!(matches!(failed, Err(StepError(StateError::Corrupt { .. }))), "{spoilt} {failed:?}");
    }
}
