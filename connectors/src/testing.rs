//! What several modules' tests use.

use crate::provider::Outcome;
use crate::provider::http::{Answer, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A dispatch record with this payload.
pub(crate) fn dispatch(payload: &Value) -> Value {
    json!({
        "dispatch_id": "d-1", "action_id": "a-1", "namespace": "shop", "tenant": "acme", "provider": "hook",
        "action_type": "notify", "payload": payload, "metadata": {"cluster": "prod"}, "extra": {"template": "order"},
        "decided_at": 1, "task": 0, "source": {"topic": "acteon.actions", "partition": 0, "offset": 1}
    })
}

/// A response with this status and body.
pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Answer::Response(Response {
        status,
        retry_after: None,
        headers: BTreeMap::new(),
        is_cut: false,
        body: Some(body.to_owned().into()),
    })
}

/// What came of a call, in a word and the error's code.
pub(crate) fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered(_) => "delivered".to_owned(),
        Outcome::Retry { error, .. } => format!("retry {}", error.code),
        Outcome::Reject(error) => format!("reject {}", error.code),
    }
}
