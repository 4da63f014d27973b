//! The records on both ends: dispatches in, results out.

use crate::deliver::Delivery;
use crate::provider::TraceContext;
use acteon_schemas::{
    Coordinates, DeadLetterReason, DecodeError, DecodeErrorKind, Dispatch, MAX_DERIVED_BYTES, MAX_NAME_BYTES,
    ProviderResult, ResultStatus, check_depth, check_name, check_size_of,
};
use rdkafka::message::{Headers as _, Message, OwnedMessage};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Longest message of a failure in a result, in bytes; the rest of a longer one is cut off.
const MAX_MESSAGE_BYTES: usize = 4096;

/// Decodes the value of a record of a dispatch topic.
pub(crate) fn decode(value: &[u8]) -> Result<Dispatch<'_>, DecodeError> {
    check_size_of(value, MAX_DERIVED_BYTES)?;
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

/// The record that tells the processor what came of `dispatch`, which was decoded from `value`: where it failed, with
/// that value, as it came.
pub(crate) fn result<'a>(dispatch: &Dispatch<'a>, value: &'a [u8], mut delivery: Delivery) -> ProviderResult<'a> {
    let mut echo = None;
    if let ResultStatus::Failed(error) = &mut delivery.result {
        if error.message.len() > MAX_MESSAGE_BYTES {
            let end = (0..=MAX_MESSAGE_BYTES).rev().find(|end| error.message.is_char_boundary(*end));
            error.message.to_mut().truncate(end.unwrap_or(0));
        }
        echo = serde_json::from_slice::<&RawValue>(value).ok().map(Cow::Borrowed);
    }
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
        dispatch: echo,
        decided_at: dispatch.decided_at,
        source: dispatch.source.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
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

    fn ended(result: ResultStatus<'static>) -> Delivery {
        Delivery { result, attempts: 3, started_at: 1, duration: std::time::Duration::from_millis(5) }
    }

    fn failed(message: String) -> ResultStatus<'static> {
        ResultStatus::Failed(acteon_schemas::ProviderError {
            code: "TIMEOUT".into(),
            message: message.into(),
            retryable: true,
            retry_after_ms: None,
        })
    }

    #[test]
    fn a_failure_carries_the_dispatch_as_it_came() {
        let value = br#" {"payload": {"b": 1.50, "a": [ ]}, "dispatch_id": "d", "action_id": "a", "namespace": "n",
            "tenant": "t", "provider": "p", "action_type": "x", "decided_at": 1, "task": 0,
            "source": {"topic": "acteon.actions", "partition": 0, "offset": 1}} "#;
        let dispatch = decode(value).unwrap();
        let echo = result(&dispatch, value, ended(failed("no".to_owned()))).dispatch.unwrap();
        assert_eq!(echo.get(), std::str::from_utf8(value).unwrap().trim());
        let body = serde_json::value::to_raw_value(&json!({})).unwrap();
        let response = acteon_schemas::ProviderResponse {
            status: acteon_schemas::ResponseStatus::Success,
            body: Cow::Owned(body),
            headers: std::collections::BTreeMap::new(),
        };
        assert!(result(&dispatch, value, ended(ResultStatus::Delivered(response))).dispatch.is_none());
    }

    #[test]
    fn the_largest_dispatch_fits_its_result() {
        let mut large = good();
        for name in ["dispatch_id", "namespace", "tenant", "provider", "original_provider", "action_type", "rule"] {
            large[name] = json!("\u{1}".repeat(MAX_NAME_BYTES));
        }
        large["passed_over"] = json!(vec!["\u{1}".repeat(MAX_NAME_BYTES); 16]);
        large["payload"] = json!("");
        let rest = MAX_DERIVED_BYTES - large.to_string().len();
        large["payload"] = json!("x".repeat(rest));
        let value = large.to_string().into_bytes();
        assert_eq!(value.len(), MAX_DERIVED_BYTES);
        let dispatch = decode(&value).unwrap();
        let result = result(&dispatch, &value, ended(failed("\u{1}ä".repeat(100_000))));
        let ResultStatus::Failed(error) = &result.result else { panic!("not failed") };
        assert!((MAX_MESSAGE_BYTES - 2..=MAX_MESSAGE_BYTES).contains(&error.message.len()));
        assert!(serde_json::to_vec(&result).unwrap().len() <= acteon_schemas::MAX_RESULT_BYTES);
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
