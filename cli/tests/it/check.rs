use crate::support::{acteon, acteon_with};
use std::fs;

#[test]
fn config_check_tells_every_mistake_and_exits_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    fs::write(&file, "[server]\nprot = 8080\n\n[state]\nbackend = \"redis\"\n\n[executor]\nmax_retries = 1000\n")
        .unwrap();
    let ran = acteon(&["config", "check", "-c", file.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let name = file.display();
    let expected = format!(
        "{name}:2:1: error: unknown key `prot` in [server] (did you mean `port`?)\n\
         {name}:4:2: warning: [state] has no effect: state is kept in [processor] state_dir and restored from Kafka; there \
         is no other store to choose\n\
         {name}:8:15: error: `executor.max_retries` is 1000; the limit is 100\n\
         2 errors, 1 warning\n"
    );
    assert_eq!(ran.stdout, expected);
}

#[test]
fn config_check_warns_of_templates_that_name_what_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chains.toml");
    let text = r#"
[rules]
directory = "rules"
[[providers]]
name = "log"
type = "log"
[[chains.definitions]]
name = "c"
[[chains.definitions.steps]]
name = "first"
provider = "log"
action_type = "x"
payload_template = { good = "{{origin.payload.anything}}", bad = "{{orgin.payload.id}}" }
[[chains.definitions.steps]]
name = "second"
provider = "log"
action_type = "x"
payload_template = { good = "{{steps.first.body.id}}", bad = ["{{steps.gone.body}}", "{{prev.bdy}}", "{{origin.paylod}}"] }
"#;
    fs::write(&file, text).unwrap();
    let ran = acteon(&["config", "check", "-c", file.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let problems = json["problems"].as_array().unwrap();
    let expected = [
        "chain `c`, step `first`: `{{orgin.payload.id}}` is always null: a template begins with `origin`",
        "chain `c`, step `second`: `{{steps.gone.body}}` is always null: the chain has no step `gone`",
        "chain `c`, step `second`: `{{prev.bdy}}` is always null: after `prev.` comes",
        "chain `c`, step `second`: `{{origin.paylod}}` is always null: after `origin.` comes",
    ];
    assert_eq!(problems.len(), expected.len(), "{}", ran.stdout);
    for (problem, expected) in problems.iter().zip(expected) {
        assert_eq!((&problem["severity"], &problem["source"]), (&"warning".into(), &file.to_str().unwrap().into()));
        assert!(problem["message"].as_str().unwrap().starts_with(expected), "{problem}");
    }
    let ran = acteon(&["config", "check", "-c", file.to_str().unwrap()]);
    assert!(ran.stdout.contains(&format!("{}: warning: {}", file.display(), expected[0])), "{}", ran.stdout);
}

#[test]
fn config_check_shows_what_takes_effect() {
    let ran = acteon(&["config", "check", "-c", "examples/advanced-patterns/acteon.toml", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["valid"], true);
    assert_eq!(json["config"]["providers"].as_array().unwrap().len(), 5);
    assert_eq!(json["config"]["providers"][0]["url"], "http://127.0.0.1:9900/[REDACTED]");
    assert_eq!(json["config"]["server"]["port"], 8080);
}

#[test]
fn a_bad_configuration_stops_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    fs::write(&file, "[[providers]]\nname = \"a\"\ntype = \"carrier-pigeon\"\n").unwrap();
    for command in [&["dev"][..], &["run"], &["topology", "show"], &["tail", "audit"]] {
        let ran = acteon(&[command, &["-c", file.to_str().unwrap()]].concat());
        assert_eq!(ran.code, 2, "{command:?}: {}", ran.stderr);
        assert!(ran.error().contains("bad.toml:3:8: error: `providers[0].type`"), "{}", ran.stderr);
    }
    let ran = acteon(&["topology", "show", "-c", "no/such.toml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.error().contains("no/such.toml: error: can't read the configuration"), "{}", ran.stderr);
}

#[test]
fn rules_check_names_file_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules");
    fs::create_dir(&rules).unwrap();
    fs::write(
        rules.join("a.yaml"),
        "rules:\n  - name: one\n    condition: {field: action.tenant, eqq: x}\n    action: {type: suppress}\n",
    )
    .unwrap();
    let ran = acteon(&["rules", "check", rules.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let expected = format!("{}/a.yaml:3:39: error: unknown operator `eqq` (did you mean `eq`?)", rules.display());
    assert!(ran.stdout.starts_with(&expected), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("1 file: 1 error, 0 warnings\n"), "{}", ran.stdout);
}

#[test]
fn rules_that_this_configuration_can_t_perform_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let (rules, config) = (dir.path().join("rules"), dir.path().join("acteon.toml"));
    fs::create_dir(&rules).unwrap();
    let file = "rules:\n\
        - {name: a, condition: {field: action.tenant, eq: x}, action: {type: reroute, target_provider: smss}}\n\
        - {name: b, condition: {field: action.tenant, eq: x}, action: {type: chain, chain: c}}\n\
        - {name: c, condition: {field: action.tenant, eq: x}, action: {type: deduplicate, ttl_seconds: 864000}}\n";
    fs::write(rules.join("a.yaml"), file).unwrap();
    fs::write(&config, "[[providers]]\nname = \"sms\"\ntype = \"log\"\n").unwrap();
    let (rules, config) = (rules.to_str().unwrap(), config.to_str().unwrap());
    let ran = acteon(&["rules", "check", rules, "-c", config, "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let diagnostics = json["diagnostics"].as_array().unwrap();
    let errors: Vec<_> = diagnostics.iter().filter(|diagnostic| diagnostic["severity"] == "error").collect();
    let parts = ["unknown provider `smss`", "unknown chain `c`", "expiring_retention_hours to 264"];
    assert_eq!(errors.len(), parts.len(), "{}", ran.stdout);
    for ((error, part), line) in errors.iter().zip(parts).zip(2..) {
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
        assert_eq!(error["line"], line);
    }
    // Without a configuration, nobody knows which providers there are.
    let ran = acteon(&["rules", "check", rules]);
    assert!(!ran.stdout.contains("smss"), "{}", ran.stdout);
}

#[test]
fn the_examples_and_the_starter_rules_are_good() {
    for example in ["quickstart", "advanced-patterns"] {
        let config = format!("examples/{example}/acteon.toml");
        let ran = acteon(&["rules", "check", "-c", &config]);
        assert_eq!(ran.code, 0, "{}", ran.stdout);
        assert!(ran.stdout.ends_with("0 errors, 0 warnings\n"), "{}", ran.stdout);
    }
    let ran = acteon(&["rules", "check", "rules"]);
    assert_eq!((ran.code, ran.stdout.ends_with("0 errors, 0 warnings\n")), (0, true), "{}", ran.stdout);
}

#[test]
fn rules_explain_tells_why() {
    let action =
        r#"{"namespace":"n","tenant":"t","provider":"email","action_type":"a","payload":{"priority":"urgent"}}"#;
    let args = ["rules", "explain", "--action", "-", "--rules", "examples/quickstart/rules"];
    let ran = acteon_with(&args, action);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("verdict   reroute (rule urgent-to-sms decides)\nprovider  sms\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("action.provider eq \"email\": found \"sms\""), "{}", ran.stdout);
    let ran = acteon_with(&args, "{}");
    assert_eq!(ran.code, 1);
    assert!(ran.error().starts_with("error: the action in - is refused: missing field `namespace`"), "{}", ran.stderr);
}
