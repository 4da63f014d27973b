//! `[circuit_breaker]`.

use super::{good, parse_text};
use crate::config::shown;

const PROVIDERS: &str = "
[[providers]]
name = \"anomaly-detector\"
type = \"log\"
[[providers]]
name = \"dead-letter-queue\"
type = \"log\"
[[providers]]
name = \"local-fallback\"
type = \"log\"
";

const BREAKER: &str = "
[circuit_breaker]
enabled = true
failure_threshold = 3
success_threshold = 1
[circuit_breaker.providers.anomaly-detector]
failure_threshold = 2
recovery_timeout_seconds = 30
fallback_provider = \"dead-letter-queue\"
";

#[test]
fn each_provider_has_a_circuit_and_its_own_values_go_first() {
    let config = good(&format!("{BREAKER}{PROVIDERS}"));
    let values: Vec<_> = config
        .circuits
        .iter()
        .map(|(name, circuit)| {
            let numbers = (circuit.failure_threshold, circuit.success_threshold, circuit.recovery_timeout_ms);
            (name.as_str(), numbers, circuit.fallback_provider.as_deref())
        })
        .collect();
    assert_eq!(
        values,
        [
            ("anomaly-detector", (2, 1, 30_000), Some("dead-letter-queue")),
            ("dead-letter-queue", (3, 1, 60_000), None),
            ("local-fallback", (3, 1, 60_000), None),
        ]
    );
    let again = good(&toml::to_string(&shown(&config)).unwrap());
    assert_eq!(again.circuits, config.circuits);
    let defaults = good(&format!("[circuit_breaker]\nenabled = true\n{PROVIDERS}"));
    let first = &defaults.circuits["local-fallback"];
    assert_eq!((first.failure_threshold, first.success_threshold, first.recovery_timeout_ms), (5, 2, 60_000));
}

#[test]
fn without_enabled_there_are_none() {
    assert!(good(PROVIDERS).circuits.is_empty());
    let text = format!("{BREAKER}{PROVIDERS}").replace("enabled = true", "enabled = false");
    let (config, warnings) = parse_text(&text).unwrap();
    assert!(config.circuits.is_empty());
    assert!(
        warnings.join("\n").contains("[circuit_breaker] has no effect while `enabled` is not true"),
        "{warnings:?}"
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    let with = |from: &str, to: &str| format!("{}{PROVIDERS}", BREAKER.replace(from, to));
    let cases = [
        (
            with("providers.anomaly-detector", "providers.anomaly-detectr"),
            "6:28: error: `circuit_breaker.providers.anomaly-detectr` names `anomaly-detectr`, and no such provider is configured (did you mean `anomaly-detector`?)",
        ),
        (
            with("\"dead-letter-queue\"", "\"nobody\""),
            "`circuit_breaker.providers.anomaly-detector.fallback_provider` names `nobody`, and no such provider is configured; add it under [[providers]]",
        ),
        (
            with("\"dead-letter-queue\"", "\"anomaly-detector\""),
            "the fallbacks go round in a circle: anomaly-detector → anomaly-detector",
        ),
        (
            with("failure_threshold = 2", "failure_threshold = 0"),
            "`circuit_breaker.providers.anomaly-detector.failure_threshold` is 0; it may be 1 to 1000000",
        ),
        (with("success_threshold = 1", "success_threshold = 0"), "`circuit_breaker.success_threshold` is 0"),
        (
            with("recovery_timeout_seconds = 30", "recovery_timeout_seconds = 0"),
            "recovery_timeout_seconds` is 0; it may be 1 to 2592000",
        ),
        (
            with("failure_threshold = 2", "failure_treshold = 2"),
            "unknown key `failure_treshold` in [circuit_breaker.providers.anomaly-detector] (did you mean `failure_threshold`?)",
        ),
        (
            with("success_threshold", "succes_threshold"),
            "unknown key `succes_threshold` in [circuit_breaker] (did you mean `success_threshold`?)",
        ),
    ];
    for (text, part) in cases {
        let problems = parse_text(&text).expect_err(part).join("\n");
        assert!(problems.contains(part), "{problems}\nlacks\n{part}");
    }
}
