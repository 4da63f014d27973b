//! What a message carries of its dispatch, so that the receiver can tell a repeated one.

use crate::provider::Call;
use acteon_schemas::Dispatch;
use aws_lc_rs::digest;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Attribute that carries the dispatch's id, which is the idempotency key.
pub(crate) const DISPATCH_ID: &str = "acteon-dispatch-id";
/// Most attributes that a message of SQS can have; SNS drops a message with more on its way to a queue.
pub(crate) const MAX_ATTRIBUTES: usize = 10;
/// Longest id of a message's group or deduplication.
const MAX_ID_BYTES: usize = 128;

/// An id that SQS and SNS take for a group or a deduplication: `text`, or its SHA-256 in hex where it is too long or has
/// other characters than theirs.
pub(crate) fn fifo_id(text: &str) -> String {
    if !text.is_empty() && text.len() <= MAX_ID_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The group of a message whose payload names none. It is the record's key, so that the order in the queue is the order
/// in Kafka.
pub(crate) fn group_id(dispatch: &Dispatch<'_>) -> String {
    fifo_id(&format!("{}:{}", dispatch.namespace, dispatch.tenant))
}

/// The attributes of a message: its own, and the dispatch's id and the trace context as far as there is room.
pub(crate) fn attributes(call: Call<'_>, mut own: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let marks = [
        (DISPATCH_ID, Some(&*call.dispatch.dispatch_id)),
        ("traceparent", call.trace.traceparent.as_deref()),
        ("tracestate", call.trace.tracestate.as_deref()),
    ];
    for (name, value) in marks {
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        if own.len() < MAX_ATTRIBUTES && !own.contains_key(name) {
            own.insert(name.to_owned(), value.to_owned());
        }
    }
    own
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::provider::aws::samples;

    #[test]
    fn ids_that_are_not_allowed_are_hashed() {
        assert_eq!(fifo_id("0b9a-7:x"), "0b9a-7:x");
        assert_eq!(fifo_id(&"x".repeat(128)), "x".repeat(128));
        let hashed = ["", "a b", "gebäude", &"x".repeat(129)].map(fifo_id);
        for id in &hashed {
            assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
        assert_eq!(hashed[0], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_ne!(hashed[1], hashed[2]);
    }

    #[test]
    fn marks_take_the_room_that_is_left() {
        let (dispatch, trace) = (samples::dispatch("{}"), samples::trace());
        let call = Call { dispatch: &dispatch, trace: &trace };
        assert_eq!(group_id(&dispatch), "iot:hq");
        let marked = attributes(call, BTreeMap::new());
        assert_eq!(marked[DISPATCH_ID], "d-1");
        assert_eq!(marked["traceparent"], "00-ab-cd-01");
        assert_eq!(marked.len(), 2, "no tracestate came");
        let numbered = |count: usize| (0..count).map(|n| (format!("a{n}"), "x".to_owned())).collect::<BTreeMap<_, _>>();
        assert_eq!(attributes(call, numbered(9)).len(), 10);
        assert!(attributes(call, numbered(9)).contains_key(DISPATCH_ID), "the id goes first");
        assert_eq!(attributes(call, numbered(10)), numbered(10));
    }
}
