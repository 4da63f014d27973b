//! The records on both ends: dispatches in, results out.

use crate::deliver::Delivery;
use crate::provider::TraceContext;
use acteon_schemas::{
    Coordinates, DeadLetterReason, DecodeError, DecodeErrorKind, Dispatch, MAX_NAME_BYTES, ProviderResult, check_depth,
    check_name, check_size,
};
use rdkafka::message::{Headers as _, Message, OwnedMessage};

/// Decodes the value of a record of a dispatch topic.
pub(crate) fn decode(value: &[u8]) -> Result<Dispatch<'_>, DecodeError> {
    check_size(value)?;
    match value.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => return Err(DecodeErrorKind::Empty.into()),
        Some(&byte) if !(0x20..0x80).contains(&byte) => return Err(DecodeErrorKind::WrongMagicByte { byte }.into()),
        Some(_) => {}
    }
    check_depth(value)?;
    let dispatch: Dispatch<'_> = serde_json::from_slice(value)?;
    check_name("dispatch_id", &dispatch.dispatch_id, MAX_NAME_BYTES)?;
    check_name("namespace", &dispatch.namespace, MAX_NAME_BYTES)?;
    check_name("tenant", &dispatch.tenant, MAX_NAME_BYTES)?;
    if dispatch.task < 0 {
        let problem = format!("is {}; it must be a partition of the results topic", dispatch.task);
        return Err(DecodeErrorKind::Field { field: "task", problem }.into());
    }
    Ok(dispatch)
}

/// Why a dispatch that can't be decoded is dead.
pub(crate) fn undecodable(error: &DecodeError) -> DeadLetterReason {
    DeadLetterReason { code: error.kind.code().to_owned(), message: format!("not a dispatch: {error}") }
}

/// Where a message came from.
pub(crate) fn source(message: &OwnedMessage) -> Coordinates<'_> {
    Coordinates { topic: message.topic().into(), partition: message.partition(), offset: message.offset() }
}

/// The trace context in a message's headers.
pub(crate) fn trace_context(message: &OwnedMessage) -> TraceContext {
    let header = |name: &str| {
        let header = message.headers()?.iter().find(|header| header.key.eq_ignore_ascii_case(name))?;
        Some(std::str::from_utf8(header.value?).ok()?.to_owned())
    };
    TraceContext { traceparent: header("traceparent"), tracestate: header("tracestate") }
}

/// The record that tells the processor what came of `dispatch`.
pub(crate) fn result<'a>(dispatch: &Dispatch<'a>, delivery: Delivery) -> ProviderResult<'a> {
    ProviderResult {
        dispatch_id: dispatch.dispatch_id.clone(),
        action_id: dispatch.action_id.clone(),
        namespace: dispatch.namespace.clone(),
        tenant: dispatch.tenant.clone(),
        provider: dispatch.provider.clone(),
        original_provider: dispatch.original_provider.clone(),
        action_type: dispatch.action_type.clone(),
        context: dispatch.context.clone(),
        released_by: dispatch.released_by.clone(),
        rule: dispatch.rule.clone(),
        result: delivery.result,
        attempts: delivery.attempts,
        started_at: delivery.started_at,
        duration_ms: u64::try_from(delivery.duration.as_millis()).unwrap_or(u64::MAX),
        passed_over: dispatch.passed_over.clone(),
        retry: dispatch.retry,
        probe: dispatch.probe,
        dispatch: None,
        decided_at: dispatch.decided_at,
        source: dispatch.source.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rdkafka::Timestamp;
    use rdkafka::message::{Header, OwnedHeaders};
    use serde_json::{Value, json};

    fn good() -> Value {
        json!({
            "dispatch_id": "d", "action_id": "a", "namespace": "n", "tenant": "t", "provider": "p",
            "action_type": "x", "payload": {}, "decided_at": 1, "task": 0,
            "source": {"topic": "acteon.actions", "partition": 0, "offset": 1}
        })
    }

    #[test]
    fn bad_dispatches_have_a_code() {
        assert!(decode(good().to_string().as_bytes()).is_ok());
        let with = |key: &str, value: Value| {
            let mut bad = good();
            bad[key] = value;
            bad.to_string().into_bytes()
        };
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        let cases: [(Vec<u8>, &str); 8] = [
            (Vec::new(), "EMPTY"),
            (b"  ".to_vec(), "EMPTY"),
            (b"\0\0\0\0\x01x".to_vec(), "WRONG_MAGIC_BYTE"),
            (b"nonsense".to_vec(), "INVALID_JSON"),
            (deep.into_bytes(), "TOO_DEEP"),
            (with("task", json!("one")), "INVALID_JSON"),
            (with("task", json!(-1)), "INVALID_FIELD"),
            (with("dispatch_id", json!("")), "INVALID_FIELD"),
        ];
        for (value, code) in cases {
            let reason = undecodable(&decode(&value).unwrap_err());
            assert_eq!(reason.code, code, "{}", reason.message);
        }
    }

    #[test]
    fn the_trace_context_is_read_from_the_headers() {
        let headers = OwnedHeaders::new()
            .insert(Header { key: "acteon-type", value: Some("dispatch") })
            .insert(Header { key: "Traceparent", value: Some("00-ab-cd-01") });
        let message =
            |headers| OwnedMessage::new(None, None, "acteon.dispatch.p".into(), Timestamp::NotAvailable, 2, 7, headers);
        let trace = trace_context(&message(Some(headers)));
        assert_eq!((trace.traceparent.as_deref(), trace.tracestate), (Some("00-ab-cd-01"), None));
        assert_eq!(trace_context(&message(None)), TraceContext::default());
        assert_eq!(source(&message(None)).to_string(), "acteon.dispatch.p/2/7");
    }
}
