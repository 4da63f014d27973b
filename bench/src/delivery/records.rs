//! Dispatches as the processor writes them.

use anyhow::Result;
use rdkafka::producer::BaseRecord;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bulk::Bulk;
use crate::load::Actions;

/// The body of a request: one action of the gate workload.
pub(super) fn action() -> Result<String> {
    Ok(Actions::new().advance()?.json.to_owned())
}

/// Writes `count` dispatches to `provider`, each of an action of the gate workload.
pub(super) fn load(bootstrap: &str, prefix: &str, provider: &str, count: u32) -> Result<()> {
    let bulk = Bulk::new(bootstrap)?;
    let topic = format!("{prefix}.dispatch.{provider}");
    let mut actions = Actions::new();
    for _ in 0..count {
        let action = actions.advance()?;
        let value = dispatch(action.number, provider, action.json)?;
        bulk.send(BaseRecord::to(&topic).key(action.key.as_bytes()).payload(value.as_bytes()))?;
    }
    bulk.flush()
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
