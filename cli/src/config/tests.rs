#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod circuits;
mod ingest;
mod long_retry;
mod providers;
mod stateful;

use super::*;

fn parse_text(text: &str) -> Result<(Config, Vec<String>), Vec<String>> {
    let lines = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    match parse("acteon.toml", text, &Overrides::default()) {
        Ok((config, warnings)) => Ok((config, lines(warnings))),
        Err(Refused(problems)) => Err(lines(problems)),
    }
}

fn good(text: &str) -> Config {
    let (config, warnings) = parse_text(text).expect("a good configuration");
    assert_eq!(warnings, Vec::<String>::new());
    config
}

#[test]
fn nothing_written_means_the_defaults() {
    let config = good("");
    assert_eq!((config.server.host.as_str(), config.server.port), ("127.0.0.1", 8080));
    assert_eq!(config.server.shutdown_timeout, Duration::from_secs(30));
    assert_eq!(config.kafka.bootstrap(), "127.0.0.1:9092");
    assert_eq!(config.topology.names.actions(), "acteon.actions");
    assert_eq!((config.topology.settings.partitions, config.topology.settings.replication_factor), (8, -1));
    assert_eq!(config.processor.application_id, "acteon.processor");
    assert!((1..=4).contains(&config.processor.workers));
    assert_eq!(config.processor.commit_max_bytes, 16 * 1024 * 1024);
    assert_eq!((config.rules.evaluation.as_str(), config.rules.default.as_str()), ("cascade", "allow"));
    assert!(config.rules.watch && !config.rules.directory_given);
    assert_eq!(config.limits.max_concurrent, 100);
    assert!(config.audit.store_payload && config.audit.redact_fields.is_empty());
}

#[test]
fn kafka_s_properties_come_quoted_or_dotted() {
    for text in [
        "[kafka]\n\"bootstrap.servers\" = \"a:1\"\n\"socket.timeout.ms\" = 5000\n\"log.connection.close\" = false",
        "[kafka]\nbootstrap.servers = \"a:1\"\nsocket.timeout.ms = 5000\nlog.connection.close = false",
        "kafka.bootstrap.servers = \"a:1\"\n[kafka.socket]\ntimeout.ms = \"5000\"\n[kafka.log.connection]\nclose = false",
    ] {
        let config = good(text);
        let properties = config.kafka.properties();
        assert_eq!(config.kafka.bootstrap(), "a:1", "{text}");
        assert_eq!(properties["socket.timeout.ms"], "5000", "{text}");
        assert_eq!(properties["log.connection.close"], "false", "{text}");
        assert!(config.has_kafka_section);
    }
}

#[test]
fn flags_and_environment_go_over_the_file() {
    let overrides = Overrides {
        bootstrap_servers: Some("b:2".into()),
        host: Some("0.0.0.0".into()),
        port: Some(0),
        approval_secret: Some("ab".repeat(32)),
    };
    let text = "[kafka]\n\"bootstrap.servers\" = \"a:1\"\n[server]\nport = 1";
    let (config, _) = parse("acteon.toml", text, &overrides).unwrap();
    assert_eq!(config.kafka.bootstrap(), "b:2");
    assert_eq!((config.server.host.as_str(), config.server.port), ("0.0.0.0", 0));
    assert_eq!(config.secrets.approval_keys, [(None, vec![0xab; 32])]);
}

/// A text, and a part of what it is refused with.
type Mistake = (&'static str, &'static str);

const MISTAKES: [Mistake; 24] = [
    ("[egress]\nallow = [\"localhost\"]", "2:9: error: `egress.allow` has \"localhost\"; use a network"),
    ("[[templates]]\nname = \"a\"\ncontent = \"{{ x\"", "3:11: error: `templates[0].content` is a bad template"),
    (
        "[[profiles]]\nname = \"a\"\n[profiles.fields]\nx = \"{{ x\"",
        "4:5: error: `profiles[0].fields.x` is a bad template",
    ),
    ("[servr]\n", "acteon.toml:1:2: error: unknown key `servr` in the top level (did you mean `server`?)"),
    ("[server]\n  prot = 1", "acteon.toml:2:3: error: unknown key `prot` in [server] (did you mean `port`?)"),
    (
        "[server]\nzzz = 1",
        "unknown key `zzz` in [server]; known are host, port, shutdown_timeout_seconds, external_url",
    ),
    ("[audit.redact]\nfeilds = []", "2:1: error: unknown key `feilds` in [audit.redact] (did you mean `fields`?)"),
    ("[server]\nport = \"x\"", "2:8: error: `server.port`: invalid type: string \"x\", expected u16"),
    ("[server]\nport = 70000", "2:8: error: `server.port`: invalid value"),
    ("[server]\nport = ", "2:8: error: "),
    ("[server]\nhost = \" \"", "`server.host` is empty"),
    ("[kafka]\n\"socket.timeout.msx\" = 1", "2:24: error: [kafka] `socket.timeout.msx`: No such configuration"),
    ("[kafka]\nsocket.timeout.ms = \"x\"", "[kafka] `socket.timeout.ms`: Invalid value"),
    ("[kafka]\nbootstrap.servers = [\"a\"]", "`kafka.bootstrap.servers` must be a string"),
    ("[topology]\nprefix = \"a b\"", "2:10: error: `topology.prefix` is refused"),
    ("[topology]\npartitions = 0", "[topology]"),
    ("[topology]\nexpiring_retention_hours = 1", "[topology]"),
    ("[processor]\nworkers = 0", "`processor.workers` is 0; it may be 1 to 64"),
    ("[processor]\ninstance_id = \"a/b\"", "`processor.instance_id` is refused"),
    ("[rules]\nevaluation = \"cascad\"", "it may be cascade or first_match (did you mean `cascade`?)"),
    (
        "[rules]\ndefault_timezone = \"Berlin\"",
        "no IANA time zone such as Europe/Berlin (did you mean `Europe/Berlin`?)",
    ),
    ("[rules]\ndefault_timezone = \"US/Estern\"", "(did you mean `US/Eastern`?)"),
    ("[executor]\nmax_retries = 101", "2:15: error: `executor.max_retries` is 101"),
    ("[executor]\ntimeout_seconds = 0", "`executor.timeout_seconds` is 0ns"),
];

#[test]
fn each_mistake_is_named_with_its_place_and_what_may_have_been_meant() {
    for (text, part) in MISTAKES.into_iter().chain(providers::MISTAKES) {
        let problems = parse_text(text).expect_err(text).join("\n");
        assert!(problems.contains(part), "{text}\nsays\n{problems}\nwhich lacks\n{part}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let problems = parse_text("[server]\nprot = 1\n[executor]\nmax_retires = 1\nmax_retries = 1000").unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn properties_that_are_not_the_user_s_to_set_have_no_effect() {
    let (config, warnings) = parse_text("[kafka]\ngroup.id = \"mine\"").unwrap();
    assert_eq!(config.kafka.properties().get("group.id"), None);
    assert!(warnings[0].contains("2:12: warning: [kafka] `group.id` has no effect"), "{warnings:?}");
}

/// The default file of product document C.1, with everything in it active.
const README_FILE: &str = r#"
[server]
host = "127.0.0.1"
port = 8080
shutdown_timeout_seconds = 30
[state]
backend = "redis"
url = "redis://localhost:6379"
prefix = "acteon"
[audit]
enabled = true
backend = "postgres"
url = "postgres://acteon:acteon@localhost:5432/acteon"
prefix = "acteon_"
ttl_seconds = 2592000
cleanup_interval_seconds = 3600
store_payload = true
[audit.redact]
enabled = true
fields = ["password", "token", "api_key", "secret", "credit_card"]
placeholder = "[REDACTED]"
[rules]
directory = "./rules"
[executor]
max_retries = 3
timeout_seconds = 30
max_concurrent = 100
[auth]
enabled = true
config_path = "auth.toml"
watch = true
"#;

/// The building pipeline's sections (C.3), with a chain as printed: an inline table over several lines, and
/// `default_next` below the branches.
const PIPELINE_FILE: &str = r#"
[state]
backend = "dynamodb"
url = "http://localhost:4566"
table_name = "acteon_state"
[audit]
enabled = true
backend = "dynamodb"
url = "http://localhost:4566"
region = "us-east-1"
table_name = "acteon_audit"
ttl_seconds = 604800
store_payload = true
[audit.redact]
enabled = true
fields = ["aws_role_arn", "function_arn", "queue_url"]
[executor]
max_retries = 2
timeout_seconds = 15
max_concurrent = 16
[circuit_breaker]
enabled = true
failure_threshold = 3
[circuit_breaker.providers.anomaly-detector]
failure_threshold = 2
fallback_provider = "dead-letter-queue"
[background]
enabled = true
group_flush_interval_seconds = 10
namespace = "iot"
[quotas]
enabled = true
[chains]
max_concurrent_advances = 8
[[chains.definitions]]
name = "telemetry-processing"
timeout_seconds = 300
[[chains.definitions.steps]]
name = "detect-anomaly"
provider = "anomaly-detector"
action_type = "invoke"
payload_template = {
  device_id = "{{origin.payload.device_id}}",
  value = "{{origin.payload.value}}",
}
[[chains.definitions.steps.branches]]
field = "success"
operator = "eq"
value = true
target = "publish-event"
default_next = "archive-metrics"
[[providers]]
name = "local-fallback"
type = "log"
[[providers]]
name = "anomaly-detector"
type = "log"
[[providers]]
name = "dead-letter-queue"
type = "log"
"#;

/// The order pipeline's sections (C.4) and the state machine of the advanced patterns.
const ORDERS_FILE: &str = r#"
[server]
approval_secret = "0000000000000000000000000000000000000000000000000000000000000000"
[rules]
directory = "examples/ecommerce-order-pipeline/rules"
default_timezone = "US/Eastern"
[[providers]]
name = "payment-gateway"
type = "webhook"
url = "https://api.stripe.com/v1/charges"
headers = { "Authorization" = "Bearer sk_live_xxx", "Content-Type" = "application/x-www-form-urlencoded" }
[[providers]]
name = "warehouse"
type = "log"
[[state_machines]]
name = "alert"
initial_state = "firing"
states = ["firing", "acknowledged", "resolved", "stale"]
[[state_machines.transitions]]
from = "firing"
to = "acknowledged"
"#;

#[test]
fn the_original_s_files_load_with_warnings_that_say_what_takes_the_place() {
    let cases: [(&str, usize, &[&str]); 3] = [
        (
            README_FILE,
            7,
            &[
                "acteon.toml:6:2: warning: [state] has no effect: state is kept in [processor] state_dir",
                "`audit.backend` has no effect: audit records go to the audit topic",
                "[auth] has no effect: this version has no access control",
            ],
        ),
        (
            PIPELINE_FILE,
            8,
            &[
                "`chains.max_concurrent_advances` has no effect",
                "[background] sets nothing but limits of recurring actions",
            ],
        ),
        (ORDERS_FILE, 0, &[]),
    ];
    for (text, count, parts) in cases {
        let (_, warnings) = parse_text(text).expect("the original's file loads");
        let all = warnings.join("\n");
        assert_eq!(warnings.len(), count, "{all}");
        for part in parts {
            assert!(all.contains(part), "{all}\nlacks\n{part}");
        }
    }
}

#[test]
fn what_the_original_s_files_set_takes_effect_where_it_has_a_meaning() {
    let (config, _) = parse_text(PIPELINE_FILE).unwrap();
    assert_eq!((config.limits.max_retries, config.limits.timeout), (2, Duration::from_secs(15)));
    assert_eq!(config.audit.redact_fields, ["aws_role_arn", "function_arn", "queue_url"]);
    let (config, _) = parse_text(ORDERS_FILE).unwrap();
    assert_eq!(config.rules.default_timezone, "US/Eastern");
    assert_eq!(config.providers.len(), 2);
    assert_eq!(config.topology_settings().providers, ["payment-gateway", "warehouse"]);
}

#[test]
fn what_is_shown_hides_secrets_and_can_be_read_again() {
    let secret = "hunter2";
    let text = format!("{ORDERS_FILE}\n[kafka]\nsasl.password = \"{secret}\"\n").replace("sk_live_xxx", secret);
    let (config, _) = parse_text(&text).unwrap();
    let shown = toml::to_string(&shown(&config)).unwrap();
    assert!(!shown.contains(secret), "{shown}");
    assert!(shown.contains("application/x-www-form-urlencoded"), "{shown}");
    good(&shown);
}
