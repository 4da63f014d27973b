//! Results of the calls that chains make.

use super::call::{Place, outcome};
use super::end::Done;
use super::kept::{At, Call};
use super::run::{Run, with};
use crate::effect::Effects;
use crate::state::{State, StateError};
use crate::turn::Turn;
use acteon_schemas::{Outcome, ProviderResult, ResultStatus};
use serde_json::json;
use uuid::Uuid;

/// Which call a result answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered<'r> {
    pub(crate) chain_id: &'r str,
    pub(crate) step: &'r str,
    pub(crate) visit: u32,
    pub(crate) attempt: u32,
}

/// Takes in the result of a chain's call, and goes on with the chain. `None` where there is no such chain (any more).
pub(crate) fn complete<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    result: &ProviderResult<'_>,
    answered: Answered<'_>,
) -> Result<Option<Outcome>, StateError> {
    let Ok(id) = Uuid::try_parse(answered.chain_id) else { return Ok(None) };
    with(turn, (&result.namespace, &result.tenant), id, |run| {
        // What time has brought comes before what comes now.
        run.drive()?;
        let success = matches!(result.result, ResultStatus::Delivered(_));
        if run.take(result, answered)? {
            run.drive()?;
        } else {
            run.record_late(result, answered, success);
        }
        Ok(outcome(success))
    })
}

impl<S: State, E: Effects> Run<'_, '_, S, E> {
    /// Takes a result in, if the chain waits for it.
    fn take(&mut self, result: &ProviderResult<'_>, answered: Answered<'_>) -> Result<bool, StateError> {
        let definition = self.definition.clone();
        let awaited = Call::Sent { attempt: answered.attempt };
        let is_it = |place: &Place<'_>, call: &Call| {
            place.path == answered.step && place.visit == answered.visit && *call == awaited
        };
        match self.head.at.clone() {
            At::Calling { step, call } => {
                let place = self.place(&definition.steps[step], None, step);
                if !is_it(&place, &call) {
                    return Ok(false);
                }
                let (call, answer) = self.answered(&place, answered.attempt, result);
                match answer {
                    None => self.head.at = At::Calling { step, call },
                    Some(answer) => {
                        self.settle(step, Done { body: answer.body, problem: answer.problem, target: None })?;
                    }
                }
                Ok(true)
            }
            At::Parallel { step, until, mut calls } => {
                let around = &definition.steps[step];
                let inside = around.parallel.iter().flat_map(|parallel| &parallel.steps);
                for (inner, call) in inside.zip(&mut calls) {
                    let place = self.place(inner, Some(&around.name), step);
                    if !is_it(&place, call) {
                        continue;
                    }
                    let (next, answer) = self.answered(&place, answered.attempt, result);
                    *call = next;
                    if let Some(answer) = answer {
                        self.end_inner(&place, answer);
                    }
                    self.head.at = At::Parallel { step, until, calls };
                    return Ok(true);
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Records a result that came when nothing waited for it any more.
    fn record_late(&mut self, result: &ProviderResult<'_>, answered: Answered<'_>, success: bool) {
        let Answered { step, visit, attempt, .. } = answered;
        let mut details = json!({
            "chain_name": self.head.name, "step": step, "visit": visit, "attempt": attempt, "success": success,
            "duration_ms": result.duration_ms, "late": true, "chain_status": self.status(),
        });
        if let ResultStatus::Failed(error) = &result.result {
            details["error"] = json!(error);
        }
        let what = format!("late/{step}/{visit}/{attempt}");
        self.record(&what, (&result.provider, &result.action_type), outcome(success), details);
    }
}
