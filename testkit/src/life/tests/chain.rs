//! The laws of chains.

use super::*;

/// A chain that was called off behind a call made twice, and one that took all its steps.
pub(super) fn add(run: &mut Run) {
    let off = Course { id: "flow-1", name: "flow", action: ("flows", 5), topic: "acteon.actions" };
    off.start(run, "flow-begins", 6_000);
    off.call(run, "first", ("first", 0), 6_000, false);
    off.call(run, "first-again", ("first", 1), 6_600, true);
    off.step(run, "first-ends", ("first", Some("pause")), 6_700);
    off.end(run, "flow-ends", ("cancelled", &["first", "pause"]), 6_800);
    let whole = Course { id: "mend-1", name: "mend", action: ("mends", 6), topic: "acteon.actions" };
    whole.start(run, "mend-begins", 7_000);
    whole.call(run, "look", ("look", 0), 7_000, true);
    whole.step(run, "look-ends", ("look", Some("wait")), 7_100);
    whole.step(run, "wait-ends", ("wait", Some("fix")), 8_100);
    whole.call(run, "fix", ("fix", 0), 8_100, true);
    whole.step(run, "fix-ends", ("fix", None), 8_200);
    whole.end(run, "mend-ends", ("completed", &["look", "wait", "fix"]), 8_200);
}

/// A chain that a command started.
pub(super) fn add_asked(run: &mut Run, command: u64, after_ms: i64) {
    let asked = Course { id: "asked-1", name: "mend", action: ("asked-for", command), topic: "acteon.commands" };
    asked.start(run, "asked-begins", after_ms);
    asked.call(run, "asked-look", ("look", 0), after_ms, true);
    asked.step(run, "asked-look-ends", ("look", Some("wait")), after_ms);
    asked.step(run, "asked-wait-ends", ("wait", Some("fix")), after_ms);
    asked.call(run, "asked-fix", ("fix", 0), after_ms, true);
    asked.step(run, "asked-fix-ends", ("fix", None), after_ms);
    asked.end(run, "asked-ends", ("completed", &["look", "wait", "fix"]), after_ms);
}

/// A chain, with the id and the number of the action that it began with.
struct Course {
    id: &'static str,
    name: &'static str,
    action: (&'static str, u64),
    topic: &'static str,
}

impl Course {
    fn source(&self) -> Value {
        json!({"topic": self.topic, "partition": 0, "offset": self.action.1})
    }

    fn record(&self, after_ms: i64, more: Value) -> Value {
        let source = self.source();
        let mut record = json!({"action_id": self.action.0, "source": source, "provider": "email",
            "decided_at": AT + after_ms, "completed_at": AT + after_ms, "dispatched_at": AT + after_ms});
        if let (Some(record), Value::Object(more)) = (record.as_object_mut(), more) {
            record.extend(more);
        }
        record
    }

    fn start(&self, run: &mut Run, name: &'static str, after_ms: i64) {
        let detail = json!({"detail": {"ChainStarted": {"chain_id": self.id}}, "source": self.source()});
        run.told(name, self.action, "chain_started", after_ms, detail);
    }

    fn call(&self, run: &mut Run, name: &'static str, (step, attempt): (&str, u64), after_ms: i64, success: bool) {
        let context = json!({"chain": {"chain_id": self.id, "step": step, "visit": 0, "attempt": attempt}});
        run.add(name, Topic::Dispatches, self.record(after_ms, json!({"dispatch_id": name, "context": context})));
        let result = if success { json!({"delivered": {}}) } else { json!({"failed": {"code": "TIMEOUT"}}) };
        run.add(name, Topic::Results, json!({"dispatch_id": name, "result": result}));
    }

    fn step(&self, run: &mut Run, name: &'static str, (step, next): (&str, Option<&str>), after_ms: i64) {
        let details = json!({"chain_name": self.name, "step": step, "visit": 0, "attempt": 0, "success": true, "next_step": next});
        let audit = json!({"id": name, "phase": "progress", "verdict": "chain", "chain_id": self.id,
            "outcome": "chain_step_completed", "outcome_details": details});
        run.add(name, Topic::Audit, self.record(after_ms, audit));
    }

    fn end(&self, run: &mut Run, name: &'static str, (status, path): (&str, &[&str]), after_ms: i64) {
        let details = json!({"chain_name": self.name, "status": status, "execution_path": path});
        let end = json!({"id": name, "phase": "progress", "verdict": "chain", "chain_id": self.id,
            "outcome": format!("chain_{status}"), "outcome_details": details});
        let end = self.record(after_ms, end);
        run.add(name, Topic::Outcomes, end.clone());
        run.add(name, Topic::Audit, end);
    }
}

fn buried(source: &str) -> Run {
    let mut run = run();
    run.add("letter", Topic::DeadLetters, json!({"letter_of": source}));
    run
}

#[test]
fn each_chain_ends_once() {
    use Topic::{Audit, Outcomes};
    assert_told(vec![
        (lost("flow-ends", &[Audit]), "chain never ended"),
        (doubled("flow-ends", &[Audit]), "chain ended twice"),
        (lost("flow-ends", &[Outcomes]), "end of a chain not told"),
        (doubled("flow-ends", &[Outcomes]), "end of a chain told twice, or otherwise"),
        (lost("mend-begins", &[Outcomes]), "end of no chain"),
        (
            changed("mend-ends", Outcomes, |end| end["outcome"] = json!("chain_failed")),
            "end of a chain told twice, or otherwise",
        ),
        (buried("acteon.actions/0/6"), "failed chains and dead letters don't fit"),
        (buried("acteon.actions/0/0"), "good input set aside"),
        (left(0x60), "chain still in the state"),
    ]);
}

#[test]
fn each_chain_goes_a_way_that_its_definition_has() {
    use Topic::Audit;
    let nobody = |audit: &mut Value| audit["outcome_details"]["chain_name"] = json!("nobody's");
    let step = |audit: &mut Value| audit["outcome_details"]["step"] = json!("nowhere");
    let next = |audit: &mut Value| audit["outcome_details"]["next_step"] = json!("fix");
    let failed = |audit: &mut Value| audit["outcome_details"]["status"] = json!("failed");
    let path = |audit: &mut Value| audit["outcome_details"]["execution_path"] = json!(["look", "fix"]);
    let far = |audit: &mut Value| audit["outcome_details"]["execution_path"] = json!(["first", "pause", "both"]);
    assert_told(vec![
        (changed("mend-ends", Audit, nobody), "chain that nobody defined"),
        (changed("wait-ends", Audit, step), "step that nobody defined"),
        (lost("wait-ends", &[Audit]), "step out of order"),
        (doubled("wait-ends", &[Audit]), "step out of order"),
        (changed("look-ends", Audit, next), "step followed by a wrong one"),
        (lost("fix-ends", &[Audit]), "chain ended otherwise than its steps"),
        (changed("mend-ends", Audit, failed), "chain ended otherwise than its steps"),
        (changed("mend-ends", Audit, path), "chain ended otherwise than its steps"),
        (changed("flow-ends", Audit, far), "chain ended otherwise than its steps"),
    ]);
}

#[test]
fn each_call_of_a_chain_is_made_once() {
    use Topic::{Audit, Dispatches, Results};
    let stray = |dispatch: &mut Value| dispatch["context"]["chain"]["chain_id"] = json!("nobody's");
    let third = |dispatch: &mut Value| dispatch["context"]["chain"]["attempt"] = json!(2);
    let second = |dispatch: &mut Value| dispatch["context"]["chain"]["visit"] = json!(1);
    let well = |result: &mut Value| result["result"] = json!({"delivered": {}});
    let late = |dispatch: &mut Value| dispatch["decided_at"] = json!(AT + 6_801);
    assert_told(vec![
        (doubled("fix", &[Dispatches]), "attempt of a step made twice"),
        (changed("fix", Dispatches, stray), "call of no chain"),
        (changed("first-again", Dispatches, third), "step tried too often"),
        (changed("first-again", Dispatches, second), "step tried too often"),
        (lost("first", &[Dispatches]), "step tried too often"),
        (changed("first-again", Dispatches, late), "step taken behind the chain's end"),
        (changed("first", Results, well), "step tried again without a failure"),
        (lost("first", &[Results]), "step tried again without a failure"),
        (doubled("look-ends", &[Audit]), "step ended twice"),
        (lost("fix-ends", &[Audit]), "result of a step lost"),
    ]);
}
