#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)]
use super::*;
use serde_json::json;

fn compile(chains: &[Value]) -> Result<Chains, Vec<String>> {
    let chains = chains.iter().map(|chain| serde_json::from_value(chain.clone()).unwrap()).collect();
    Chains::compile(chains, &["p".to_owned(), "q".to_owned()].into())
}

fn call(name: &str) -> Value {
    json!({"name": name, "provider": "p", "action_type": "do"})
}

fn with(mut step: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        step[key] = value.clone();
    }
    step
}

fn steps(steps: Value) -> Value {
    json!({"name": "c", "steps": steps})
}

/// Each chain is refused, with what is expected among the reasons.
fn refused(cases: &[(Value, &str)]) {
    for (chain, expected) in cases {
        let found = compile(std::slice::from_ref(chain)).expect_err(&format!("{chain}"));
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
        assert!(found.iter().all(|problem| problem.starts_with("chain `")), "{found:?}");
    }
}

#[test]
fn bad_chains_and_calls_are_told_of_with_chain_and_step() {
    let long = "x".repeat(129);
    let many: Vec<Value> = (0..101).map(|n| call(&format!("s{n}"))).collect();
    let branch = |branch: Value| steps(json!([with(call("s"), json!({"branches": [branch]}))]));
    refused(&[
        (json!({"name": "", "steps": [call("s")]}), "chain ``: its name must be"),
        (json!({"name": "a b", "steps": [call("s")]}), "chain `a b`: its name must be"),
        (steps(json!([])), "chain `c`: it has no steps; add"),
        (steps(json!(many)), "it has 101 steps; the limit is 100"),
        (json!({"name": "c", "timeout_seconds": 0, "steps": [call("s")]}), "`timeout_seconds` must not be 0"),
        (json!({"name": "c", "timeout_seconds": 40_000_000, "steps": [call("s")]}), "the limit is 31622400 s"),
        (
            json!({"name": "c", "on_cancel": {"provider": "no", "action_type": "x"}, "steps": [call("s")]}),
            "`on_cancel.provider`: no provider named `no`",
        ),
        (
            json!({"name": "c", "on_cancel": {"provider": "p", "action_type": ""}, "steps": [call("s")]}),
            "`on_cancel.action_type` must not be empty",
        ),
        (steps(json!([call("s"), call("s")])), "two steps have the name `s`"),
        (steps(json!([call("a/b")])), "step `a/b`: its name must be"),
        (steps(json!([call(&long)])), "its name must be 1 to 128"),
        (steps(json!([{"name": "s"}])), "step `s`: it does nothing; give it one of"),
        (steps(json!([with(call("s"), json!({"sub_chain": "c"}))])), "it has `provider`, `sub_chain`; keep one"),
        (
            steps(json!([{"name": "s", "provider": "no", "action_type": "x"}])),
            "no provider named `no` is configured; the providers are `p`, `q`",
        ),
        (steps(json!([{"name": "s", "provider": "p"}])), "needs an `action_type`"),
        (steps(json!([{"name": "s", "sub_chain": "no"}])), "unknown sub-chain `no`; the chains are `c`"),
        (
            steps(json!([with(call("s"), json!({"default_next": "no"}))])),
            "the chain has no step `no`; its steps are `s`",
        ),
        (steps(json!([with(call("s"), json!({"default_next": ""}))])), "`default_next` names no step"),
        (branch(json!({"field": "success", "operator": "eq", "value": true, "target": "no"})), "has no step `no`"),
        (branch(json!({"field": "code", "operator": "eq", "value": 1, "target": "s"})), "its field `code` must be"),
        (branch(json!({"field": "body.x", "operator": "gt", "value": "a", "target": "s"})), "needs a number"),
        (steps(json!([with(call("s"), json!({"delay_seconds": 0}))])), "`delay_seconds` must not be 0"),
        (steps(json!([with(call("s"), json!({"retry": {"max_retries": 11}}))])), "the limit is 10"),
        (
            steps(json!([with(call("s"), json!({"retry": {"max_retries": 1, "backoff_ms": 99_000_000}}))])),
            "`retry.backoff_ms` is 99000000 ms",
        ),
        (
            steps(json!([{"name": "s", "timer": {"duration_seconds": 5}, "retry": {"max_retries": 1}}])),
            "`retry` belongs to steps with a `provider`",
        ),
        (steps(json!([{"name": "s", "timer": {"duration_seconds": 5}, "on_failure": "dlq"}])), "belongs to steps with"),
    ]);
}

#[test]
fn bad_waits_and_parallel_steps_are_told_of_with_chain_and_step() {
    let inside = |step: Value| steps(json!([{"name": "par", "parallel": {"steps": [step]}}]));
    let wide: Vec<Value> = (0..33).map(|n| call(&format!("s{n}"))).collect();
    let timer = |timer: Value| steps(json!([{"name": "s", "timer": timer}]));
    refused(&[
        (timer(json!({})), "`timer` needs `duration_seconds` or `until`"),
        (timer(json!({"duration_seconds": 0})), "`timer.duration_seconds` must not be 0"),
        (timer(json!({"duration_seconds": 1, "until": "2026-03-02T10:00:00Z"})), "keep one"),
        (timer(json!({"until": "tomorrow"})), "`tomorrow` is neither a time"),
        (
            steps(json!([{"name": "s", "wait_for_signal": {"signal_name": ""}}])),
            "`wait_for_signal.signal_name` must be",
        ),
        (
            steps(json!([{"name": "s", "wait_for_signal": {"signal_name": "x", "on_timeout": "s"}}])),
            "`wait_for_signal.on_timeout` needs `timeout_seconds`",
        ),
        (
            steps(
                json!([{"name": "s", "wait_for_signal": {"signal_name": "x", "timeout_seconds": 5, "on_timeout": "no"}}]),
            ),
            "`wait_for_signal.on_timeout`: the chain has no step `no`",
        ),
        (steps(json!([{"name": "par", "parallel": {"steps": []}}])), "`parallel` has no steps"),
        (steps(json!([{"name": "par", "parallel": {"steps": wide}}])), "`parallel` has 33 steps; the limit is 32"),
        (
            steps(json!([{"name": "par", "parallel": {"steps": [call("s")], "max_concurrency": 0}}])),
            "`parallel.max_concurrency` must not be 0",
        ),
        (
            steps(json!([{"name": "par", "parallel": {"steps": [call("s")], "timeout_seconds": 0}}])),
            "`parallel.timeout_seconds` must not be 0",
        ),
        (inside(json!({"name": "in", "sub_chain": "c"})), "parallel step `in`: it must call a `provider`"),
        (
            inside(with(call("in"), json!({"default_next": "par"}))),
            "`default_next` does not belong into a parallel step",
        ),
        (inside(with(call("in"), json!({"provider": "no"}))), "parallel step `in`: `provider`: no provider named `no`"),
        (inside(call("par")), "two steps have the name `par`"),
        (steps(json!([call("a"), with(call("b"), json!({"default_next": "a"}))])), "goes round in circles"),
        (steps(json!([{"name": "s", "sub_chain": "c"}])), "its sub-chains lead back to it: c → c"),
        (
            steps(json!([with(call("s"), json!({"payload_template": "x".repeat(300_000)}))])),
            "it is larger than 256 KiB",
        ),
    ]);
}

#[test]
fn chains_that_call_each_other_in_circles_or_too_deep_are_told_of() {
    let calls = |name: &str, sub: &str| json!({"name": name, "steps": [{"name": "s", "sub_chain": sub}]});
    let found = compile(&[calls("a", "b"), calls("b", "c"), calls("c", "a")]).unwrap_err();
    assert_eq!(found, ["chain `a`: its sub-chains lead back to it: a → b → c → a"]);
    let mut deep: Vec<Value> = (0..8).map(|n| calls(&format!("c{n}"), &format!("c{}", n + 1))).collect();
    deep.push(json!({"name": "c8", "steps": [call("s")]}));
    let found = compile(&deep).unwrap_err();
    assert!(found.len() == 1 && found[0].contains("9 chains deep; the limit is 8"), "{found:?}");
    assert!(compile(&deep[1..]).is_ok());
    assert!(compile(&[steps(json!([call("a")])), steps(json!([call("a")]))]).unwrap_err()[0].contains("defined twice"));
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let chains = compile(&[steps(json!([
        with(call("a"), json!({"payload_template": {"x": "{{steps.c.body.id}} {{orgin.payload}}"}, "default_next": "c"})),
        call("b"),
        {"name": "c", "timer": {"until": "{{steps.gone.body.at}}"}},
    ]))])
    .unwrap();
    let [circle, root, gone] = chains.warnings() else { panic!("{:?}", chains.warnings()) };
    assert!(circle.contains("step `b`: nothing leads to this step"));
    assert!(root.contains("chain `c`, step `a`: `{{orgin.payload}}` is always null"));
    assert!(gone.contains("step `c`: `{{steps.gone.body.at}}` is always null: the chain has no step `gone`"));
    assert_eq!((chains.iter().count(), chains.get("c").map(|chain| chain.steps.len())), (1, Some(3)));
}

#[test]
fn a_loop_with_a_way_out_is_allowed() {
    let again = json!({"branches": [{"field": "body.ready", "operator": "neq", "value": true, "target": "wait"}]});
    assert!(
        compile(&[steps(json!([{"name": "wait", "timer": {"duration_seconds": 5}}, with(call("ask"), again)]))])
            .is_ok()
    );
}
