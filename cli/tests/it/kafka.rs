//! `acteon run` on Apache Kafka: what the quickstart shows on the embedded broker, with nothing changed but the address.

use crate::support::{acteon, acteon_with, root, run};
use acteon_testkit::kafka::Kafka;
use acteon_testkit::process::Process;
use acteon_testkit::wait_until;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(90);
const CONFIG: &str = "examples/quickstart/acteon.toml";

/// A process with all roles, its state under `dir`.
fn instance(kafka: &Kafka, dir: &Path, instance_id: &str) -> Process {
    std::fs::create_dir_all(dir).unwrap();
    let config = dir.join("acteon.toml");
    let text = std::fs::read_to_string(root().join(CONFIG)).unwrap();
    let state = dir.join("state");
    let processor =
        format!("{text}\n[processor]\ninstance_id = \"{instance_id}\"\nstate_dir = \"{}\"\n", state.display());
    std::fs::write(&config, processor).unwrap();
    run(kafka.bootstrap(), &config, &[])
}

/// Actions for every partition: an instance finds out that it is fenced when it has something to commit.
fn many_tenants() -> String {
    let action = |tenant| {
        format!(r#"{{"namespace":"n","tenant":"{tenant}","provider":"email","action_type":"a","payload":{{}}}}"#)
    };
    (0..64).map(action).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_quickstart_on_apache_kafka() {
    let kafka = Kafka::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let common = ["--bootstrap-servers", kafka.bootstrap(), "-c", CONFIG];
    let on_kafka = |args: &[&str]| acteon(&[args, &common].concat());

    // Without topics nothing starts or is sent, and what to run is said.
    for command in [&["run", "--port", "0"][..], &["topology", "check"]] {
        let ran = on_kafka(command);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("run: acteon topology apply"), "{}", ran.stderr);
    }
    let ran = on_kafka(&["produce", "examples/quickstart/actions.ndjson"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.error().contains("there is no topic acteon.actions"), "{}", ran.stderr);

    let ran = on_kafka(&["topology", "apply"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("acteon.dispatch.pager"), "{}", ran.stdout);
    assert_eq!(on_kafka(&["topology", "plan"]).stdout, "nothing to do\n");
    assert_eq!(on_kafka(&["topology", "check"]).code, 0);

    let mut older = instance(&kafka, &dir.path().join("older"), "one");
    let ran = on_kafka(&["produce", "examples/quickstart/actions.ndjson", "--wait", "--json"]);
    assert_eq!(ran.code, 0, "{}\n{}\n{}", ran.stdout, ran.stderr, older.tail());
    let summary: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    let expected = serde_json::json!(
        {"executed": 5, "rerouted": 2, "deduplicated": 2, "suppressed": 1, "throttled": 1, "failed": 1}
    );
    assert_eq!(summary["summary"]["outcomes"], expected);

    let applied = on_kafka(&["rules", "apply"]);
    assert_eq!((applied.code, applied.stdout.as_str()), (0, "5 rules: as they are running\n"), "{}", applied.stderr);

    // A second instance with the same id takes over: the older one stops, and says so.
    let mut newer = instance(&kafka, &dir.path().join("newer"), "one");
    // The older one may have committed its share before the newer one came: it finds out at its next commit.
    let produce = || acteon_with(&[&["produce", "-", "--wait", "--json"], &common[..]].concat(), &many_tenants());
    let stopped = wait_until(LIMIT, || {
        let again = produce();
        if newer.is_running() {
            assert_eq!(again.code, 0, "{}\n{}\n{}", again.stdout, again.stderr, newer.tail());
        } else {
            // A commit that takes seconds, as on a busy machine, has the older one make its producer anew, which takes the
            // id back: then the newer one says so and stops, and whoever keeps it running starts it again.
            assert!(newer.tail().contains("was fenced"), "{}", newer.tail());
            newer = instance(&kafka, &dir.path().join("newer"), "one");
        }
        !older.is_running()
    });
    assert!(stopped, "{}", older.tail());
    let again = produce();
    assert_eq!(again.code, 0, "{}\n{}\n{}", again.stdout, again.stderr, newer.tail());
    let status = older.wait(LIMIT).unwrap();
    assert_eq!(status.code(), Some(3), "{}", older.tail());
    assert!(older.tail().contains("was fenced"), "{}", older.tail());
    assert!(newer.terminate(LIMIT).unwrap().success(), "{}", newer.tail());
}
