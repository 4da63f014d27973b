//! `state_counter` and `state_seen`: how many actions came to a predicate, and whether an earlier one did.
//!
//! An action counts as soon as it comes, whatever becomes of it in the end.

use crate::gates::Pending;
use crate::keys::{self, Store};
use crate::state::{State, StateError};
use crate::throttle::Window;
use crate::value;
use acteon_rules::{FieldValue, Function, Num, Rule, Subject};
use serde_json::Value;

/// Counts an action in. Returns the answer and the write that keeps the count; `None` where the arguments are not those of
/// a function that counts.
pub(crate) fn count<S: State>(
    state: &mut S,
    now: i64,
    rule: &Rule,
    function: Function,
    args: &[FieldValue<'_>],
    subject: &Subject<'_>,
) -> Result<Option<(Value, Pending)>, StateError> {
    let Some(FieldValue::Number(seconds)) = args.last() else { return Ok(None) };
    let window_ms = match seconds {
        Num::Int(seconds) => u64::try_from(*seconds).unwrap_or(0),
        Num::Uint(seconds) => *seconds,
        Num::Float(_) => return Ok(None),
    }
    .saturating_mul(1000);
    let key = key(rule, function, args, subject);
    let mut value = Vec::with_capacity(64);
    let answer = match function {
        Function::StateSeen => {
            let seen = value::is_set(state.get(&key)?, Store::Counter, now)?;
            value::begin(&mut value, now.saturating_add_unsigned(window_ms));
            Value::Bool(seen)
        }
        Function::StateCounter => {
            let mut window = Window::decode(state.get(&key)?, Store::Counter)?;
            window.forget(now, window_ms);
            window.count(now, window_ms);
            window.encode(&mut value, window_ms);
            Value::from(window.total())
        }
        Function::HasActiveEvent | Function::GetEventState | Function::EventInState => return Ok(None),
    };
    Ok(Some((answer, Pending { key, value })))
}

/// The predicate (its rule, its function and its key as written, with the seconds), and the fields' values.
fn key(rule: &Rule, function: Function, args: &[FieldValue<'_>], subject: &Subject<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(128);
    keys::scoped(&mut key, Store::Counter, subject.namespace, subject.tenant);
    keys::push_text(&mut key, &rule.name);
    let start = key.len();
    keys::push_text(&mut key, function.name());
    for arg in args {
        crate::gates::push_value(&mut key, arg);
    }
    keys::limit_rest(&mut key, start);
    key
}
