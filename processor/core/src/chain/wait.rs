//! Steps that wait: for a time, or for a signal.

use super::end::Done;
use super::kept::{At, Problem, Signal};
use super::limits::{MAX_PAYLOAD_BYTES, MAX_SIGNAL_BYTES, MAX_SIGNALS, MAX_WAIT_SECONDS};
use super::run::Run;
use super::source::Rendering;
use super::template::{RenderError, json_bytes, render_text};
use crate::effect::Effects;
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::time;
use acteon_schemas::ChainTimer;
use serde_json::{Value, json};

impl<S: State, E: Effects> Run<'_, '_, S, E> {
    pub(super) fn begin_timer(&mut self, step: usize, timer: &ChainTimer) -> Result<(), StateError> {
        let now = self.turn.now;
        let until = match (&timer.duration_seconds, &timer.until) {
            (Some(seconds), _) => now.saturating_add_unsigned(seconds.saturating_mul(1000)),
            (None, Some(until)) => match self.moment(step, until)? {
                Ok(until) => until,
                Err(problem) => return self.settle(step, Done::failed(problem)),
            },
            (None, None) => now,
        };
        self.head.at = At::Sleeping { step, until };
        Ok(())
    }

    /// The moment that a text gives, or a template in it.
    fn moment(&mut self, step: usize, until: &str) -> Result<Result<i64, Problem>, StateError> {
        let origin = self.origin()?;
        let mut source = Rendering::new(self.turn.state, &self.head, &origin.seen, step);
        let found = match render_text(until, &mut source, MAX_PAYLOAD_BYTES) {
            Ok(found) => found,
            Err(RenderError::State(error)) => return Err(error),
            Err(RenderError::TooLarge) => Value::Null,
        };
        let invalid = |why: String| Ok(Err(Problem::new("INVALID_TIMER", format!("`timer.until`: {why}"))));
        match found.as_str().and_then(time::parse_rfc3339) {
            None => invalid(format!("`{until}` gave {found}, which is not a time such as 2026-03-02T10:00:00Z")),
            Some(at) if at > self.turn.now.saturating_add_unsigned(MAX_WAIT_SECONDS * 1000) => {
                invalid(format!("{found} is more than {} days ahead", MAX_WAIT_SECONDS / 86_400))
            }
            Some(at) => Ok(Ok(at)),
        }
    }

    /// Ends a step that waited for a time.
    pub(super) fn wake(&mut self, step: usize, until: i64) -> Result<(), StateError> {
        self.settle(step, Done::well(json!({"until": time::rfc3339(until)})))
    }

    /// Ends a step that waits for a signal, if that has come, or can't come in time any more.
    pub(super) fn advance_signal(&mut self, step: usize, until: Option<i64>) -> Result<bool, StateError> {
        let definition = self.definition.clone();
        let Some(wait) = &definition.steps[step].wait_for_signal else { return Ok(false) };
        let place = self.head.signals.iter().position(|signal| signal.name == wait.signal_name);
        if let Some(signal) = place.and_then(|place| self.head.signals.remove(place)) {
            return self.settle(step, Done::well(signal.payload)).map(|()| true);
        }
        if until.is_none_or(|until| until > self.turn.now) {
            return Ok(false);
        }
        let message =
            format!("the signal `{}` did not come within {} s", wait.signal_name, wait.timeout_seconds.unwrap_or(0));
        let problem = Problem::new("SIGNAL_TIMEOUT", message);
        let done = Done { body: Value::Null, problem: Some(problem), target: wait.on_timeout.clone() };
        self.settle(step, done).map(|()| true)
    }

    /// Takes a signal: it is kept until a step waits for it.
    pub(super) fn signal(&mut self, name: &str, payload: &Value) -> Result<Option<Reply>, StateError> {
        if json_bytes(payload) > MAX_SIGNAL_BYTES {
            return Ok(Some(Reply::invalid(format!("the signal's payload is larger than {MAX_SIGNAL_BYTES} bytes"))));
        }
        // What time has brought comes before what comes now.
        self.drive()?;
        if let Some(over) = self.over("be given a signal") {
            return Ok(Some(over));
        }
        if self.head.signals.len() >= MAX_SIGNALS {
            let message =
                format!("the chain keeps {MAX_SIGNALS} signals that no step has waited for; the limit is that");
            return Ok(Some(Reply::Refused { code: "LIMIT", message }));
        }
        self.head.signals.push_back(Signal { name: name.to_owned(), payload: payload.clone() });
        self.head.updated_at = self.turn.now;
        self.drive()?;
        Ok(None)
    }
}
