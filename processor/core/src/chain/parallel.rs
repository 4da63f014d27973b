//! Steps taken at the same time.

use super::call::Answer;
use super::end::Done;
use super::kept::{At, Call, Part, Problem, StepResult, StepStatus};
use super::run::Run;
use super::{call, kept};
use crate::effect::Effects;
use crate::state::{State, StateError};
use acteon_schemas::{ChainParallel, ParallelFailure, ParallelJoin};
use serde_json::{Map, Value};

impl<S: State, E: Effects> Run<'_, '_, S, E> {
    pub(super) fn begin_parallel(&mut self, step: usize, parallel: &ChainParallel) {
        let now = self.turn.now;
        let until = parallel.timeout_seconds.map(|seconds| now.saturating_add_unsigned(seconds.saturating_mul(1000)));
        self.head.at = At::Parallel { step, until, calls: vec![Call::Ready; parallel.steps.len()] };
    }

    /// Ends the step if its calls allow or time demands it; else makes a call that can be made.
    pub(super) fn advance_parallel(
        &mut self,
        step: usize,
        until: Option<i64>,
        mut calls: Vec<Call>,
    ) -> Result<bool, StateError> {
        let definition = self.definition.clone();
        let around = &definition.steps[step];
        let Some(parallel) = &around.parallel else { return Ok(false) };
        if let Some(success) = joined(parallel, &calls) {
            let body = self.bodies(parallel, &calls)?;
            let problem = (!success).then(|| self.first_problem(parallel, &calls));
            return self.settle_parallel(step, parallel, Done { body, problem, target: None }).map(|()| true);
        }
        if until.is_some_and(|until| until <= self.turn.now) {
            let body = self.bodies(parallel, &calls)?;
            let seconds = parallel.timeout_seconds.unwrap_or_default();
            let problem = Problem::new("TIMEOUT", format!("the parallel steps took longer than {seconds} s"));
            let done = Done { body, problem: Some(problem), target: None };
            return self.settle_parallel(step, parallel, done).map(|()| true);
        }
        if self.head.paused {
            return Ok(false);
        }
        let busy = calls.iter().filter(|call| matches!(call, Call::Sent { .. } | Call::Backoff { .. })).count();
        let free = parallel.max_concurrency.is_none_or(|most| busy < most as usize);
        for (call, inner) in calls.iter_mut().zip(&parallel.steps) {
            match call {
                Call::Ready if free => self.visit(&inner.name, &format!("{}/{}", around.name, inner.name)),
                Call::Backoff { .. } => {}
                _ => continue,
            }
            let place = self.place(inner, Some(&around.name), step);
            match self.make(&place, call)? {
                None => continue,
                Some(Ok(())) => {}
                Some(Err(problem)) => {
                    *call = Call::Done { success: false };
                    self.end_inner(&place, Answer { body: Value::Null, problem: Some(problem) });
                }
            }
            self.head.at = At::Parallel { step, until, calls };
            return Ok(true);
        }
        Ok(false)
    }

    /// Keeps and records the result of one of the steps.
    pub(super) fn end_inner(&mut self, place: &call::Place<'_>, answer: Answer) {
        let result = self.keep(&place.definition.name, answer.body, answer.problem);
        let outcome = call::outcome(result.success);
        self.record_call(place, outcome, result.error.as_ref(), None);
    }

    /// Ends the step around: what is still under way in it does not count any more.
    fn settle_parallel(&mut self, step: usize, parallel: &ChainParallel, done: Done) -> Result<(), StateError> {
        let now = self.turn.now;
        for inner in &parallel.steps {
            if let Some(state) = self.head.steps.get_mut(&inner.name)
                && state.status == StepStatus::Running
            {
                state.status = StepStatus::Skipped;
                state.completed_at = Some(now);
            }
        }
        self.settle(step, done)
    }

    /// The bodies of the steps that have succeeded, by name; null for the others.
    fn bodies(&mut self, parallel: &ChainParallel, calls: &[Call]) -> Result<Value, StateError> {
        let mut bodies = Map::new();
        for (inner, call) in parallel.steps.iter().zip(calls) {
            let head = &self.head;
            let scope = (head.namespace.as_str(), head.tenant.as_str(), &head.id);
            let result: Option<StepResult> = match call {
                Call::Done { success: true } => kept::get_part(self.turn.state, scope, Part::Result(&inner.name))?,
                _ => None,
            };
            bodies.insert(inner.name.clone(), result.map(|result| result.body).unwrap_or_default());
        }
        Ok(Value::Object(bodies))
    }

    fn first_problem(&self, parallel: &ChainParallel, calls: &[Call]) -> Problem {
        let failed = parallel.steps.iter().zip(calls).find(|(_, call)| **call == Call::Done { success: false });
        let name = failed.map_or("", |(failed, _)| failed.name.as_str());
        match self.head.steps.get(name).and_then(|state| state.error.as_ref()) {
            Some(why) => Problem::new(&why.code, format!("parallel step `{name}`: {}", why.message)),
            None => Problem::new("FAILED", format!("parallel step `{name}` failed")),
        }
    }
}

/// Whether the whole is over, and how.
fn joined(parallel: &ChainParallel, calls: &[Call]) -> Option<bool> {
    let count = |wanted: bool| calls.iter().filter(|call| **call == Call::Done { success: wanted }).count();
    let (well, failed) = (count(true), count(false));
    let join = parallel.join.unwrap_or(ParallelJoin::All);
    // Where the first success is enough, a failure says nothing about the others, unless it shall.
    let on_failure = parallel.on_failure.unwrap_or(match join {
        ParallelJoin::All => ParallelFailure::FailFast,
        ParallelJoin::Any => ParallelFailure::BestEffort,
    });
    if join == ParallelJoin::Any && well > 0 {
        return Some(true);
    }
    if on_failure == ParallelFailure::FailFast && failed > 0 {
        return Some(false);
    }
    (well + failed == calls.len()).then_some(failed == 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn joins_end_as_soon_as_they_can() {
        let calls = |text: &str| -> Vec<Call> {
            text.chars()
                .map(|char| match char {
                    '+' => Call::Done { success: true },
                    '-' => Call::Done { success: false },
                    's' => Call::Sent { attempt: 0 },
                    _ => Call::Ready,
                })
                .collect()
        };
        for (join, on_failure, state, expected) in [
            (None, None, "+s", None),
            (None, None, "++", Some(true)),
            (None, None, "-s", Some(false)),
            (Some("all"), Some("best_effort"), "-s", None),
            (Some("all"), Some("best_effort"), "-+", Some(false)),
            (Some("any"), None, "s.", None),
            (Some("any"), None, "-s", None),
            (Some("any"), None, "-+", Some(true)),
            (Some("any"), None, "--", Some(false)),
            (Some("any"), Some("fail_fast"), "-s", Some(false)),
            (Some("any"), Some("fail_fast"), "+-", Some(true)),
        ] {
            let parallel: ChainParallel =
                serde_json::from_value(json!({"steps": [], "join": join, "on_failure": on_failure})).unwrap();
            assert_eq!(joined(&parallel, &calls(state)), expected, "{join:?} {on_failure:?} {state}");
        }
    }
}
