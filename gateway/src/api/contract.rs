//! The shapes that clients rely on: each outcome, list and detail, as the decision core makes it and the API tells of it,
//! and as the OpenAPI document names it.
#![allow(clippy::unwrap_used)]

mod core;
mod document;
mod lists;
mod outcomes;

use crate::api::openapi::DOCUMENT_PATH;
use crate::api::testing::Server;
use chrono::DateTime;
use core::Core;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Stands for any text, any number, and any time.
const TEXT: &str = "<text>";
const NUMBER: &str = "<number>";
const TIME: &str = "<time>";

const RULES: &str = "
rules:
  - {name: quiet, condition: {field: action.action_type, eq: quiet}, mute_time_intervals: [always], action: {type: allow}}
  - {name: never, condition: {field: action.action_type, eq: test}, action: {type: suppress, reason: Test traffic}}
  - {name: denied, condition: {field: action.action_type, eq: banned}, action: {type: deny}}
  - {name: once, condition: {field: action.action_type, eq: alert}, action: {type: deduplicate, ttl_seconds: 60}}
  - {name: by-phone, condition: {field: action.action_type, eq: urgent}, action: {type: reroute, target_provider: sms}}
  - {name: rarely, condition: {field: action.action_type, eq: letter}, action: {type: throttle, max_count: 1, window_seconds: 60}}
  - {name: together, condition: {field: action.action_type, eq: event}, action: {type: group, group_by: [payload.host]}}
  - {name: states, condition: {field: action.action_type, eq: firing}, action: {type: state_machine, state_machine: alert, fingerprint_fields: [payload.host]}}
  - {name: ask, condition: {field: action.action_type, eq: payment}, action: {type: request_approval, notify_provider: email}}
  - {name: chained, condition: {field: action.action_type, eq: order}, action: {type: chain, chain: ship}}
  - {name: later, condition: {field: action.action_type, eq: reminder}, action: {type: schedule, delay_seconds: 60}}
";

/// An API on the core.
struct Contract {
    server: Server,
    core: Arc<Mutex<Core>>,
    document: Value,
}

impl Contract {
    async fn new() -> Self {
        let core = Arc::new(Mutex::new(Core::new(RULES)));
        let deciding = Arc::clone(&core);
        let server = Server::start(move |seen| deciding.lock().unwrap().decide(seen)).await;
        let document = server.get(DOCUMENT_PATH).await.body;
        Self { server, core, document }
    }

    /// Makes a request, whose answer must have this status and shape, and be in the document.
    async fn check(&self, method: &str, path: &str, body: &Value, status: u16, shape: &Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.server.request(method, path, "", &text).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert!(has(shape, &answer.body), "{method} {path}: {:#}\nis not {shape:#}", answer.body);
        self.is_named(method, path, status, &answer.body);
        answer.body
    }

    /// Makes a request that is carried out, and whose answer must be in the document.
    async fn named(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.server.request(method, path, "", &body.to_string()).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        self.is_named(method, path, 200, &answer.body);
        answer.body
    }

    fn is_named(&self, method: &str, path: &str, status: u16, body: &Value) {
        let named = document::check(&self.document, method, path, status, body);
        assert_eq!(named, Ok(()), "{method} {path}: {body}");
    }
}

/// Whether a value has exactly a shape, in which texts may stand for any.
fn has(shape: &Value, value: &Value) -> bool {
    match (shape, value) {
        (Value::String(wanted), _) if wanted == TEXT => value.is_string(),
        (Value::String(wanted), _) if wanted == NUMBER => value.is_number(),
        (Value::String(wanted), _) if wanted == TIME => {
            value.as_str().is_some_and(|text| DateTime::parse_from_rfc3339(text).is_ok())
        }
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.len() == found.len()
                && wanted.iter().all(|(name, shape)| found.get(name).is_some_and(|value| has(shape, value)))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(shape, value)| has(shape, value))
        }
        _ => shape == value,
    }
}

/// An action of `n`/`t`.
fn action(action_type: &str, provider: &str) -> Value {
    json!({
        "namespace": "n", "tenant": "t", "provider": provider, "action_type": action_type, "payload": {"host": "h"},
        "dedup_key": "k",
    })
}
