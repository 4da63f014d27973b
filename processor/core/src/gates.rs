use crate::keys::Store;
use crate::state::{State, StateError};
use crate::{counter, dedup, event, keys, queue, throttle, value};
use acteon_rules::{FieldPath, FieldValue, Function, Gate, Host, Rule, RuleAction, Subject};
use serde_json::Value;
use smallvec::SmallVec;

/// Answers a walk from a partition's state.
///
/// What gates count is kept back until the walk has ended and applied only if the action was admitted: an action that is
/// refused consumes nothing, so that the same action can pass later. Counters count every action that comes to them: their
/// writes are kept back only because a dry run makes none.
pub(crate) struct Gates<'s, S> {
    state: &'s mut S,
    now: i64,
    pending: SmallVec<[Pending; 2]>,
    counted: Vec<Pending>,
    /// How long a throttled sender has to wait, in milliseconds.
    retry_after_ms: Option<u64>,
}

/// A write that is made if the action is admitted.
pub(crate) struct Pending {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl<'s, S: State> Gates<'s, S> {
    pub(crate) fn new(state: &'s mut S, now: i64) -> Self {
        Self { state, now, pending: SmallVec::new(), counted: Vec::new(), retry_after_ms: None }
    }

    /// Ends the walk: what the gates counted, and how long a sender has to wait that they refused. What counters counted is
    /// kept.
    pub(crate) fn end(self) -> (SmallVec<[Pending; 2]>, Option<u64>) {
        for Pending { key, value } in &self.counted {
            self.state.put(key, value);
        }
        (self.pending, self.retry_after_ms)
    }

    /// What this walk has written to a key so far.
    fn pending(&self, key: &[u8]) -> Option<&[u8]> {
        self.pending.iter().rev().find(|write| write.key == key).map(|write| write.value.as_slice())
    }

    fn deduplicate(&mut self, key: Vec<u8>, ttl_ms: u64) -> Result<Gate, StateError> {
        // A key that this same action has set is no duplicate: two rules may look at one key.
        if self.pending(&key).is_none() && value::is_set(self.state.get(&key)?, Store::Dedup, self.now)? {
            return Ok(Gate::Refuse);
        }
        let mut value = Vec::with_capacity(9);
        dedup::remember(&mut value, self.now, ttl_ms);
        self.pending.push(Pending { key, value });
        Ok(Gate::Admit)
    }

    fn throttle(&mut self, key: Vec<u8>, max_count: u64, window_ms: u64) -> Result<Gate, StateError> {
        let mut window = match self.pending(&key) {
            Some(value) => throttle::Window::decode(Some(value), Store::Throttle)?,
            None => throttle::Window::decode(self.state.get(&key)?, Store::Throttle)?,
        };
        match window.admit(self.now, max_count, window_ms) {
            Err(wait) => {
                self.retry_after_ms = Some(wait);
                Ok(Gate::Refuse)
            }
            Ok(()) => {
                let mut value = Vec::with_capacity(64);
                window.encode(&mut value, window_ms);
                self.pending.push(Pending { key, value });
                Ok(Gate::Admit)
            }
        }
    }
}

impl<S: State> Gates<'_, S> {
    fn delay(&mut self, key: Vec<u8>, pace: &queue::Pace) -> Result<Gate, StateError> {
        let mut queue = match self.pending(&key) {
            Some(value) => queue::Queue::decode(Some(value), self.now)?,
            None => queue::Queue::decode(self.state.get(&key)?, self.now)?,
        };
        let gate = match queue.admit(self.now, pace) {
            queue::Admission::Now => Gate::Admit,
            queue::Admission::At(_) => Gate::Hold,
            queue::Admission::Full(wait) => {
                self.retry_after_ms = Some(wait);
                return Ok(Gate::Refuse);
            }
        };
        self.pending.push(Pending { key, value: queue.encode(pace) });
        Ok(gate)
    }
}

impl<S: State> Host for Gates<'_, S> {
    type Error = StateError;

    fn gate(&mut self, rule: &Rule, subject: &Subject<'_>) -> Result<Gate, StateError> {
        let mut key = Vec::with_capacity(96);
        match &rule.action {
            RuleAction::Deduplicate { ttl_ms, key_fields } => {
                dedup::key(&mut key, &rule.name, key_fields, subject);
                self.deduplicate(key, *ttl_ms)
            }
            RuleAction::Throttle { max_count, window_ms, key_fields, .. } => {
                if let Some((pace, key_fields)) = queue::Pace::of(rule) {
                    return self.delay(queue::key(&rule.name, key_fields, subject), &pace);
                }
                throttle::key(&mut key, &rule.name, key_fields, subject);
                self.throttle(key, *max_count, *window_ms)
            }
            // A walk asks about gates alone.
            _ => Ok(Gate::Admit),
        }
    }

    fn call(
        &mut self,
        rule: &Rule,
        function: Function,
        args: &[FieldValue<'_>],
        subject: &Subject<'_>,
    ) -> Result<Value, StateError> {
        if function.counts() {
            let counted = counter::count(self.state, self.now, rule, function, args, subject)?;
            return Ok(counted.map_or(Value::Null, |(answer, write)| {
                self.counted.push(write);
                answer
            }));
        }
        let scope = event::Scope { namespace: subject.namespace, tenant: subject.tenant };
        Ok(match (function, args) {
            (Function::HasActiveEvent, [event_type, label_value]) => {
                event::has_active_event(self.state, scope, event_type, label_value)?.into()
            }
            (Function::GetEventState, [fingerprint]) => event::state_of(self.state, scope, fingerprint)?.into(),
            (Function::EventInState, [fingerprint, wanted]) => {
                event::in_state(self.state, scope, fingerprint, wanted)?.into()
            }
            // Rules give a function as many arguments as it has.
            _ => Value::Null,
        })
    }
}

/// Appends fields' values to a key, each with its length and unlike any other type's.
pub(crate) fn push_fields(out: &mut Vec<u8>, fields: &[FieldPath], subject: &Subject<'_>) {
    for field in fields {
        push_value(out, &field.read(subject));
    }
}

/// Appends a value to a key, with its length and unlike any other type's.
pub(crate) fn push_value(out: &mut Vec<u8>, found: &FieldValue<'_>) {
    match found.as_str() {
        Some(text) => {
            out.push(b's');
            keys::push_text(out, text);
        }
        None => {
            out.push(b'j');
            keys::push_text(out, &found.to_value().to_string());
        }
    }
}
