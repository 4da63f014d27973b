//! What several modules' tests use.

use serde_json::{Value, json};

/// A dispatch record with this payload.
pub(crate) fn dispatch(payload: &Value) -> Value {
    json!({
        "dispatch_id": "d-1", "action_id": "a-1", "namespace": "shop", "tenant": "acme", "provider": "hook",
        "action_type": "notify", "payload": payload, "metadata": {"cluster": "prod"}, "extra": {"template": "order"},
        "decided_at": 1, "task": 0, "source": {"topic": "acteon.actions", "partition": 0, "offset": 1}
    })
}
