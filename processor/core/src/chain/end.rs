//! Ends of steps, and of chains.

use super::branch;
use super::kept::{At, Problem, Status, StepStatus};
use super::run::{Run, Work};
use crate::circuit::{self, CIRCUIT_OPEN};
use crate::effect::{Effects, OtherDeadLetter};
use crate::ids;
use crate::state::{State, StateError};
use acteon_schemas::{
    ChainDefinition, ChainFailure, DeadLetterHolds, DeadLetterReason, DispatchContext, Outcome, StepFailure, tenant_key,
};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// What a step gave.
pub(super) struct Done {
    pub(super) body: Value,
    /// Why it failed, where it did.
    pub(super) problem: Option<Problem>,
    /// Where to go without looking at branches.
    pub(super) target: Option<String>,
}

impl Done {
    pub(super) fn well(body: Value) -> Self {
        Self { body, problem: None, target: None }
    }

    pub(super) fn failed(problem: Problem) -> Self {
        Self { body: Value::Null, problem: Some(problem), target: None }
    }
}

/// What goes to the dead-letter topic when a chain fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letter {
    /// The action that the chain began with, unless the chain says otherwise.
    Origin,
    /// The call of this step.
    Call(usize),
}

/// What follows a step.
enum Next {
    Step(usize),
    End,
    /// As well, after a failure that is passed over.
    Skip(Option<usize>),
    Fail(Letter),
}

fn next(definition: &ChainDefinition, step: usize, success: bool, body: &Value, target: Option<&str>) -> Next {
    let place = |name: &str| definition.steps.iter().position(|other| other.name == *name);
    let is = &definition.steps[step];
    let branch = is.branches.iter().find(|branch| branch::holds(branch, success, body));
    let named = target.or_else(|| branch.map(|branch| branch.target.as_str())).or(is.default_next.as_deref());
    if let Some(next) = named.and_then(place) {
        return Next::Step(next);
    }
    let in_order = Some(step + 1).filter(|next| *next < definition.steps.len());
    match is.on_failure {
        _ if success => in_order.map_or(Next::End, Next::Step),
        Some(StepFailure::Skip) => Next::Skip(in_order),
        Some(StepFailure::Dlq) => Next::Fail(Letter::Call(step)),
        Some(StepFailure::Abort) | None => Next::Fail(Letter::Origin),
    }
}

impl<S: State, E: Effects> Run<'_, '_, S, E> {
    /// Ends a step: keeps its result, records it, and turns to what follows.
    pub(super) fn settle(&mut self, step: usize, done: Done) -> Result<(), StateError> {
        let definition = self.definition.clone();
        let name = definition.steps[step].name.as_str();
        let result = self.keep(name, done.body, done.problem);
        let next = next(&definition, step, result.success, &result.body, done.target.as_deref());
        let (outcome, following) = match next {
            Next::Skip(next) => {
                self.state_of(name).status = StepStatus::Skipped;
                (Outcome::ChainStepSkipped, next)
            }
            Next::Step(next) => (super::call::outcome(result.success), Some(next)),
            Next::End | Next::Fail(_) => (super::call::outcome(result.success), None),
        };
        let following = following.map(|next| definition.steps[next].name.as_str());
        self.record_step(step, name, outcome, result.error.as_ref(), following);
        self.head.previous = Some(name.to_owned());
        match next {
            Next::Step(next) | Next::Skip(Some(next)) => {
                self.head.at = At::Next { step: next };
                Ok(())
            }
            Next::End | Next::Skip(None) => {
                self.finish(Status::Completed, None);
                Ok(())
            }
            Next::Fail(letter) => {
                let cause = result.error.as_ref().map_or_else(String::new, ToString::to_string);
                self.fail(Problem::new("STEP_FAILED", format!("step `{name}` failed: {cause}")), letter)
            }
        }
    }

    /// Ends the chain as failed.
    pub(super) fn fail(&mut self, problem: Problem, letter: Letter) -> Result<(), StateError> {
        self.bury(letter, &problem)?;
        self.finish(Status::Failed, Some(problem));
        Ok(())
    }

    /// Puts what a failed chain leaves into the dead-letter topic. A sub-chain leaves the action to the chain around it.
    pub(super) fn bury(&mut self, letter: Letter, problem: &Problem) -> Result<(), StateError> {
        match letter {
            Letter::Call(step) => self.bury_call(step, problem),
            Letter::Origin if self.head.parent.is_some() => Ok(()),
            Letter::Origin if self.definition.on_failure == Some(ChainFailure::AbortNoDlq) => Ok(()),
            Letter::Origin => {
                let action = Value::Object(self.origin()?.action);
                self.dead_letter(&action, problem);
                Ok(())
            }
        }
    }

    pub(super) fn dead_letter(&mut self, action: &Value, problem: &Problem) {
        let head = &self.head;
        let key = tenant_key(&head.namespace, &head.tenant);
        let message = format!("chain `{}` ({}): {}", head.name, head.id, problem.message);
        let reason = DeadLetterReason { code: "CHAIN_FAILED".to_owned(), message };
        let value = action.to_string();
        self.turn.effects.bury(OtherDeadLetter {
            source: &head.source,
            key: &key,
            value: value.as_bytes(),
            holds: DeadLetterHolds::Action,
            attempts: None,
            reason,
        });
    }

    /// Ends the chain because it takes too long.
    pub(super) fn time_out(&mut self) -> Result<(), StateError> {
        let seconds = self.definition.timeout_seconds.unwrap_or_default();
        let name = self.step(self.head.at.step()).name.clone();
        let message = format!("the chain took longer than {seconds} s; it stood at step `{name}`");
        self.call_off_child("its parent chain timed out", None);
        self.finish(Status::TimedOut, Some(Problem::new("TIMEOUT", message)));
        Ok(())
    }

    /// Calls the chain off, with the chain that it waits for, and tells whom its definition names.
    pub(super) fn cancel(&mut self, reason: String, by: Option<String>) -> Result<(), StateError> {
        self.call_off_child(&format!("its parent chain was cancelled: {reason}"), by.as_deref());
        self.head.cancel_reason = Some(reason);
        self.head.cancelled_by = by;
        let step = self.step(self.head.at.step()).name.clone();
        self.finish(Status::Cancelled, None);
        let definition = self.definition.clone();
        let Some(told) = &definition.on_cancel else { return Ok(()) };
        if !self.turn.definitions.providers.contains(&told.provider) {
            let details = json!({"of": "chain_cancelled", "code": "PROVIDER_NOT_FOUND",
                "message": format!("no provider named `{}` is configured; add it under [[providers]]", told.provider)});
            self.record("notice", (&told.provider, &told.action_type), Outcome::NoticeFailed, details);
            return Ok(());
        }
        let definitions = self.turn.definitions;
        let route = match circuit::route(definitions, self.turn.now, &told.provider) {
            Ok(route) => route,
            Err(open) => {
                let message = circuit::message(&open);
                let details = json!({"of": "chain_cancelled", "code": CIRCUIT_OPEN, "message": message});
                self.record("notice", (&told.provider, &told.action_type), Outcome::NoticeFailed, details);
                return Ok(());
            }
        };
        let head = &self.head;
        let payload = json!({
            "chain_id": head.id.to_string(), "chain_name": head.name, "namespace": head.namespace,
            "tenant": head.tenant, "action_id": head.action_id, "status": head.status.tag(), "current_step": step,
            "execution_path": head.path, "reason": head.cancel_reason, "cancelled_by": head.cancelled_by,
        });
        let payload = to_raw_value(&payload).unwrap_or_else(|_| RawValue::NULL.to_owned());
        let id = ids::derived(&head.id, "notice/cancelled").to_string();
        let origin = self.origin()?;
        let context = DispatchContext::Notice { of: "chain_cancelled".to_owned() };
        self.dispatch(&origin, (&route, Some(&told.action_type)), &id, payload, context);
        Ok(())
    }

    fn call_off_child(&mut self, reason: &str, by: Option<&str>) {
        if let At::Child { id, .. } = self.head.at {
            self.leave(id, Work::Cancel { reason: reason.to_owned(), by: by.map(str::to_owned) });
        }
    }

    /// Ends the chain: no step is taken any more, and the chain around it goes on.
    fn finish(&mut self, status: Status, error: Option<Problem>) {
        let now = self.turn.now;
        let step = self.head.at.step();
        self.head.at = At::Ended { step };
        self.head.status = status;
        self.head.paused = false;
        self.head.updated_at = now;
        self.head.ended_at = Some(now);
        self.head.error = error;
        self.head.signals.clear();
        for state in self.head.steps.values_mut().filter(|state| state.status == StepStatus::Running) {
            state.status = StepStatus::Skipped;
            state.completed_at = Some(now);
        }
        self.record_end();
        if let Some(parent) = self.head.parent {
            self.leave(parent, Work::Drive);
        }
    }
}
