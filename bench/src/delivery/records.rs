//! Dispatches as the processor writes them.

use std::time::Duration;

use anyhow::{Result, ensure};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::kafka;
use crate::load::{Actions, queue_is_full};

/// Longest wait for the broker to take all records.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(120);

/// The body of a request: one action of the gate workload.
pub(super) fn action() -> Result<String> {
    Ok(Actions::new().advance()?.json.to_owned())
}

/// Writes `count` dispatches to `provider`, each of an action of the gate workload.
pub(super) fn load(bootstrap: &str, prefix: &str, provider: &str, count: u32) -> Result<()> {
    let producer: BaseProducer = kafka::client(bootstrap)
        .set("compression.type", "lz4")
        .set("linger.ms", "20")
        .set("batch.size", "262144")
        .set("queue.buffering.max.messages", "100000")
        .create()?;
    let topic = format!("{prefix}.dispatch.{provider}");
    let mut actions = Actions::new();
    for _ in 0..count {
        let action = actions.advance()?;
        let (key, value) = (action.key.to_owned(), dispatch(action.number, provider, action.json)?);
        let mut record = BaseRecord::to(&topic).key(&key).payload(&value);
        while let Err((error, back)) = producer.send(record) {
            ensure!(queue_is_full(&error), "cannot produce to {topic}: {error}");
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(FLUSH_TIMEOUT)?;
    Ok(())
}

/// The dispatch of an action.
fn dispatch(number: u32, provider: &str, action: &str) -> Result<String> {
    let action: Value = serde_json::from_str(action)?;
    let dispatch_id = Uuid::from_u64_pair(u64::from(number), 0).to_string();
    let record = json!({
        "dispatch_id": dispatch_id, "action_id": action["id"], "namespace": action["namespace"],
        "tenant": action["tenant"], "provider": provider, "action_type": action["action_type"],
        "payload": action["payload"], "metadata": action["metadata"], "dedup_key": action["dedup_key"],
        "created_at": action["created_at"], "decided_at": 1_767_225_600_000_i64, "task": 0,
        "source": {"topic": "acteon.actions", "partition": 0, "offset": number},
    });
    Ok(record.to_string())
}
