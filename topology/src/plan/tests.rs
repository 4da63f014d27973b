#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::topology::Settings;

fn wanted() -> Topology {
    Topology::of(&Settings { providers: vec!["slack".into()], ..Settings::new("acteon") }).unwrap()
}

/// What is there after every step was taken.
fn applied(wanted: &Topology) -> Actual {
    let topics = wanted.topics.iter().map(|spec| {
        let set = spec.configs.keys().cloned().collect();
        (spec.name.clone(), ActualTopic { partitions: spec.partitions, configs: spec.configs.clone(), set })
    });
    Actual { topics: topics.collect() }
}

/// The plan after one topic was changed.
fn plan_after(name: &str, change: impl FnOnce(&mut ActualTopic)) -> Plan {
    let wanted = wanted();
    let mut actual = applied(&wanted);
    change(actual.topics.get_mut(name).unwrap());
    plan(&wanted, &actual)
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_missing_is_created_and_then_nothing_is_left_to_do() {
    let wanted = wanted();
    let first = plan(&wanted, &Actual::default());
    assert_eq!(first.conflicts, []);
    assert_eq!(first.steps.len(), wanted.topics.len());
    assert_eq!(first.steps[0].to_string(), "create acteon.actions with 8 partitions, delete");
    assert!(plan(&wanted, &applied(&wanted)).is_empty());
}

#[test]
fn topics_without_state_grow_and_never_shrink() {
    for name in ["acteon.dispatch.slack", "acteon.dlq"] {
        let grown = plan_after(name, |topic| topic.partitions = 3);
        assert_eq!(texts(&grown.steps), [format!("grow {name} from 3 to 8 partitions")]);
        assert_eq!(grown.conflicts, []);
        assert!(plan_after(name, |topic| topic.partitions = 12).is_empty());
    }
}

#[test]
fn an_uneven_count_is_a_conflict_that_says_what_to_run() {
    let plan = plan_after("acteon.actions", |topic| topic.partitions = 12);
    assert_eq!(plan.steps, []);
    let [conflict] = plan.conflicts.as_slice() else { panic!("{:?}", plan.conflicts) };
    assert!(conflict.problem.contains("acteon.actions has 12"), "{conflict}");
    assert!(conflict.remedy.contains("set the partition count to 12"), "{conflict}");
    let command =
        "kafka-topics.sh --bootstrap-server $BOOTSTRAP_SERVERS --alter --topic acteon.changelog --partitions 12\n";
    assert!(conflict.remedy.contains(command), "{conflict}");
    assert!(!conflict.remedy.contains("--topic acteon.actions "), "{conflict}");
    assert!(!conflict.remedy.contains("--topic acteon.dlq "), "{conflict}");
}

#[test]
fn another_configured_count_is_a_conflict() {
    let wanted = wanted();
    for partitions in [4, 16] {
        let mut actual = applied(&wanted);
        for spec in wanted.topics.iter().filter(|spec| spec.co_partitioned) {
            actual.topics.get_mut(&spec.name).unwrap().partitions = partitions;
        }
        // One that is missing would be created with the wrong count, too.
        actual.topics.remove("acteon.audit");
        let plan = plan(&wanted, &actual);
        let [conflict] = plan.conflicts.as_slice() else { panic!("{:?}", plan.conflicts) };
        assert!(conflict.remedy.contains(&format!("set the partition count to {partitions},")), "{conflict}");
    }
}

#[test]
fn divided_definitions_are_a_conflict() {
    let plan = plan_after("acteon.definitions", |topic| topic.partitions = 8);
    assert_eq!(plan.steps, []);
    assert_eq!(plan.conflicts.len(), 1);
    assert!(plan.conflicts[0].problem.contains("must have 1"), "{}", plan.conflicts[0]);
}

#[test]
fn properties_are_raised_and_never_lowered() {
    let name = "acteon.changelog.expiring";
    // property, found, what becomes of it
    let cases = [
        ("retention.ms", "1000", Some("604800000")),
        ("retention.ms", "999999999999", None),
        ("retention.ms", "-1", None),
        ("max.message.bytes", "1048588", Some("2097152")),
        ("max.message.bytes", "9999999", None),
        ("delete.retention.ms", "86400000", None),
        ("delete.retention.ms", "60000", Some("86400000")),
        ("min.cleanable.dirty.ratio", "0.30", None),
        ("min.cleanable.dirty.ratio", "0.5", Some("0.3")),
        ("segment.bytes", "1073741824", Some("67108864")),
    ];
    for (property, found, becomes) in cases {
        let plan = plan_after(name, |topic| {
            topic.configs.insert(property.to_owned(), found.to_owned());
        });
        assert_eq!(plan.conflicts, [], "{property}={found}");
        let wanted: Vec<String> =
            becomes.iter().map(|to| format!("alter {name}: {property} {found} -> {to}")).collect();
        assert_eq!(texts(&plan.steps), wanted, "{property}={found}");
    }
}

#[test]
fn a_wanted_for_ever_is_reached_and_kept() {
    let wanted = Topology::of(&Settings { retention_ms: -1, ..Settings::new("acteon") }).unwrap();
    let mut actual = applied(&wanted);
    assert!(plan(&wanted, &actual).is_empty());
    let actions = actual.topics.get_mut("acteon.actions").unwrap();
    actions.configs.insert("retention.ms".to_owned(), "604800000".to_owned());
    assert_eq!(texts(&plan(&wanted, &actual).steps), ["alter acteon.actions: retention.ms 604800000 -> -1"]);
}

#[test]
fn an_altered_topic_keeps_what_was_set_on_it_by_hand() {
    let plan = plan_after("acteon.changelog", |topic| {
        topic.configs.insert("segment.bytes".to_owned(), "1073741824".to_owned());
        topic.configs.insert("min.insync.replicas".to_owned(), "2".to_owned());
        topic.configs.insert("flush.ms".to_owned(), "9".to_owned());
        topic.set.insert("min.insync.replicas".to_owned());
    });
    let [Step::AlterConfig { complete, .. }] = plan.steps.as_slice() else { panic!("{:?}", plan.steps) };
    assert_eq!(complete["min.insync.replicas"], "2");
    assert_eq!(complete["segment.bytes"], "67108864");
    assert_eq!(complete["cleanup.policy"], "compact");
    assert_eq!(complete.get("flush.ms"), None, "a broker default must not be pinned to the topic");
}

#[test]
fn a_cleanup_policy_that_removes_more_is_a_conflict() {
    // topic, found, conflict, step
    let cases = [
        ("acteon.changelog", "delete", true, false),
        ("acteon.actions", "compact", true, false),
        ("acteon.changelog.expiring", "compact", true, false),
        ("acteon.changelog.expiring", "delete,compact", false, false),
        // Takes deletion away, which removes nothing.
        ("acteon.changelog", "compact,delete", false, true),
    ];
    for (name, found, conflicts, steps) in cases {
        let plan = plan_after(name, |topic| {
            topic.configs.insert("cleanup.policy".to_owned(), found.to_owned());
        });
        assert_eq!((!plan.conflicts.is_empty(), !plan.steps.is_empty()), (conflicts, steps), "{name} {found}");
    }
}

#[test]
fn plans_are_data() {
    let plan = plan_after("acteon.dlq", |topic| topic.partitions = 3);
    assert_eq!(
        serde_json::to_value(&plan).unwrap(),
        serde_json::json!({
            "steps": [{"step": "grow_partitions", "topic": "acteon.dlq", "from": 3, "to": 8}],
            "conflicts": [],
        })
    );
}
