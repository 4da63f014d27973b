//! Chains, state machines, time intervals, approvals' keys, and what is set of the rest.

use super::{good, parse_text, shown};
use acteon_core::{Definitions, Parts};
use acteon_schemas::{RulesDefinition, StateTimeout, TimeOfDay};
use serde_json::json;

/// The telemetry chain as it is printed: payloads over several lines, branches indented, `default_next` below them.
const TELEMETRY: &str = r#"
[[chains.definitions]]
name = "telemetry-processing"
timeout_seconds = 300

[[chains.definitions.steps]]
name = "normalize"
provider = "telemetry-normalizer"
action_type = "invoke"
payload_template = {
    device_id = "{{origin.payload.device_id}}",
    unit = "{{origin.payload.unit}}"
}

  [[chains.definitions.steps.branches]]
  field = "body.logged"
  operator = "eq"
  value = true
  target = "detect-anomaly"

[[chains.definitions.steps]]
name = "detect-anomaly"
provider = "anomaly-detector"
action_type = "invoke"
payload_template = {
    value = "{{origin.payload.value}}"
}

  [[chains.definitions.steps.branches]]
  field = "success"
  operator = "eq"
  value = true
  target = "publish-event"

  default_next = "archive-metrics"

[[chains.definitions.steps]]
name = "publish-event"
sub_chain = "critical-alert"

[[chains.definitions.steps]]
name = "archive-metrics"
provider = "metrics-queue"
action_type = "send_message"
payload_template = { metadata = { source = "acteon-pipeline" }, since = 2026-03-02, n = 1, list = [1.5, false] }

[[chains.definitions]]
name = "critical-alert"
[[chains.definitions.steps]]
name = "fan-out-alert"
provider = "alert-fanout"
action_type = "publish"
"#;

const MACHINE: &str = r#"
[[state_machines]]
name = "alert"
initial_state = "firing"
states = ["firing", "resolved", "stale"]
[[state_machines.transitions]]
from = "firing"
to = "resolved"
on_transition = { notify = true, webhook_url = "https://example.com/hook", metadata = { severity = "info" } }
[[state_machines.timeouts]]
state = "firing"
after_seconds = 3600
transition_to = "stale"
"#;

#[test]
fn a_chain_is_read_as_it_is_printed() {
    let config = good(TELEMETRY);
    let [telemetry, critical] = config.chains.definitions.as_slice() else { panic!("two chains") };
    assert_eq!((telemetry.steps.len(), critical.steps.len()), (4, 1));
    let detect = &telemetry.steps[1];
    assert_eq!(detect.default_next.as_deref(), Some("archive-metrics"), "lifted out of the branch");
    assert_eq!((detect.branches.len(), &detect.branches[0].value), (1, &Some(json!(true))));
    assert_eq!(telemetry.steps[0].payload_template.as_ref().unwrap()["unit"], "{{origin.payload.unit}}");
    assert_eq!(
        telemetry.steps[3].payload_template,
        Some(json!({"metadata": {"source": "acteon-pipeline"}, "since": "2026-03-02", "n": 1, "list": [1.5, false]}))
    );
    assert_eq!(telemetry.steps[2].sub_chain.as_deref(), Some("critical-alert"));
}

#[test]
fn a_branch_of_a_parallel_step_is_lifted_too_and_all_kinds_of_steps_are_known() {
    let config = good(
        r#"
[chains]
completed_chain_ttl_seconds = 3600
[[chains.definitions]]
name = "c"
on_failure = "abort_no_dlq"
on_cancel = { provider = "p", action_type = "cancelled" }
[[chains.definitions.steps]]
name = "both"
parallel = { join = "any", on_failure = "best_effort", timeout_seconds = 5, max_concurrency = 1, steps = [
  { name = "one", provider = "p", action_type = "a", branches = [{ field = "success", operator = "eq", target = "x", default_next = "y" }] },
] }
[[chains.definitions.steps]]
name = "x"
timer = { duration_seconds = 5 }
[[chains.definitions.steps]]
name = "y"
wait_for_signal = { signal_name = "go", timeout_seconds = 60, on_timeout = "x" }
retry = { max_retries = 1, backoff_ms = 10, strategy = "linear", jitter_ms = 5 }
"#,
    );
    assert_eq!(config.chains.completed_ttl_seconds, Some(3600));
    let steps = &config.chains.definitions[0].steps;
    assert_eq!(steps[0].parallel.as_ref().unwrap().steps[0].default_next.as_deref(), Some("y"));
    assert!(steps[1].timer.is_some() && steps[2].wait_for_signal.is_some() && steps[2].retry.is_some());
}

#[test]
fn state_machines_take_both_spellings_of_a_timeout() {
    for text in [MACHINE.to_owned(), MACHINE.replace("\nstate = ", "\nin_state = ")] {
        let config = good(&text);
        let machine = &config.state_machines[0];
        let expected = StateTimeout {
            state: "firing".to_owned(),
            after_seconds: 3600,
            transition_to: "stale".to_owned(),
            on_transition: None,
        };
        assert_eq!(machine.timeouts, [expected]);
        let effects = machine.transitions[0].on_transition.as_ref().unwrap();
        assert_eq!((effects.notify, effects.metadata["severity"].as_str()), (true, "info"));
    }
}

#[test]
fn time_intervals_are_read() {
    let config = good(
        r#"
[[time_intervals]]
name = "business-hours"
location = "US/Eastern"
[[time_intervals.time_ranges]]
times = [{ start = "09:00", end = "17:00" }, { start_time = "18:00", end_time = "19:00" }]
weekdays = ["monday:friday"]
"#,
    );
    let range = &config.time_intervals[0].time_ranges[0];
    assert_eq!(range.times[1], TimeOfDay { start: "18:00".to_owned(), end: "19:00".to_owned() });
    assert_eq!(range.weekdays, ["monday:friday"]);
}

#[test]
fn how_long_things_are_kept_and_limits_are_set() {
    let (config, warnings) = parse_text(
        "[audit]\nttl_seconds = 604800\n[retention]\nevent_ttl_seconds = 172800\n\
         [background]\nenabled = true\ngroup_flush_interval_seconds = 10\nenable_recurring_actions = true\n\
         max_recurring_actions_per_tenant = 10\nmin_recurring_interval_seconds = 300\n\
         [quotas]\nenabled = false\n[server]\nexternal_url = \"https://acteon.example.com/\"",
    )
    .unwrap();
    assert_eq!((config.audit.ttl_seconds, config.event_ttl_seconds), (Some(604_800), Some(172_800)));
    assert_eq!((config.recurring.max_per_tenant, config.recurring.min_interval_seconds), (Some(10), Some(300)));
    assert_eq!(config.server.external_url.as_deref(), Some("https://acteon.example.com"));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("[background] sets nothing but"), "{warnings:?}");
    assert!(warnings[1].contains("`quotas.enabled = false` has no effect"), "{warnings:?}");
    good("[quotas]\nenabled = true");
}

#[test]
fn keys_with_an_id_sign_before_the_one_without() {
    let secret = |digit: &str| digit.repeat(64);
    let text = format!(
        "[server]\napproval_secret = \"{}\"\napproval_keys = [{{ id = \"k2\", secret = \"{}\" }}]",
        secret("a"),
        secret("0")
    );
    let config = good(&text);
    assert_eq!(config.secrets.approval_keys, [(Some("k2".to_owned()), vec![0; 32]), (None, vec![0xaa; 32])]);
    assert!(!shown(&config).to_string().contains(&secret("a")));
    assert!(!format!("{config:?}").contains("170"), "keys are not for logs");
}

#[test]
fn each_mistake_is_named_with_its_place() {
    let step = "[[chains.definitions]]\nname = \"c\"\n[[chains.definitions.steps]]\nname = \"s\"\n";
    let branch = "[[chains.definitions.steps.branches]]\nfield = \"success\"\ntarget = \"t\"\n";
    let cases: [(String, &str); 19] = [
        (
            "[[chains.definitions.steps]]\nname = \"check-inventory\"".to_owned(),
            "1:1: error: [[chains.definitions.steps]] stands alone",
        ),
        ("[[state_machines.transitions]]\nfrom = \"a\"".to_owned(), "put it below the [[state_machines]]"),
        (
            format!("{step}providr = \"p\""),
            "5:1: error: unknown key `providr` in [[chains.definitions.steps]] (did you mean `provider`?)",
        ),
        (
            format!("{step}retry = {{ max_retrys = 1 }}"),
            "unknown key `max_retrys` in [chains.definitions.steps.retry] (did you mean `max_retries`?)",
        ),
        (format!("{step}{branch}operator = \"equals\""), "unknown variant `equals`, expected one of `eq`, `neq`"),
        (
            format!(
                "{step}{branch}operator = \"eq\"\ndefault_next = \"a\"\n{branch}operator = \"eq\"\ndefault_next = \"b\""
            ),
            "`default_next` is there twice for this step",
        ),
        ("[[chains.definitions]]\ntimeout_seconds = 1".to_owned(), "missing field `name`"),
        (
            "[chains]\ncompleted_chain_ttl_seconds = 0".to_owned(),
            "`chains.completed_chain_ttl_seconds` is 0; it may be 1 to",
        ),
        (format!("{MACHINE}{MACHINE}"), "`state_machines[1].name` is \"alert\", as in [[state_machines]] number 1"),
        ("[[time_intervals]]\nname = \"\"\ntime_ranges = []".to_owned(), "`time_intervals[0].name` is refused"),
        (
            "[[time_intervals]]\nname = \"n\"\ntime_ranges = [{ time = [] }]".to_owned(),
            "unknown key `time` in [[time_intervals.time_ranges]] (did you mean `times`?)",
        ),
        ("[background]\nmax_recurring_actions_per_tenant = 0".to_owned(), "it may be 1 to 10000"),
        ("[connectors]\nhealth_interval_seconds = 0".to_owned(), "`connectors.health_interval_seconds` is 0"),
        ("[connectors]\nhealth_interval_seconds = 61".to_owned(), "it may be 1 to 60"),
        ("[background]\nenable_groupflush = true".to_owned(), "unknown key `enable_groupflush` in [background]"),
        (
            "[server]\nexternal_url = \"acteon.example.com\"".to_owned(),
            "`server.external_url` is \"acteon.example.com\"",
        ),
        (
            "[server]\napproval_secret = \"<64-hex-char-random-string>\"".to_owned(),
            "2:19: error: `server.approval_secret` must be 64 hexadecimal digits",
        ),
        (
            "[server]\napproval_keys = [{ id = \"k 1\", secret = \"00\" }]".to_owned(),
            "`server.approval_keys[0].id` must be letters",
        ),
        ("[server]\napproval_keys = [{ secret = \"00\" }]".to_owned(), "`server.approval_keys[0].secret` must be 64"),
    ];
    for (text, part) in cases {
        let problems = parse_text(&text).expect_err(&text).join("\n");
        assert!(problems.contains(part), "{text}\nsays\n{problems}\nwhich lacks\n{part}");
    }
}

#[test]
fn a_mistake_in_a_chain_is_told_once() {
    let problems = parse_text(&TELEMETRY.replace("sub_chain", "subchain")).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn what_is_shown_of_them_can_be_read_again() {
    let config = good(&format!("{TELEMETRY}{MACHINE}"));
    let again = good(&toml::to_string(&shown(&config)).unwrap());
    assert_eq!(again.chains.definitions, config.chains.definitions);
    assert_eq!(again.state_machines, config.state_machines);
    let parts = Parts {
        rules: RulesDefinition {
            evaluation: "cascade".to_owned(),
            default: "allow".to_owned(),
            default_timezone: "UTC".to_owned(),
            files: Vec::new(),
        },
        providers: ["telemetry-normalizer", "anomaly-detector", "metrics-queue", "alert-fanout"]
            .map(str::to_owned)
            .into(),
        chains: config.chains.definitions,
        state_machines: config.state_machines,
        ..Parts::default()
    };
    Definitions::compile(0, parts).expect("the processor takes them");
}
