//! Steps that call a provider.

use super::end::{Done, Letter};
use super::kept::{At, Attempt, Call, Part, Problem, StepResult, StepStatus};
use super::limits::{MAX_ATTEMPT_ERROR_BYTES, MAX_BODY_BYTES, MAX_PAYLOAD_BYTES, cut};
use super::run::Run;
use super::source::{OriginPart, Rendering};
use super::template::{RenderError, render};
use super::{kept, retry};
use crate::circuit::{self, CIRCUIT_OPEN, Route};
use crate::effect::Effects;
use crate::ids;
use crate::state::{State, StateError};
use acteon_schemas::{ChainStep, Dispatch, DispatchContext, Outcome, ProviderResult, ResultStatus};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

/// A call of a chain: the step in its definition, and where it stands.
pub(super) struct Place<'s> {
    pub(super) definition: &'s ChainStep,
    /// Its name, behind that of the step around it.
    pub(super) path: String,
    /// The place of the step, or of the one around it, in the chain.
    pub(super) index: usize,
    /// Which visit, from 0.
    pub(super) visit: u32,
}

/// What a call gave, once it is over.
pub(super) struct Answer {
    pub(super) body: Value,
    pub(super) problem: Option<Problem>,
}

impl<S: State, E: Effects> Run<'_, '_, S, E> {
    pub(super) fn advance_call(&mut self, step: usize, mut call: Call) -> Result<bool, StateError> {
        let definition = self.definition.clone();
        let place = self.place(&definition.steps[step], None, step);
        match self.make(&place, &mut call)? {
            None => Ok(false),
            Some(Ok(())) => {
                self.head.at = At::Calling { step, call };
                Ok(true)
            }
            Some(Err(problem)) => self.settle(step, Done::failed(problem)).map(|()| true),
        }
    }

    /// Where a call stands, `inside` a parallel step or by itself.
    pub(super) fn place<'s>(&mut self, definition: &'s ChainStep, inside: Option<&str>, index: usize) -> Place<'s> {
        let name = &definition.name;
        let path = inside.map_or_else(|| name.clone(), |around| format!("{around}/{name}"));
        let visit = self.state_of(name).visits.saturating_sub(1);
        Place { definition, path, index, visit }
    }

    /// Makes a call whose time has come. `None` where it has not; an error where it can't be made.
    pub(super) fn make(
        &mut self,
        place: &Place<'_>,
        call: &mut Call,
    ) -> Result<Option<Result<(), Problem>>, StateError> {
        let attempt = match call {
            Call::Ready => 0,
            Call::Backoff { attempt, until } if *until <= self.turn.now => *attempt,
            _ => return Ok(None),
        };
        if self.head.paused {
            return Ok(None);
        }
        let now = self.turn.now;
        let sent = self.send(place, attempt)?;
        let state = self.state_of(&place.definition.name);
        match &sent {
            Ok(()) => {
                state.sent_at = Some(now);
                *call = Call::Sent { attempt };
            }
            // Its circuit may have closed by the next attempt.
            Err(problem) if problem.code == CIRCUIT_OPEN => {
                let error = Some(cut(&problem.to_string(), MAX_ATTEMPT_ERROR_BYTES));
                state.attempts.push(Attempt { attempt, started_at: now, completed_at: now, success: false, error });
                if let Some(later) = self.again(place, attempt) {
                    *call = later;
                    return Ok(Some(Ok(())));
                }
            }
            Err(_) => {}
        }
        Ok(Some(sent))
    }

    /// The next attempt of a call that has failed for now, where the step has one left.
    fn again(&self, place: &Place<'_>, attempt: u32) -> Option<Call> {
        let retry = place.definition.retry.as_ref().filter(|retry| attempt < retry.max_retries)?;
        let attempt = attempt + 1;
        let id = ids::derived(&self.head.id, &Self::attempt_name(place, attempt));
        let until = self.turn.now.saturating_add_unsigned(retry::pause_ms(retry, attempt, &id));
        Some(Call::Backoff { attempt, until })
    }

    /// What sets an attempt apart from all others of the chain.
    fn attempt_name(place: &Place<'_>, attempt: u32) -> String {
        format!("call/{}/{}/{attempt}", place.path, place.visit)
    }

    fn send(&mut self, place: &Place<'_>, attempt: u32) -> Result<Result<(), Problem>, StateError> {
        let provider = place.definition.provider.as_deref().unwrap_or_default();
        if !self.turn.definitions.providers.contains(provider) {
            let message = format!("no provider named `{provider}` is configured; add it under [[providers]]");
            return Ok(Err(Problem::new("PROVIDER_NOT_FOUND", message)));
        }
        let definitions = self.turn.definitions;
        let route = match circuit::route(definitions, self.turn.now, provider) {
            Ok(route) => route,
            Err(open) => return Ok(Err(Problem::new(CIRCUIT_OPEN, circuit::message(&open)))),
        };
        let origin = self.origin()?;
        let payload = match self.payload(place, &origin) {
            Ok(payload) => payload,
            Err(RenderError::State(error)) => return Err(error),
            Err(RenderError::TooLarge) => return Ok(Err(too_large())),
        };
        let id = ids::derived(&self.head.id, &Self::attempt_name(place, attempt)).to_string();
        let context = DispatchContext::Chain {
            chain_id: self.head.id.to_string(),
            step: place.path.clone(),
            visit: place.visit,
            attempt,
        };
        self.dispatch(&origin, (&route, place.definition.action_type.as_deref()), &id, payload, context);
        Ok(Ok(()))
    }

    /// Has a provider called for the chain, where circuits let the call go.
    pub(super) fn dispatch(
        &mut self,
        origin: &OriginPart,
        (route, action_type): (&Route<'_>, Option<&str>),
        id: &str,
        payload: Box<RawValue>,
        context: DispatchContext,
    ) {
        let head = &self.head;
        self.turn.effects.dispatch(&Dispatch {
            dispatch_id: Cow::Borrowed(id),
            action_id: Cow::Borrowed(&head.action_id),
            namespace: Cow::Borrowed(&head.namespace),
            tenant: Cow::Borrowed(&head.tenant),
            provider: Cow::Borrowed(route.provider),
            original_provider: route.chosen().map(Cow::Borrowed),
            action_type: Cow::Borrowed(action_type.unwrap_or(&head.action_type)),
            payload: Cow::Owned(payload),
            metadata: Cow::Borrowed(&origin.metadata),
            dedup_key: None,
            status: None,
            fingerprint: None,
            created_at: origin.created_at.as_deref().map(Cow::Borrowed),
            extra: serde_json::Map::new(),
            rendered_by: None,
            rule: head.rule.as_deref().map(Cow::Borrowed),
            context: Some(context),
            released_by: None,
            passed_over: route.passed_over(),
            retry: 0,
            probe: route.probe,
            decided_at: self.turn.now,
            task: self.turn.task.partition,
            source: head.source.clone(),
        });
    }

    fn payload(&mut self, place: &Place<'_>, origin: &OriginPart) -> Result<Box<RawValue>, RenderError> {
        let payload = match &place.definition.payload_template {
            None => to_raw_value(&origin.seen.payload),
            Some(template) => {
                let mut source = Rendering::new(self.turn.state, &self.head, &origin.seen, place.index);
                to_raw_value(&render(template, &mut source, MAX_PAYLOAD_BYTES)?)
            }
        };
        // JSON always serialises; what is too large is refused as such.
        payload.ok().filter(|payload| payload.get().len() <= MAX_PAYLOAD_BYTES).ok_or(RenderError::TooLarge)
    }

    /// Takes the result of a call in: it is over, or made again later.
    pub(super) fn answered(
        &mut self,
        place: &Place<'_>,
        attempt: u32,
        result: &ProviderResult<'_>,
    ) -> (Call, Option<Answer>) {
        let now = self.turn.now;
        let problem = match &result.result {
            ResultStatus::Delivered(_) => None,
            ResultStatus::Failed(error) => Some(Problem::new(&error.code, &error.message)),
        };
        let served_by = (problem.is_none() && !result.passed_over.is_empty()).then(|| result.provider.to_string());
        let state = self.state_of(&place.definition.name);
        state.served_by = served_by;
        state.attempts.push(Attempt {
            attempt,
            started_at: state.sent_at.take().unwrap_or(state.started_at),
            completed_at: now,
            success: problem.is_none(),
            error: problem.as_ref().map(|problem| cut(&problem.to_string(), MAX_ATTEMPT_ERROR_BYTES)),
        });
        let body = match &result.result {
            ResultStatus::Delivered(response) => serde_json::from_str(response.body.get()).unwrap_or_default(),
            ResultStatus::Failed(error) => {
                if let Some(later) = self.again(place, attempt).filter(|_| error.retryable) {
                    return (later, None);
                }
                Value::Null
            }
        };
        (Call::Done { success: problem.is_none() }, Some(Answer { body, problem }))
    }

    /// Keeps the result of a step for those behind it.
    pub(super) fn keep(&mut self, name: &str, body: Value, problem: Option<Problem>) -> StepResult {
        let now = self.turn.now;
        let bytes = super::template::json_bytes(&body);
        let state = self.state_of(name);
        state.completed_at = Some(now);
        state.error.clone_from(&problem);
        state.status = if problem.is_none() { StepStatus::Completed } else { StepStatus::Failed };
        let mut result = StepResult { success: problem.is_none(), body, error: problem };
        if bytes > MAX_BODY_BYTES {
            state.note = Some(format!("a body of {bytes} bytes was not kept; the limit is {MAX_BODY_BYTES}"));
            result.body = Value::Null;
        }
        let head = &self.head;
        let scope = (head.namespace.as_str(), head.tenant.as_str(), &head.id);
        kept::put_part(self.turn.state, scope, Part::Result(name), &result);
        result
    }

    /// Puts the call of a failed step into the dead-letter topic, as an action that could be sent again.
    pub(super) fn bury_call(&mut self, step: usize, problem: &Problem) -> Result<(), StateError> {
        let definition = self.definition.clone();
        let place = self.place(&definition.steps[step], None, step);
        let origin = self.origin()?;
        let payload = match self.payload(&place, &origin) {
            Ok(payload) => payload,
            Err(RenderError::State(error)) => return Err(error),
            // The payload can't be made: the action that the chain began with says more than nothing.
            Err(RenderError::TooLarge) => return self.bury(Letter::Origin, problem),
        };
        let mut action = origin.action.clone();
        let id = ids::derived(&self.head.id, &format!("buried/{}/{}", place.path, place.visit)).to_string();
        let definition = place.definition;
        let fields = [
            ("id", Value::String(id)),
            ("provider", Value::from(definition.provider.as_deref())),
            ("action_type", Value::from(definition.action_type.as_deref())),
            ("payload", serde_json::from_str(payload.get()).unwrap_or_default()),
        ];
        // What made the origin unique or timed would refuse or delay its step.
        for key in ["dedup_key", "dispatch_at", "status", "fingerprint"] {
            action.remove(key);
        }
        action.extend(fields.map(|(key, value)| (key.to_owned(), value)));
        self.dead_letter(&Value::Object(action), problem);
        Ok(())
    }
}

fn too_large() -> Problem {
    Problem::new("PAYLOAD_TOO_LARGE", format!("the step's payload is larger than {MAX_PAYLOAD_BYTES} bytes"))
}

/// The outcome that a step's end is recorded as.
pub(super) fn outcome(success: bool) -> Outcome {
    if success { Outcome::ChainStepCompleted } else { Outcome::ChainStepFailed }
}
