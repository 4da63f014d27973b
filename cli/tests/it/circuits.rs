//! A provider that fails, its fallback, and the commands about circuits, in one process.

use crate::dev::Dev;
use acteon_testkit::http::{Receiver, Reply};
use acteon_testkit::wait_until;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// What `acteon providers …` answers as JSON.
fn providers(dev: &Dev, args: &[&str]) -> Value {
    let ran = dev.acteon(&[&["providers"], args, &["--json"]].concat(), "");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{args:?}: {}\n{}", ran.stdout, ran.stderr))
}

/// Sends an action and waits for its last outcome.
fn outcome(dev: &Dev, id: &str) -> Value {
    let action = json!({
        "id": id, "namespace": "n", "tenant": "t", "provider": "hook", "action_type": "a", "payload": {},
    });
    let ran = dev.acteon(&["produce", "-", "--wait", "--json"], &action.to_string());
    let line =
        ran.stdout.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{}\n{}", ran.stdout, ran.stderr));
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_provider_that_fails_is_left_alone_and_can_be_reset() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().unwrap();
    receiver.respond(Reply::status(500));
    let config = dir.path().join("acteon.toml");
    let text = format!(
        "[executor]\nmax_retries = 0\n[[providers]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"{}\"\n[[providers]]\n\
         name = \"log\"\ntype = \"log\"\n[circuit_breaker]\nenabled = true\nsuccess_threshold = 1\n\
         [circuit_breaker.providers.hook]\nfailure_threshold = 2\nfallback_provider = \"log\"\n",
        receiver.url()
    );
    fs::write(&config, text).unwrap();
    let dev = Dev::start(&dir.path().join("data"), &config);
    let state = || providers(&dev, &["show", "hook"])["state"].clone();
    assert_eq!(state(), "closed");
    for id in ["first", "second"] {
        assert!(outcome(&dev, id).to_string().contains("EXECUTION_FAILED"));
    }
    assert!(wait_until(LIMIT, || state() == "open"), "{}", providers(&dev, &["list"]));
    assert!(wait_until(LIMIT, || outcome(&dev, "served").to_string().contains("Rerouted")));
    let called = receiver.count();

    let list = dev.acteon(&["providers", "list"], "").stdout;
    assert!(list.contains("FALLBACK PROVIDER") && list.contains("EXECUTION_FAILED"), "{list}");
    receiver.respond(Reply::status(200));
    let reset = providers(&dev, &["reset", "hook"]);
    assert_eq!(reset["state"], "closed", "{reset}");
    assert!(wait_until(LIMIT, || outcome(&dev, "again").to_string().contains("Executed")));
    assert!(receiver.count() > called);

    let tripped = providers(&dev, &["trip", "hook", "--for", "1h", "--reason", "maintenance"]);
    assert_eq!((&tripped["state"], &tripped["reason"]), (&json!("open"), &json!("maintenance")));
    for (args, said) in [(["show", "nobody"], "no provider named `nobody`"), (["trip", "nobody"], "NOT_FOUND")] {
        let ran = dev.acteon(&[&["providers"], &args[..]].concat(), "");
        assert_eq!(ran.code, 1);
        assert!(ran.error().contains(said), "{}", ran.stderr);
    }
    dev.stop();
}
