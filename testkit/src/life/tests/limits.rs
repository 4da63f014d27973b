//! The laws of throttles that delay, of quotas, and of what operators have recurring actions do.

use super::*;

/// Names of actions, with the numbers of their inputs.
const PACED: [(&str, u64); 5] = [("p1", 20), ("p2", 21), ("p3", 22), ("p4", 23), ("p5", 24)];
const BLOCKED: [(&str, u64); 7] = [("b1", 30), ("b2", 31), ("b3", 32), ("b4", 33), ("b5", 34), ("b6", 35), ("b7", 36)];
const NOTED: [(&str, u64); 4] = [("n1", 40), ("n2", 41), ("n3", 42), ("n4", 43)];
const DEGRADED: (&str, u64) = ("d1", 50);

pub(super) fn add(run: &mut Run) {
    add_paced(run);
    add_quotas(run);
    add_commands(run);
}

impl Run {
    /// A dispatch that nothing has come of yet.
    fn sent(&mut self, name: &'static str, action: (&str, u64), after_ms: i64, more: Value) {
        let mut all = json!({"detail": {"Dispatched": {"dispatch_id": name}}});
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
        self.told(name, action, "dispatched", after_ms, all);
        let mut dispatch = self.records[self.records.len() - 2].2.clone();
        dispatch["dispatch_id"] = json!(name);
        self.add(name, Topic::Dispatches, dispatch);
    }

    /// An occurrence of the recurring action that the eighth command made.
    fn occurred(&mut self, name: &'static str, id: &str, after_ms: i64) {
        let source = json!({"topic": "acteon.commands", "partition": 0, "offset": 8});
        self.sent(name, (id, 0), after_ms, json!({"source": source, "released_by": "recurring"}));
    }

    /// What a command was answered with.
    fn answered(&mut self, name: &str, result: &Value) {
        let is_answer = |record: &&mut (&str, Topic, Value)| record.0 == name && record.1 == Topic::Outcomes;
        let answer = self.records.iter_mut().find(is_answer).unwrap();
        answer.2["detail"]["CommandDone"]["result"] = result.clone();
    }

    fn noticed(&mut self, name: &'static str, (id, source): (&str, u64), after_ms: i64) {
        let source = json!({"topic": "acteon.actions", "partition": 0, "offset": source});
        let notice = json!({"dispatch_id": name, "action_id": id, "source": source, "provider": "email",
            "context": {"notice": {"of": "quota"}}, "payload": {"quota_id": "notifies"}, "decided_at": AT + after_ms});
        self.add(name, Topic::Dispatches, notice);
    }
}

/// Two actions that a throttle lets pass, two that it delays, and one that it delays and that is called off.
fn add_paced(run: &mut Run) {
    let admitted = json!(["pace"]);
    for (place, action) in PACED.into_iter().enumerate() {
        let name = action.0;
        if place < 2 {
            run.sent(name, action, 30_000, json!({"admitted_by": admitted}));
        } else {
            let due = "2023-11-14T22:13:50Z";
            let detail = json!({"Scheduled": {"action_id": name, "scheduled_for": due}});
            run.told(name, action, "scheduled", 30_001, json!({"matched_rule": "pace", "detail": detail}));
        }
    }
    for (name, place) in [("p3-goes", 2), ("p4-goes", 3)] {
        run.sent(name, PACED[place], 34_000, json!({"admitted_by": admitted, "released_by": "throttle"}));
    }
    run.told("p5-ends", PACED[4], "cancelled", 34_001, json!({}));
}

/// Quotas that are set, used up, and ended; at each the action that is one too many.
fn add_quotas(run: &mut Run) {
    let set = |number| json!({"set_quota": {"quota": quota::definition(number)}});
    run.command("set-blocks", 4, &set(0), 40_000, None);
    for action in &BLOCKED[..6] {
        run.sent(action.0, *action, 40_001, json!({}));
    }
    run.told("b7", BLOCKED[6], "quota_exceeded", 49_000, json!({"outcome_details": {"quota_id": "blocks"}}));
    run.command("end-blocks", 5, &json!({"delete_quota": {"quota_id": "blocks"}}), 49_001, None);
    run.command("set-notifies", 6, &set(3), 50_000, None);
    for action in &NOTED[..3] {
        run.sent(action.0, *action, 50_001, json!({}));
    }
    beyond(run, "n4-beyond", NOTED[3], ("notifies", 50_002));
    run.noticed("n4-notice", NOTED[3], 50_002);
    run.sent("n4", NOTED[3], 50_002, json!({"outcome_details": {"quota": {"quota_id": "notifies"}}}));
    run.command("set-degrades", 7, &set(2), 50_003, None);
    beyond(run, "d1-beyond", DEGRADED, ("degrades", 50_004));
    let note = json!({"quota": {"quota_id": "degrades"}});
    run.sent("d1", DEGRADED, 50_004, json!({"provider": "webhook", "outcome_details": note}));
}

fn beyond(run: &mut Run, name: &'static str, (id, source): (&str, u64), (quota, after_ms): (&str, i64)) {
    let source = json!({"topic": "acteon.actions", "partition": 0, "offset": source});
    let audit = json!({"id": name, "phase": "progress", "verdict": "quota", "action_id": id, "source": source,
        "outcome": "quota_exceeded", "outcome_details": {"quota_id": quota}, "dispatched_at": AT + after_ms});
    run.add(name, Topic::Audit, audit);
}

/// A recurring action that ran at its time, and again for a time that had passed; and a chain that a command started.
fn add_commands(run: &mut Run) {
    let recurring = json!({"id": "r", "cron_expression": "* * * * *", "max_executions": 2});
    run.command("create", 8, &json!({"create_recurring": {"recurring": recurring}}), 60_000, None);
    let occurrence = |at: &str| format!("r@2023-11-14T{at}Z");
    run.occurred("ticks", &occurrence("22:15:00"), 100_000);
    let update = json!({"id": "r", "cron_expression": "*/2 * * * *", "max_executions": 3});
    run.command("update", 9, &json!({"update_recurring": {"recurring_id": "r", "recurring": update}}), 110_000, None);
    run.occurred("ticked", &occurrence("22:00:00"), 120_000);
    let backfill = json!({"recurring_id": "r", "start": "2023-11-14T22:00:00Z", "end": "2023-11-14T22:02:00Z"});
    run.command("backfill", 10, &json!({"backfill_recurring": backfill}), 120_000, None);
    run.answered("backfill", &json!({"executed": 1}));
    chain::add_asked(run, 11, 130_000);
    run.command("start", 11, &json!({"start_chain": {"chain": "mend"}}), 130_000, None);
    run.answered("start", &json!({"chain_id": "asked-1"}));
}

/// That the record is about another action.
fn is_of(action: (&'static str, u64)) -> impl Fn(&mut Value) {
    move |audit| {
        audit["action_id"] = json!(action.0);
        audit["source"]["offset"] = json!(action.1);
    }
}

#[test]
fn what_a_throttle_delays_leaves_in_order_and_at_its_rate() {
    use Topic::{Audit, Outcomes};
    let early = |audit: &mut Value| audit["dispatched_at"] = json!(AT + 33_999);
    let by_time = |audit: &mut Value| audit["released_by"] = json!("schedule");
    let at_once = |audit: &mut Value| {
        is_of(("p9", 29))(audit);
        audit["released_by"] = Value::Null;
    };
    let refused = |audit: &mut Value| audit["outcome"] = json!("throttled");
    assert_told(vec![
        (changed("p3-goes", Audit, early), "faster than its throttle allows"),
        (changed("p4-goes", Audit, by_time), "left its queue by another way"),
        (lost("p3", &[Audit, Outcomes]), "let go by a throttle that did not hold it"),
        (changed("p3-goes", Audit, is_of(PACED[3])), "left its queue out of order"),
        (changed("p4-goes", Audit, at_once), "overtook a queue"),
        (changed("p5", Audit, refused), "refused by a queue that has room"),
    ]);
}

#[test]
fn a_quota_lets_so_many_actions_pass_and_tells_of_what_goes_beyond() {
    use Topic::{Audit, Dispatches};
    let passed = |audit: &mut Value| audit["outcome"] = json!("dispatched");
    let silent = |audit: &mut Value| audit["outcome_details"] = Value::Null;
    let same = |audit: &mut Value| audit["provider"] = json!("email");
    let other = |dispatch: &mut Value| dispatch["provider"] = json!("webhook");
    assert_told(vec![
        (changed("b7", Audit, passed), "passed beyond a quota that blocks"),
        (lost("b6", &[Audit]), "refused within its quota"),
        (lost("set-blocks", &[Audit]), "refused by a quota that is not set"),
        (lost("set-notifies", &[Audit]), "told of a quota that is not set"),
        (lost("n4-beyond", &[Audit]), "passed beyond a quota that nobody was told of"),
        (doubled("n4-beyond", &[Audit]), "told of a quota twice in its window"),
        (changed("n4", Audit, silent), "passed beyond a quota, and nothing says so"),
        (changed("d1", Audit, same), "passed beyond a quota to the provider that it is for"),
        (lost("n4-notice", &[Dispatches]), "notice of a quota missing"),
        (doubled("n4-notice", &[Dispatches]), "notice of a quota too many"),
        (changed("n4-notice", Dispatches, other), "notice of a quota to somebody else"),
    ]);
}

#[test]
fn each_occurrence_runs_at_its_time_or_on_request() {
    use Topic::{Commands, Outcomes};
    let decided = |after_ms: i64| move |told: &mut Value| told["decided_at"] = json!(AT + after_ms);
    let two = |told: &mut Value| told["detail"]["CommandDone"]["result"]["executed"] = json!(2);
    let nothing = |told: &mut Value| told["action_id"] = json!("q@2023-11-14T22:15:00Z");
    let mut too_often = changed("create", Commands, |it| {
        it["command"]["create_recurring"]["recurring"]["max_executions"] = json!(1);
    });
    too_often.records.retain(|(name, ..)| *name != "update");
    let mut miscounted = run();
    let origin = json!({"topic": "acteon.commands", "partition": 0, "offset": 8});
    let kept = json!({"id": "r", "origin": origin, "execution_count": 1}).to_string();
    let key = [&[0x22, 0, 4][..], b"life", &[0, 1], b"t"].concat();
    miscounted.state.push((key, [&[1, 0, 0, 0, 0, 0, 0, 0, 0][..], kept.as_bytes()].concat()));
    assert_told(vec![
        (changed("ticked", Outcomes, decided(119_999)), "occurrence long after its time"),
        (changed("ticks", Outcomes, decided(99_999)), "occurrence before its time"),
        (changed("ticks", Outcomes, nothing), "occurrence of nothing"),
        (changed("update", Outcomes, decided(99_998)), "occurrence at a wrong time"),
        (changed("backfill", Outcomes, two), "backfill has run less than it says"),
        (too_often, "more occurrences than allowed"),
        (miscounted, "occurrences counted otherwise"),
    ]);
}

#[test]
fn a_command_starts_the_chain_that_it_is_answered_with() {
    let other = |told: &mut Value| told["detail"]["CommandDone"]["result"]["chain_id"] = json!("other");
    let look = |command: &mut Value| command["command"] = json!({"show_chain": {"chain_id": "asked-1"}});
    assert_told(vec![
        (changed("start", Topic::Outcomes, other), "command answered with a chain that it has not started"),
        (changed("start", Topic::Commands, look), "chain started by a command that does not say so"),
    ]);
}
