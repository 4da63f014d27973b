//! What a Kafka broker must do for Acteon, run against the embedded broker and against Apache Kafka.
//!
//! The checks run in order on one cluster and share the topics that the first one makes.

mod admin;
mod groups;
mod transactions;

use crate::client::Client;
use crate::clock;
use acteon_broker::{Broker, Config};
use acteon_testkit::kafka::Kafka;
use anyhow::Result;

/// The topics that the checks share; three partitions each, but for [`COMPACT`] with one.
const IN: &str = "conformance-in";
const OUT: &str = "conformance-out";
const ABORT: &str = "conformance-abort";
const OPEN: &str = "conformance-open";
const BULK: &str = "conformance-bulk";
const COMPACT: &str = "conformance-compact";
const PARTITIONS: i32 = 3;

type Check = (&'static str, fn(&Client) -> Result<()>);

const CHECKS: &[Check] = &[
    ("topics are created", admin::creates_topics),
    ("a topic that exists is not created again", admin::refuses_an_existing_topic),
    ("settings are described", admin::describes_configs),
    ("an idempotent producer's records are all there", admin::takes_idempotent_records),
    ("a group consumes, commits and resumes", groups::resumes_from_commits),
    ("a cooperative group hands partitions over and back", groups::rebalances_cooperatively),
    ("records and offsets are committed together", transactions::commits_records_and_offsets),
    ("an abort hides records and keeps offsets", transactions::aborts),
    ("an open transaction holds the last stable offset", transactions::holds_the_stable_offset),
    ("a second producer fences the first", transactions::fences_the_older_producer),
    ("a member that left can't commit offsets", transactions::fences_a_stale_member),
    ("a compacted topic takes keys and tombstones", admin::takes_tombstones),
    ("bulk records go in and out", admin::carries_bulk),
    ("small transactions follow each other", transactions::runs_many_small_ones),
];

/// Runs every check; panics with those that failed.
fn run(bootstrap: &str) {
    let client = Client::new(bootstrap);
    let mut failures = Vec::new();
    for (name, check) in CHECKS {
        let began = clock::now();
        let result = check(&client);
        let outcome = if result.is_ok() { "ok" } else { "FAILED" };
        eprintln!("{:6.2} s  {outcome:6}  {name}", began.elapsed().as_secs_f64());
        failures.extend(result.err().map(|error| format!("{name}: {error:#}")));
    }
    assert!(failures.is_empty(), "{} of {} checks failed:\n{}", failures.len(), CHECKS.len(), failures.join("\n"));
}

#[test]
fn conformance_embedded() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(Config::new(dir.path())).unwrap();
    run(&broker.bootstrap());
}

#[test]
fn conformance_kafka() {
    let kafka = Kafka::start().unwrap();
    run(kafka.bootstrap());
}
