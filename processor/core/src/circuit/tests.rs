#![allow(clippy::unwrap_used, clippy::panic)]

use crate::circuit::{CIRCUIT_OPEN, MAX_FALLBACKS};
use crate::definitions::{Definitions, Parts};
use crate::effect::Recorder;
use crate::input::InputKind;
use crate::rig::{Rig, kinds, parts};
use acteon_schemas::{CIRCUITS_NAMESPACE, ChainDefinition, CircuitDefinition};
use serde_json::{Value, json};

/// A task that keeps its circuits itself, and sees at once what it tells of them.
struct World(Rig);

fn circuit(failures: u32, fallback: Option<&str>) -> CircuitDefinition {
    CircuitDefinition {
        failure_threshold: failures,
        success_threshold: 1,
        recovery_timeout_ms: 60_000,
        fallback_provider: fallback.map(str::to_owned),
    }
}

fn parts_with(rules: &str, circuits: &[(&str, CircuitDefinition)]) -> Parts {
    let circuits = circuits.iter().map(|(name, circuit)| ((*name).to_owned(), circuit.clone())).collect();
    Parts { circuits, ..parts(rules) }
}

impl World {
    fn new(parts: Parts) -> Self {
        Self(Rig::new(parts))
    }

    /// `webhook` trips after two failures; `email` stands in for it.
    fn guarded(rules: &str) -> Self {
        Self::new(parts_with(rules, &[("webhook", circuit(2, Some("email")))]))
    }

    /// Carries commands and circuits to where they belong.
    fn spread(&mut self, effects: &Recorder) {
        for (partition, command) in &effects.commands {
            assert_eq!((*partition, command.namespace.as_str()), (0, CIRCUITS_NAMESPACE));
            let followed = self.0.step(InputKind::Command, &serde_json::to_vec(command).unwrap());
            assert_eq!((followed.outcomes.len(), followed.audit.len()), (0, 0), "a report has no answer");
            self.see(&followed);
        }
        self.see(effects);
    }

    fn see(&mut self, effects: &Recorder) {
        if effects.circuits.is_empty() {
            return;
        }
        let definitions = &self.0.definitions;
        let mut states: Vec<_> =
            definitions.circuits.providers().filter_map(|name| definitions.circuits.state(name).cloned()).collect();
        states.retain(|state| effects.circuits.iter().all(|new| new.provider != state.provider));
        states.extend(effects.circuits.iter().cloned());
        self.0.definitions = definitions.with_circuits(definitions.version + 1, states);
    }

    fn act(&mut self, id: &str) -> Recorder {
        let effects = self.0.action(id, &json!({}));
        self.spread(&effects);
        effects
    }

    /// A provider's answer to the one dispatch: delivered where `code` is empty.
    fn answer(&mut self, dispatch: &Value, code: &str) -> Recorder {
        let mut result = dispatch.clone();
        for (name, value) in [("attempts", 1), ("started_at", self.0.now), ("duration_ms", 5)] {
            result[name] = json!(value);
        }
        result["result"] = match code {
            "" => json!({"delivered": {"status": "success", "body": {}}}),
            code => {
                result["dispatch"] = dispatch.clone();
                json!({"failed": {"code": code, "message": "no", "retryable": true}})
            }
        };
        let effects = self.0.step(InputKind::Result, result.to_string().as_bytes());
        self.spread(&effects);
        effects
    }

    /// Fails so many calls of `webhook`.
    fn fail(&mut self, times: u32) {
        for time in 0..times {
            let sent = self.act(&format!("failing-{time}-{}", self.0.now));
            self.answer(&sent.dispatches[0], "TIMEOUT");
        }
    }

    /// How a circuit stands.
    fn phase(&self, provider: &str) -> &'static str {
        self.0.definitions.circuits.state(provider).map_or("closed", |state| state.phase(self.0.now).as_str())
    }

    fn command(&mut self, namespace: &str, provider: &str, command: &Value) -> Value {
        let command = json!({
            "id": "c", "namespace": namespace, "tenant": provider, "issued_at": 0, "command": command,
        });
        let mut effects = self.0.step(InputKind::Command, command.to_string().as_bytes());
        self.see(&effects);
        effects.outcomes.pop().unwrap()["detail"].take()
    }
}

#[test]
fn after_its_failures_the_fallback_is_called_and_shown() {
    let mut world = World::guarded("rules: []");
    world.fail(1);
    assert_eq!(world.phase("webhook"), "closed");
    world.fail(1);
    assert_eq!(world.phase("webhook"), "open");

    let sent = world.act("a");
    let dispatch = &sent.dispatches[0];
    assert_eq!((&dispatch["provider"], &dispatch["original_provider"]), (&json!("email"), &json!("webhook")));
    assert_eq!((&dispatch["passed_over"], &dispatch["probe"]), (&json!(["webhook"]), &Value::Null));
    let audit = &sent.audit[0];
    assert_eq!((&audit["verdict"], &audit["provider"]), (&json!("reroute"), &json!("email")));
    assert_eq!(audit["outcome_details"], json!({"circuit_open": ["webhook"]}));

    let done = world.answer(dispatch, "");
    assert_eq!(
        done.outcomes[0]["detail"]["Rerouted"],
        json!({
            "original_provider": "webhook", "new_provider": "email", "circuit_open": ["webhook"],
            "response": {"status": "success", "body": {}, "headers": {}},
        })
    );
    assert_eq!(done.audit[0]["outcome_details"]["circuit_open"], json!(["webhook"]));
}

#[test]
fn a_rerouted_action_keeps_its_own_provider_as_the_original() {
    let rules = "rules:\n  - name: r\n    condition: {field: action.tenant, eq: t}\n    action: {type: reroute, target_provider: sms}\n";
    let mut world = World::new(parts_with(rules, &[("sms", circuit(1, Some("email")))]));
    world.fail(1);
    let sent = world.act("a");
    let dispatch = &sent.dispatches[0];
    let names = ["provider", "original_provider", "passed_over"].map(|key| dispatch[key].clone());
    assert_eq!(names, [json!("email"), json!("webhook"), json!(["sms"])]);
    let done = world.answer(dispatch, "");
    assert_eq!(kinds(&done.outcomes), ["rerouted"]);
    let expected = json!({
        "original_provider": "webhook", "new_provider": "email", "status": "success", "circuit_open": ["sms"],
    });
    assert_eq!(done.audit[0]["outcome_details"], expected);
}

#[test]
fn without_a_fallback_that_can_be_called_the_action_is_refused_and_uses_nothing_up() {
    let rules = "rules:\n  - name: once\n    condition: {field: action.tenant, eq: t}\n    action: {type: deduplicate, ttl_seconds: 60}\n";
    let circuits = [("webhook", circuit(1, Some("sms"))), ("sms", circuit(1, None))];
    let mut world = World::new(parts_with(rules, &circuits));
    for provider in ["webhook", "sms"] {
        world.command(CIRCUITS_NAMESPACE, provider, &json!({"trip_circuit": {}}));
    }
    let refused = world.act("a");
    assert_eq!(refused.dispatches, Vec::<Value>::new());
    assert_eq!(kinds(&refused.outcomes), ["circuit_open"]);
    let detail = json!({"CircuitOpen": {"provider": "webhook", "fallback_chain": ["sms"]}});
    assert_eq!((&refused.outcomes[0]["detail"], &refused.outcomes[0]["is_final"]), (&detail, &json!(true)));
    assert_eq!(refused.audit[0]["outcome_details"], detail["CircuitOpen"]);

    world.command(CIRCUITS_NAMESPACE, "sms", &json!({"reset_circuit": {}}));
    assert_eq!(world.act("a").dispatches[0]["provider"], "sms");
}

#[test]
fn one_call_tries_it_again_and_closes_it_or_opens_it_anew() {
    let mut world = World::guarded("rules: []");
    world.fail(2);
    world.0.now += 60_000;
    assert_eq!(world.phase("webhook"), "half_open");
    let first = world.act("first").dispatches[0].clone();
    assert_eq!((&first["provider"], &first["probe"]), (&json!("webhook"), &json!(1)));
    world.answer(&first, "CONNECTION");
    assert_eq!(world.phase("webhook"), "open");
    world.0.now += 60_000;
    let second = world.act("second").dispatches[0].clone();
    assert_eq!(second["probe"], json!(2));
    let done = world.answer(&second, "");
    assert_eq!(kinds(&done.outcomes), ["executed"]);
    assert_eq!(world.phase("webhook"), "closed");
    assert_eq!(world.act("third").dispatches[0]["probe"], Value::Null);
}

#[test]
fn what_a_connector_did_not_call_goes_on_to_the_fallback() {
    let circuits = [("webhook", circuit(9, Some("email"))), ("email", circuit(9, Some("sms")))];
    let mut world = World::new(parts_with("rules: []", &circuits));
    let first = world.act("a").dispatches[0].clone();
    let passed = world.answer(&first, CIRCUIT_OPEN);
    assert_eq!((passed.outcomes.len(), passed.audit.len(), passed.commands.len()), (0, 0, 0));
    let second = passed.dispatches[0].clone();
    assert_eq!(second["dispatch_id"], first["dispatch_id"], "the idempotency key");
    assert_eq!((&second["provider"], &second["passed_over"]), (&json!("email"), &json!(["webhook"])));
    assert_eq!(world.answer(&first, CIRCUIT_OPEN), Recorder::default(), "a second answer is dropped");

    let third = world.answer(&second, CIRCUIT_OPEN).dispatches[0].clone();
    assert_eq!((&third["provider"], &third["passed_over"]), (&json!("sms"), &json!(["webhook", "email"])));
    assert_eq!(third["original_provider"], "webhook");
    let done = world.answer(&third, "");
    assert_eq!(done.outcomes[0]["detail"]["Rerouted"]["circuit_open"], json!(["webhook", "email"]));
}

#[test]
fn where_no_fallback_is_left_the_last_outcome_says_so() {
    let mut world = World::guarded("rules: []");
    let first = world.act("a").dispatches[0].clone();
    let second = world.answer(&first, CIRCUIT_OPEN).dispatches[0].clone();
    let done = world.answer(&second, CIRCUIT_OPEN);
    assert_eq!(kinds(&done.outcomes), ["circuit_open"]);
    let detail = json!({"provider": "webhook", "fallback_chain": ["email"]});
    assert_eq!(done.outcomes[0]["detail"]["CircuitOpen"], detail);
    assert_eq!(done.audit[0]["outcome_details"], detail);
    assert_eq!(done.dispatches, Vec::<Value>::new());
}

#[test]
fn while_nothing_fails_nothing_is_told() {
    let mut world = World::guarded("rules: []");
    for (id, code, told) in [
        ("a", "", 0),
        ("b", "VALIDATION", 0),
        ("c", "CREDENTIALS", 0),
        ("d", "CONFIGURATION", 0),
        ("e", "SERIALIZATION", 0),
        ("f", "ATTACHMENT_ERROR", 0),
        ("g", "PROVIDER_NOT_FOUND", 0),
        ("h", "RATE_LIMITED", 1),
        // A success is told of while failures are counted.
        ("i", "", 1),
        ("j", "", 0),
        ("k", "EXECUTION_FAILED", 1),
    ] {
        let sent = world.act(id);
        assert_eq!(world.answer(&sent.dispatches[0], code).commands.len(), told, "{id} {code}");
    }
    // Nobody keeps a circuit of a provider without one.
    let mut bare = World::new(parts("rules: []"));
    let sent = bare.act("a");
    assert_eq!(bare.answer(&sent.dispatches[0], "TIMEOUT").commands, []);
}

#[test]
fn operators_open_and_close_circuits() {
    let mut world = World::guarded("rules: []");
    let trip = json!({"trip_circuit": {"seconds": 30, "reason": "maintenance"}});
    let done = world.command(CIRCUITS_NAMESPACE, "webhook", &trip);
    let shown = &done["CommandDone"]["result"];
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("open"), &json!("maintenance")));
    assert_eq!(world.act("a").dispatches[0]["provider"], "email");
    world.0.now += 30_000;
    assert_eq!(world.phase("webhook"), "half_open");
    let done = world.command(CIRCUITS_NAMESPACE, "webhook", &json!({"reset_circuit": {}}));
    assert_eq!(done["CommandDone"]["result"]["state"], "closed");
    assert_eq!(world.act("b").dispatches[0]["provider"], "webhook");

    let long = "x".repeat(1_025);
    for (namespace, provider, command, code, said) in [
        (CIRCUITS_NAMESPACE, "nobody", json!({"trip_circuit": {}}), "NOT_FOUND", "no provider named `nobody`"),
        (CIRCUITS_NAMESPACE, "sms", json!({"reset_circuit": {}}), "NOT_FOUND", "has no circuit"),
        ("n", "webhook", json!({"reset_circuit": {}}), "INVALID", "namespace `_circuits`"),
        (CIRCUITS_NAMESPACE, "webhook", json!({"trip_circuit": {"seconds": 0}}), "INVALID", "`seconds`"),
        (CIRCUITS_NAMESPACE, "webhook", json!({"trip_circuit": {"seconds": u64::MAX}}), "INVALID", "`seconds`"),
        (CIRCUITS_NAMESPACE, "webhook", json!({"trip_circuit": {"reason": long}}), "INVALID", "`reason`"),
    ] {
        let refused = &world.command(namespace, provider, &command)["CommandRefused"];
        assert_eq!(refused["code"], code, "{command}");
        assert!(refused["message"].as_str().unwrap().contains(said), "{refused}");
    }
}

#[test]
fn reports_about_what_has_no_circuit_are_dropped() {
    let mut world = World::guarded("rules: []");
    let report = json!({"report_call": {"success": false, "code": "TIMEOUT"}});
    for (namespace, provider) in [(CIRCUITS_NAMESPACE, "sms"), ("n", "webhook"), (CIRCUITS_NAMESPACE, "nobody")] {
        let command = json!({"id": "c", "namespace": namespace, "tenant": provider, "issued_at": 0, "command": report});
        let effects = world.0.step(InputKind::Command, command.to_string().as_bytes());
        assert_eq!(effects, Recorder::default(), "{namespace}/{provider}");
    }
    assert!(world.0.state.0.is_empty());
}

fn chain(retry: Option<Value>) -> ChainDefinition {
    let mut step = json!({"name": "call", "provider": "webhook", "action_type": "x"});
    if let Some(retry) = retry {
        step["retry"] = retry;
    }
    let told = json!({"name": "told", "provider": "sms", "action_type": "x"});
    step["branches"] = json!([{"field": "success", "operator": "eq", "value": false, "target": "told"}]);
    step["on_failure"] = json!("skip");
    serde_json::from_value(json!({"name": "c", "steps": [step, told]})).unwrap()
}

const CHAIN: &str =
    "rules:\n  - name: r\n    condition: {field: action.action_type, eq: order}\n    action: {type: chain, chain: c}\n";

fn chained(fallback: Option<&str>, retry: Option<Value>) -> World {
    let parts = parts_with(CHAIN, &[("webhook", circuit(1, fallback))]);
    let mut world = World::new(Parts { chains: vec![chain(retry)], ..parts });
    world.command(CIRCUITS_NAMESPACE, "webhook", &json!({"trip_circuit": {"seconds": 60}}));
    world
}

#[test]
fn a_step_served_by_a_fallback_counts_as_served() {
    let mut world = chained(Some("email"), None);
    let sent = world.act("a");
    let dispatch = sent.dispatches[0].clone();
    assert_eq!((&dispatch["provider"], &dispatch["original_provider"]), (&json!("email"), &json!("webhook")));
    let next = world.answer(&dispatch, "");
    assert_eq!(kinds(&next.audit), ["chain_step_completed"]);
    assert_eq!(next.audit[0]["outcome_details"]["served_by"], "email");
    let (chains, _) = world.0.command(&json!({"list_chains": {}}));
    let id = chains["chains"][0]["chain_id"].clone();
    let (shown, _) = world.0.command(&json!({"show_chain": {"chain_id": id}}));
    assert_eq!((&shown["steps"][0]["status"], &shown["steps"][0]["served_by"]), (&json!("completed"), &json!("email")));
}

#[test]
fn a_step_that_nobody_may_serve_fails_as_any_other() {
    // Its branch is taken.
    let mut world = chained(None, None);
    let sent = world.act("a");
    assert_eq!(sent.dispatches[0]["provider"], "sms");
    let failed = |record: &&Value| record["outcome_details"]["error"]["code"] == CIRCUIT_OPEN;
    assert_eq!(sent.audit.iter().filter(failed).count(), 1);

    // Its retries are waited for; by the second one the circuit may be tried.
    let mut world = chained(None, Some(json!({"max_retries": 2, "backoff_ms": 30_000})));
    assert_eq!(world.act("a").dispatches, Vec::<Value>::new());
    let later = world.0.advance_to(world.0.now + 60_000);
    assert_eq!((&later.dispatches[0]["provider"], &later.dispatches[0]["probe"]), (&json!("webhook"), &json!(1)));
    // The connector lets another one try it: the step's last attempt has failed.
    let answered = world.answer(&later.dispatches[0].clone(), CIRCUIT_OPEN);
    assert_eq!(answered.dispatches[0]["provider"], "sms");
}

#[test]
fn notices_go_to_fallbacks_as_well() {
    let rules = "rules:\n  - name: ask\n    condition: {field: action.tenant, eq: t}\n    action: {type: request_approval, notify_provider: webhook, timeout_seconds: 60}\n";
    let mut world = World::guarded(rules);
    world.command(CIRCUITS_NAMESPACE, "webhook", &json!({"trip_circuit": {}}));
    let sent = world.act("a");
    assert_eq!(
        (&sent.dispatches[0]["provider"], &sent.dispatches[0]["passed_over"]),
        (&json!("email"), &json!(["webhook"]))
    );

    let mut world = World::new(parts_with(rules, &[("webhook", circuit(1, None))]));
    world.command(CIRCUITS_NAMESPACE, "webhook", &json!({"trip_circuit": {}}));
    let sent = world.act("a");
    assert_eq!(sent.dispatches, Vec::<Value>::new());
    assert_eq!(sent.outcomes[0]["detail"]["PendingApproval"]["notification_sent"], json!(false));
}

#[test]
fn bad_circuits_are_refused_by_name() {
    let endless: Vec<(String, CircuitDefinition)> =
        (0..=MAX_FALLBACKS).map(|n| (format!("p{n}"), circuit(1, Some(&format!("p{}", n + 1))))).collect();
    let zero = CircuitDefinition { success_threshold: 0, ..circuit(0, None) };
    type Case<'c> = (Vec<(&'c str, CircuitDefinition)>, &'c str);
    let cases: [Case<'_>; 5] = [
        (
            vec![("webhook", circuit(1, Some("nobody")))],
            "provider `webhook`: `fallback_provider`: no provider named `nobody`",
        ),
        (vec![("webhook", circuit(1, Some("webhook")))], "in a circle: webhook → webhook"),
        (
            vec![("webhook", circuit(1, Some("sms"))), ("sms", circuit(1, Some("webhook")))],
            "in a circle: webhook → sms → webhook",
        ),
        (vec![("sms", zero)], "provider `sms`: `failure_threshold` is 0"),
        (endless.iter().map(|(name, circuit)| (name.as_str(), circuit.clone())).collect(), "more than 8 fallbacks"),
    ];
    for (circuits, said) in cases {
        let mut parts = parts_with("rules: []", &circuits);
        parts.providers.extend((0..=MAX_FALLBACKS + 1).map(|n| format!("p{n}")));
        let error = Definitions::compile(1, parts).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn states_of_providers_without_a_circuit_are_ignored() {
    let mut world = World::guarded("rules: []");
    world.fail(2);
    let states = vec![world.0.definitions.circuits.state("webhook").unwrap().clone()];
    let with = Parts { circuit_states: states.clone(), ..parts_with("rules: []", &[("webhook", circuit(2, None))]) };
    assert!(Definitions::compile(1, with).unwrap().circuits.state("webhook").is_some());
    let without = Parts { circuit_states: states, ..parts("rules: []") };
    assert!(Definitions::compile(1, without).unwrap().circuits.state("webhook").is_none());
}
