use crate::api::ApiError;
use crate::clock;
use crate::log::{Identity, Trace};
use acteon_schemas::Action;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use uuid::Uuid;

/// Fields that hold a moment, beside `created_at` and `dispatch_at`.
const MOMENTS: [&str; 2] = ["starts_at", "ends_at"];

/// A record of the actions topic, made from what a request holds.
pub(crate) struct Prepared {
    namespace: String,
    tenant: String,
    pub(crate) id: String,
    pub(crate) value: Vec<u8>,
}

impl Prepared {
    /// Checks the action and gives it what it lacks: an id, and the time.
    ///
    /// # Errors
    /// 400 for what is no JSON, 413 for what is too large, 422 for what is no action.
    pub(crate) fn of(text: &[u8], trace: &Trace) -> Result<Self, ApiError> {
        let mut action = Action::decode(text).map_err(|error| ApiError::record(&error, text))?;
        check(&action)?;
        let id = action.id.take().map_or_else(|| Uuid::new_v4().to_string(), Cow::into_owned);
        action.id = Some(Cow::Owned(id.clone()));
        if action.created_at.is_none() {
            action.created_at = Some(Cow::Owned(now()));
        }
        if let Some(parent) = &trace.parent {
            let mut context = Map::new();
            context.insert("traceparent".to_owned(), json!(parent));
            if let Some(state) = &trace.state {
                context.insert("tracestate".to_owned(), json!(state));
            }
            action.extra.insert("trace_context".to_owned(), Value::Object(context));
        }
        let value = serde_json::to_vec(&action).map_err(|error| ApiError::record(&error.into(), text))?;
        Ok(Self { namespace: action.namespace.into_owned(), tenant: action.tenant.into_owned(), id, value })
    }

    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity {
            namespace: Cow::Borrowed(&self.namespace),
            tenant: Cow::Borrowed(&self.tenant),
            id: Cow::Borrowed(&self.id),
        }
    }
}

fn now() -> String {
    let moment = DateTime::<Utc>::from_timestamp_millis(clock::now_ms()).unwrap_or_default();
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Checks what the processor would pass on unread, or refuse when nobody looks.
fn check(action: &Action<'_>) -> Result<(), ApiError> {
    let known = [("created_at", &action.created_at), ("dispatch_at", &action.dispatch_at)];
    for (field, text) in known {
        if let Some(text) = text {
            moment(field, text)?;
        }
    }
    for field in MOMENTS {
        match action.extra.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => moment(field, text)?,
            Some(other) => return Err(no_moment(field, &other.to_string())),
        }
    }
    Ok(())
}

fn moment(field: &str, text: &str) -> Result<(), ApiError> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(no_moment(field, text)),
    }
}

fn no_moment(field: &str, text: &str) -> ApiError {
    let message = format!("field `{field}`: `{text}` is not a time such as 2026-03-02T10:00:00Z");
    ApiError::unprocessable("INVALID_FIELD", message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FIELDS: &str = r#""namespace":"n","tenant":"t","provider":"p","action_type":"a","payload":{"x": 1}"#;

    fn of(more: &str, trace: &Trace) -> Result<Value, ApiError> {
        let prepared = Prepared::of(format!("{{{FIELDS}{more}}}").as_bytes(), trace)?;
        let value: Value = serde_json::from_slice(&prepared.value).unwrap();
        assert_eq!(value["id"], prepared.id);
        Ok(value)
    }

    #[test]
    fn what_an_action_lacks_is_made_and_the_rest_is_kept() {
        let value = of("", &Trace::default()).unwrap();
        assert!(Uuid::parse_str(value["id"].as_str().unwrap()).is_ok());
        moment("created_at", value["created_at"].as_str().unwrap()).unwrap();
        assert!(value.get("trace_context").is_none());

        let more =
            r#","id":"mine","created_at":"2026-03-02T10:00:00.123456Z","metadata":{"labels":{"k":"v"}},"template":"x""#;
        let value = of(more, &Trace::default()).unwrap();
        assert_eq!((&value["id"], &value["created_at"]), (&json!("mine"), &json!("2026-03-02T10:00:00.123456Z")));
        assert_eq!((&value["metadata"], &value["template"]), (&json!({"k": "v"}), &json!("x")));
    }

    #[test]
    fn the_trace_of_the_request_takes_the_place_of_the_action_s() {
        let trace = Trace { parent: Some("00-ab-cd-01".to_owned()), state: None };
        let value = of(r#","trace_context":{"traceparent":"old","other":"x"}"#, &trace).unwrap();
        assert_eq!(value["trace_context"], json!({"traceparent": "00-ab-cd-01"}));
        let value = of(r#","trace_context":{"traceparent":"old"}"#, &Trace::default()).unwrap();
        assert_eq!(value["trace_context"], json!({"traceparent": "old"}));
    }

    #[test]
    fn a_time_that_is_none_is_refused_by_name() {
        for field in ["created_at", "dispatch_at", "starts_at", "ends_at"] {
            let error = of(&format!(r#","{field}":"yesterday""#), &Trace::default()).unwrap_err();
            assert_eq!((error.status.as_u16(), &*error.code), (422, "INVALID_FIELD"));
            assert!(error.message.contains(&format!("`{field}`")), "{}", error.message);
        }
        assert!(of(r#","starts_at":7"#, &Trace::default()).unwrap_err().message.contains("`starts_at`: `7`"));
        assert!(of(r#","starts_at":null"#, &Trace::default()).is_ok());
    }
}
