//! Consumer groups.

use super::{IN, PARTITIONS};
use crate::client::{Client, LIMIT, take};
use crate::clock;
use anyhow::{Result, ensure};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use std::time::Duration;

/// Longer than any pause between records of a topic that is being read.
const QUIET: Duration = Duration::from_secs(3);

pub(crate) fn resumes_from_commits(client: &Client) -> Result<()> {
    let member = || {
        let consumer = client.consumer("resume", "read_committed", "cooperative-sticky")?;
        consumer.subscribe(&[IN])?;
        anyhow::Ok(consumer)
    };
    let first = {
        let consumer = member()?;
        let received = take(&consumer, 150, LIMIT)?;
        consumer.commit_consumer_state(CommitMode::Sync)?;
        received
    };
    let consumer = member()?;
    let mut second = take(&consumer, 150, LIMIT)?;
    second.extend(take(&consumer, 1, Duration::from_millis(300))?);
    ensure!(first.len() + second.len() == 300, "first {}, then {}", first.len(), second.len());
    ensure!(second.iter().all(|r| !first.contains(r)), "a record came twice");
    Ok(())
}

pub(crate) fn rebalances_cooperatively(client: &Client) -> Result<()> {
    let member = || {
        let consumer = client.consumer("cooperative", "read_committed", "cooperative-sticky")?;
        consumer.subscribe(&[IN])?;
        anyhow::Ok(consumer)
    };
    let all = PARTITIONS as usize;
    let count = |consumer: &BaseConsumer| consumer.assignment().map_or(0, |a| a.count());
    let first = member()?;
    take(&first, 10, QUIET)?;
    ensure!(count(&first) == all, "alone it has {}", count(&first));
    let second = member()?;
    let shared = poll_until(&[&first, &second], || {
        count(&second) >= 1 && count(&first) >= 1 && count(&first) + count(&second) == all
    });
    ensure!(shared, "{} and {} partitions", count(&first), count(&second));
    drop(second);
    ensure!(poll_until(&[&first], || count(&first) == all), "{} partitions came back", count(&first));
    Ok(())
}

fn poll_until(consumers: &[&BaseConsumer], condition: impl Fn() -> bool) -> bool {
    let began = clock::now();
    while began.elapsed() < LIMIT {
        for consumer in consumers {
            consumer.poll(Duration::from_millis(20));
        }
        if condition() {
            return true;
        }
    }
    false
}
