//! Exactly once.

use super::{ABORT, IN, OPEN, OUT, PARTITIONS};
use crate::client::{Client, LIMIT, commit, drain, positions, send, send_offsets, take};
use anyhow::{Context, Result, ensure};
use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::producer::Producer;
use std::time::Duration;

/// Longer than any pause between records of a topic that is being read.
const QUIET: Duration = Duration::from_secs(5);

pub(crate) fn commits_records_and_offsets(client: &Client) -> Result<()> {
    let consumer = client.consumer("eos", "read_committed", "range")?;
    consumer.subscribe(&[IN])?;
    let producer = client.transactional("tx-commit")?;
    producer.begin_transaction()?;
    let received = take(&consumer, 300, QUIET)?;
    for record in &received {
        send(&producer, OUT, record.partition, "k", record.value.as_deref())?;
    }
    send_offsets(&producer, &consumer)?;
    commit(&producer)?;
    let committed = client.committed("eos", IN, PARTITIONS)?;
    ensure!(committed.iter().all(|o| *o == Offset::Offset(100)), "committed {committed:?}");
    for partition in 0..PARTITIONS {
        let out = client.values(OUT, partition, "read_committed")?.len();
        ensure!(out == 100, "{out} records in partition {partition}");
    }
    Ok(())
}

pub(crate) fn aborts(client: &Client) -> Result<()> {
    let consumer = client.consumer("abort", "read_committed", "range")?;
    consumer.subscribe(&[IN])?;
    let producer = client.transactional("tx-abort")?;
    producer.begin_transaction()?;
    for record in take(&consumer, 30, QUIET)? {
        send(&producer, ABORT, 0, "k", Some(&format!("aborted {:?}", record.value)))?;
    }
    send_offsets(&producer, &consumer)?;
    drain(&producer)?;
    producer.abort_transaction(LIMIT)?;
    let committed = client.committed("abort", IN, PARTITIONS)?;
    ensure!(committed.iter().all(|o| *o == Offset::Invalid), "committed {committed:?}");
    producer.begin_transaction()?;
    for n in 0..5 {
        send(&producer, ABORT, 0, "k", Some(&format!("good{n}")))?;
    }
    commit(&producer)?;
    let seen = client.values(ABORT, 0, "read_committed")?;
    ensure!(seen == ["good0", "good1", "good2", "good3", "good4"], "{seen:?}");
    let all = client.values(ABORT, 0, "read_uncommitted")?.len();
    ensure!(all == 35, "{all} uncommitted records");
    Ok(())
}

pub(crate) fn holds_the_stable_offset(client: &Client) -> Result<()> {
    let producer = client.transactional("tx-open")?;
    producer.begin_transaction()?;
    for n in 0..5 {
        send(&producer, OPEN, 0, "k", Some(&format!("o{n}")))?;
    }
    drain(&producer)?;
    let plain = client.producer()?;
    send(&plain, OPEN, 0, "k", Some("plain"))?;
    drain(&plain)?;
    let count = |isolation| anyhow::Ok(client.values(OPEN, 0, isolation)?.len());
    let (committed, uncommitted) = (count("read_committed")?, count("read_uncommitted")?);
    ensure!((committed, uncommitted) == (0, 6), "before the commit: {committed}, {uncommitted}");
    commit(&producer)?;
    ensure!(count("read_committed")? == 6, "after the commit: {}", count("read_committed")?);
    Ok(())
}

pub(crate) fn fences_the_older_producer(client: &Client) -> Result<()> {
    let old = client.transactional("tx-fence")?;
    old.begin_transaction()?;
    send(&old, OPEN, 1, "k", Some("zombie"))?;
    drain(&old)?;
    let new = client.transactional("tx-fence")?;
    new.begin_transaction()?;
    send(&new, OPEN, 1, "k", Some("alive"))?;
    commit(&new)?;
    let late = old.commit_transaction(LIMIT);
    ensure!(late.is_err(), "the older producer committed");
    let seen = client.values(OPEN, 1, "read_committed")?;
    ensure!(seen == ["alive"], "{seen:?}");
    Ok(())
}

pub(crate) fn fences_a_stale_member(client: &Client) -> Result<()> {
    let consumer = client.consumer("stale", "read_committed", "range")?;
    consumer.subscribe(&[IN])?;
    take(&consumer, 1, QUIET)?;
    let metadata = consumer.group_metadata().context("no group metadata")?;
    let offsets = positions(&consumer)?;
    drop(consumer);
    let producer = client.transactional("tx-stale")?;
    producer.begin_transaction()?;
    send(&producer, OPEN, 2, "k", Some("x"))?;
    let sent = producer.send_offsets_to_transaction(&offsets, &metadata, LIMIT);
    ensure!(sent.is_err(), "a member that left committed offsets");
    drain(&producer)?;
    Ok(producer.abort_transaction(LIMIT)?)
}

pub(crate) fn runs_many_small_ones(client: &Client) -> Result<()> {
    let consumer = client.consumer("small", "read_committed", "range")?;
    consumer.subscribe(&[IN])?;
    take(&consumer, 300, QUIET)?;
    let before = client.values(OUT, 0, "read_committed")?.len();
    let producer = client.transactional("tx-small")?;
    for n in 0..100 {
        producer.begin_transaction()?;
        for _ in 0..10 {
            send(&producer, OUT, 0, "k", Some(&format!("t{n}")))?;
        }
        send_offsets(&producer, &consumer)?;
        commit(&producer)?;
    }
    let after = client.values(OUT, 0, "read_committed")?.len();
    ensure!(after - before == 1_000, "{} records came", after - before);
    Ok(())
}
