//! Dispatches for the tests of this folder.

use crate::provider::{Outcome, TraceContext};
use acteon_schemas::Dispatch;
use serde_json::{Value, json};

/// A dispatch with this payload.
pub(crate) fn dispatch(payload: &str) -> Dispatch<'static> {
    dispatch_of("sensor_reading", payload)
}

/// A dispatch of an action type with this payload.
#[allow(clippy::unwrap_used)]
pub(crate) fn dispatch_of(action_type: &str, payload: &str) -> Dispatch<'static> {
    let payload: Value = serde_json::from_str(payload).unwrap();
    let text = json!({
        "dispatch_id": "d-1", "action_id": "a-1", "namespace": "iot", "tenant": "hq", "provider": "p",
        "action_type": action_type, "payload": payload, "decided_at": 1, "task": 0,
        "source": {"topic": "acteon.actions", "partition": 0, "offset": 1}
    });
    serde_json::from_str(Box::leak(text.to_string().into_boxed_str())).unwrap()
}

/// A trace context without `tracestate`.
pub(crate) fn trace() -> TraceContext {
    TraceContext { traceparent: Some("00-ab-cd-01".to_owned()), tracestate: None }
}

/// An outcome in short: `delivered BODY`, `retry CODE`, `reject CODE`.
pub(crate) fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered(response) => format!("delivered {}", response.body.get()),
        Outcome::Retry { error, .. } => format!("retry {}", error.code),
        Outcome::Reject(error) => format!("reject {}", error.code),
    }
}
