//! Topics, settings and plain records.

use super::{ABORT, BULK, COMPACT, IN, OPEN, OUT, PARTITIONS};
use crate::client::{Client, LIMIT, block_on, drain, send, take};
use anyhow::{Context, Result, ensure};
use rdkafka::admin::{AdminOptions, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};

pub(crate) fn creates_topics(client: &Client) -> Result<()> {
    for topic in [IN, OUT, ABORT, OPEN, BULK] {
        client.create(topic, PARTITIONS, &[])?;
    }
    client.create(COMPACT, 1, &[("cleanup.policy", "compact"), ("segment.ms", "1000")])
}

pub(crate) fn refuses_an_existing_topic(client: &Client) -> Result<()> {
    let error = client.create(IN, PARTITIONS, &[]).err().context("created twice")?.to_string();
    ensure!(error.contains("TopicAlreadyExists") || error.contains("already exists"), "{error}");
    Ok(())
}

pub(crate) fn describes_configs(client: &Client) -> Result<()> {
    let admin = client.admin()?;
    let described = block_on(admin.describe_configs(&[ResourceSpecifier::Topic(COMPACT)], &AdminOptions::new()))?;
    let resource = described.into_iter().next().context("no answer")?.map_err(|e| anyhow::anyhow!("{e}"))?;
    let value = |name: &str| resource.get(name).and_then(|entry| entry.value.clone());
    ensure!(value("cleanup.policy").as_deref() == Some("compact"), "{:?}", value("cleanup.policy"));
    ensure!(value("segment.ms").as_deref() == Some("1000"), "{:?}", value("segment.ms"));
    ensure!(value("retention.ms").is_some(), "defaults are described as well");
    Ok(())
}

pub(crate) fn takes_idempotent_records(client: &Client) -> Result<()> {
    let producer = client.producer()?;
    for n in 0..300 {
        send(&producer, IN, n % PARTITIONS, &format!("k{n}"), Some(&format!("v{n}")))?;
    }
    drain(&producer)?;
    let consumer = client.consumer("watermarks", "read_uncommitted", "range")?;
    for partition in 0..PARTITIONS {
        let watermarks = consumer.fetch_watermarks(IN, partition, LIMIT)?;
        ensure!(watermarks == (0, 100), "partition {partition}: {watermarks:?}");
    }
    Ok(())
}

pub(crate) fn takes_tombstones(client: &Client) -> Result<()> {
    let producer = client.producer()?;
    for round in 0..100 {
        for key in 0..10 {
            send(&producer, COMPACT, 0, &format!("key{key}"), Some(&format!("r{round}")))?;
        }
    }
    send(&producer, COMPACT, 0, "key0", None)?;
    drain(&producer)?;
    let read = client.read(COMPACT, 0, "read_committed", Offset::Beginning)?;
    let last = read.last().context("nothing there")?;
    ensure!(last.key == "key0" && last.value.is_none() && last.offset == 1_000, "{last:?}");
    Ok(())
}

pub(crate) fn carries_bulk(client: &Client) -> Result<()> {
    const RECORDS: i32 = 100_000;
    let producer = client.producer()?;
    let payload = "x".repeat(200);
    for n in 0..RECORDS {
        send(&producer, BULK, n % PARTITIONS, "k", Some(&payload))?;
    }
    drain(&producer)?;
    let consumer = client.consumer("bulk", "read_committed", "range")?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(BULK, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let received = take(&consumer, RECORDS as usize, LIMIT)?;
    ensure!(received.len() == RECORDS as usize, "{} came", received.len());
    ensure!(received.iter().all(|r| r.value.as_deref() == Some(&payload)), "a payload was changed");
    Ok(())
}
