//! State that survives: restarts, moves, lost directories.

use crate::harness::{Bench, action, borrowed, embedded};
use acteon_runtime::Processor;

const DEDUP: &str = "
rules:
  - name: once
    action: {type: deduplicate, ttl_seconds: 3600}
";

fn keyed(range: std::ops::Range<usize>) -> Vec<(String, Vec<u8>)> {
    range.map(|i| action(&format!("a{i}"), i % 9, &format!(r#","dedup_key":"k{}""#, i % 50))).collect()
}

fn decided(bench: &Bench, count: usize, dispatched: usize) {
    let outcomes = bench.read(bench.names.outcomes(), count);
    let found = outcomes.iter().filter(|outcome| outcome.json()["outcome"] == "dispatched").count();
    assert_eq!(found, dispatched);
}

/// Changelog records read by all tasks: health tells of a task with a delay, so until all are said to run.
fn restored(processor: &Processor, tasks: usize) -> u64 {
    let is_settled = || {
        let health = processor.health();
        health.ready && health.tasks.len() == tasks
    };
    assert!(acteon_testkit::wait_until(crate::harness::LIMIT, is_settled), "{:?}", processor.health());
    processor.health().tasks.iter().map(|task| task.restored).sum()
}

#[test]
fn keys_are_remembered_across_a_restart_and_the_loss_of_the_directory() {
    let (_broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "restart", 4, DEDUP);
    let processor = bench.start_alone("one");
    bench.produce(bench.names.actions(), &borrowed(&keyed(0..450)));
    // 9 tenants times 50 keys, each pair once: 450 is their least common multiple.
    decided(&bench, 450, 450);
    processor.stop().unwrap();
    let processor = bench.start_alone("one");
    bench.produce(bench.names.actions(), &borrowed(&keyed(450..900)));
    decided(&bench, 900, 450);
    assert_eq!(restored(&processor, 4), 0, "a graceful stop leaves nothing to restore");
    processor.stop().unwrap();
    std::fs::remove_dir_all(bench.state.path().join("one")).unwrap();
    let processor = bench.start_alone("one");
    bench.produce(bench.names.actions(), &borrowed(&keyed(900..1350)));
    decided(&bench, 1350, 450);
    let restored = restored(&processor, 4);
    assert!(restored >= 450, "{restored}");
    processor.stop().unwrap();
}

#[test]
fn partitions_move_with_their_state_when_members_come_and_go() {
    let (_broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "moving", 6, DEDUP);
    let one = bench.start("one");
    bench.produce(bench.names.actions(), &borrowed(&keyed(0..450)));
    decided(&bench, 450, 450);
    let two = bench.start("two");
    let settled = acteon_testkit::wait_until(crate::harness::LIMIT, || {
        let (one, two) = (one.health(), two.health());
        one.ready && two.ready && two.tasks.len() >= 2 && one.tasks.len() + two.tasks.len() == 6
    });
    assert!(settled, "{:?} {:?}", one.health(), two.health());
    bench.produce(bench.names.actions(), &borrowed(&keyed(450..900)));
    decided(&bench, 900, 450);
    one.stop().unwrap();
    bench.produce(bench.names.actions(), &borrowed(&keyed(900..1350)));
    decided(&bench, 1350, 450);
    assert_eq!(two.health().tasks.len(), 6);
    two.stop().unwrap();
}

#[test]
fn a_truncated_changelog_is_noticed_and_the_store_built_anew() {
    let (broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "truncated", 2, DEDUP);
    let processor = bench.start("one");
    bench.produce(bench.names.actions(), &borrowed(&keyed(0..450)));
    decided(&bench, 450, 450);
    processor.stop().unwrap();
    // The log now ends before the store does, as after the loss of a disk without a copy.
    bench.recreate(bench.names.changelog_expiring());
    let processor = bench.start("one");
    bench.produce(bench.names.actions(), &borrowed(&keyed(450..900)));
    // What the changelog has lost can't be known; what follows is decided on the state that there is.
    decided(&bench, 900, 900);
    assert!(processor.health().ready);
    processor.stop().unwrap();
    drop(broker);
}
