//! `long_retry` of a provider.

use super::*;
use acteon_schemas::LongRetryDefinition;

fn provider(keys: &str) -> String {
    format!("[[providers]]\nname = \"p\"\ntype = \"log\"\n{keys}\n")
}

#[test]
fn long_retries_are_read_published_and_shown() {
    let minutes = LongRetryDefinition { max_retries: 5, initial_ms: 60_000, max_ms: 3_600_000 };
    let own = LongRetryDefinition { max_retries: 2, initial_ms: 5_000, max_ms: 9_000 };
    let slow = LongRetryDefinition { max_retries: 5, initial_ms: 7_200_000, max_ms: 7_200_000 };
    let cases = [
        ("", None),
        ("long_retry = {}", Some(minutes)),
        ("long_retry = { max_retries = 2, initial_seconds = 5, max_seconds = 9 }", Some(own)),
        ("long_retry = { initial_seconds = 7200 }", Some(slow)),
    ];
    for (keys, wanted) in cases {
        let (config, _) = parse("acteon.toml", &provider(keys), &Overrides::default()).unwrap();
        assert_eq!(config.providers[0].long_retry, wanted, "{keys}");
        let definitions = crate::definitions::of(&config, &crate::definitions::RuleFiles::default()).unwrap();
        let published = definitions.iter().find_map(|definition| match definition {
            acteon_schemas::Definition::Provider(provider) => Some(provider.long_retry.clone()),
            _ => None,
        });
        assert_eq!(published, Some(wanted.clone()));
        let seconds = shown(&config)["providers"][0]["long_retry"]["initial_seconds"].as_u64();
        assert_eq!(seconds, wanted.map(|wanted| wanted.initial_ms / 1000));
    }
}

#[test]
fn wrong_long_retries_are_refused_at_their_place() {
    let cases = [
        ("long_retry = { max_retries = 0 }", "`providers[0].long_retry.max_retries` is 0; it must be from 1 to 100"),
        ("long_retry = { initial_seconds = 0 }", "`providers[0].long_retry.initial_seconds` is 0"),
        ("long_retry = { max_seconds = 700000 }", "`providers[0].long_retry.max_seconds` is 700000"),
        ("long_retry = { max_seconds = 59 }", "less than `initial_seconds`, which is 60"),
        ("long_retry = { retries = 3 }", "retries"),
        ("long_retry = 3", "long_retry"),
    ];
    for (keys, part) in cases {
        let problems = parse("acteon.toml", &provider(keys), &Overrides::default()).unwrap_err().0;
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.contains(part) && line.contains(":4:")), "{keys}: {told:?}");
    }
}
