//! How providers' calls fare, in one process: measured by connectors, read by the command line, and as metrics.

use crate::dev::Dev;
use crate::support::http_get;
use acteon_testkit::http::{Receiver, Reply};
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Durations that the receiver takes at least, in milliseconds.
const DELAY_MS: u64 = 40;

/// The health of a provider as `acteon providers show --json` has it.
fn health(dev: &Dev, provider: &str) -> Value {
    let ran = dev.acteon(&["providers", "show", provider, "--json"], "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str::<Value>(&ran.stdout).unwrap()["health"].take()
}

/// Sends actions for the provider `hook` and waits for their outcomes.
fn send(dev: &Dev, count: usize) {
    let action = json!({"namespace": "n", "tenant": "t", "provider": "hook", "action_type": "a", "payload": {}});
    assert_eq!(dev.produce(&format!("{action}\n").repeat(count)).len(), count);
}

/// The value of a metric of the provider `hook`.
fn metric(dev: &Dev, name: &str) -> Option<f64> {
    let text = http_get(dev.http(), "/metrics/prometheus");
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{provider=\"hook\"}} ")))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn calls_are_counted_timed_and_shown() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().unwrap());
    let (config, rules) = (dir.path().join("acteon.toml"), dir.path().join("rules"));
    fs::create_dir(&rules).unwrap();
    let text = format!(
        "[rules]\ndirectory = {rules:?}\n[connectors]\nhealth_interval_seconds = 1\n[[providers]]\nname = \"hook\"\n\
         type = \"webhook\"\nurl = \"{}\"\nmax_retries = 0\n[[providers]]\nname = \"log\"\ntype = \"log\"\n",
        receiver.url()
    );
    fs::write(&config, text).unwrap();
    let dev = Dev::start(&dir.path().join("data"), &config);
    receiver.respond(Reply::status(200).delay(Duration::from_millis(DELAY_MS)));
    send(&dev, 4);
    receiver.respond(Reply::status(500).body("out of order"));
    send(&dev, 2);

    let all_told =
        || (&health(&dev, "hook")["total_requests"], &health(&dev, "hook")["backlog"]) == (&json!(6), &json!(0));
    assert!(wait_until(LIMIT, all_told), "{}", health(&dev, "hook"));
    let hook = health(&dev, "hook");
    let wanted = json!({
        "provider": "hook", "healthy": true, "health_check_error": null, "circuit_breaker_state": null,
        "successes": 4, "failures": 2, "success_rate": 66.67, "consecutive_failures": 2, "members": 1, "in_flight": 0,
    });
    for (key, value) in wanted.as_object().unwrap() {
        assert_eq!(&hook[key], value, "{key} of {hook}");
    }
    assert!(hook["last_error"].as_str().unwrap().starts_with("EXECUTION_FAILED: "), "{hook}");
    assert!(hook["last_request_at"].as_i64() >= hook["last_error_at"].as_i64());
    let (p50, p99) = (hook["p50_latency_ms"].as_f64().unwrap(), hook["p99_latency_ms"].as_f64().unwrap());
    assert!(DELAY_MS as f64 <= p50 && p50 <= p99, "{hook}");
    let idle = health(&dev, "log");
    assert_eq!(
        (&idle["total_requests"], &idle["healthy"], &idle["last_error"]),
        (&json!(0), &json!(true), &Value::Null)
    );

    let list = dev.acteon(&["providers", "list"], "").stdout;
    let row = list.lines().find(|line| line.trim_start().starts_with("hook")).unwrap();
    assert!(list.contains("SUCCESS %") && list.contains("P95 MS") && list.contains("BACKLOG"), "{list}");
    assert!(row.contains("66.67") && row.contains("EXECUTION_FAILED"), "{list}");
    let shown = dev.acteon(&["providers", "show", "hook"], "").stdout;
    assert!(shown.contains("failures_in_a_row") && shown.contains("EXECUTION_FAILED: "), "{shown}");

    let counts = ["requests_total", "successes_total", "failures_total", "consecutive_failures"]
        .map(|name| metric(&dev, &format!("acteon_provider_{name}")));
    assert_eq!(counts, [Some(6.0), Some(4.0), Some(2.0), Some(2.0)]);
    let rate = metric(&dev, "acteon_provider_success_rate").unwrap();
    assert!((66.0..67.0).contains(&rate), "{rate}");
    assert_eq!(metric(&dev, "acteon_provider_p50_latency_ms"), Some(p50));
    assert_eq!(metric(&dev, "acteon_provider_p99_latency_ms"), Some(p99));
    assert!(metric(&dev, "acteon_provider_avg_latency_ms").unwrap() > 0.0);
    // It is measured now and then, and a marker counts until a fetch has passed it.
    let nothing_waits = || metric(&dev, "acteon_connector_lag") == Some(0.0);
    assert!(wait_until(LIMIT, nothing_waits), "markers of transactions don't wait for anyone");

    // The third in a row.
    send(&dev, 1);
    let failing = || health(&dev, "hook")["healthy"] == json!(false);
    assert!(wait_until(LIMIT, failing), "{}", health(&dev, "hook"));
    let reason = health(&dev, "hook")["health_check_error"].take();
    assert!(reason.as_str().unwrap().starts_with("the last 3 calls failed, at last with EXECUTION_FAILED"), "{reason}");
    dev.stop();
}
