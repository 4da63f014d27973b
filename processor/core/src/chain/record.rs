//! What is told of chains.

use super::call::Place;
use super::kept::{Problem, Status};
use super::run::Run;
use crate::effect::Effects;
use crate::ids;
use crate::progress::Progress;
use crate::state::State;
use acteon_schemas::{Outcome, OutcomeDetail, OutcomeRecord};
use serde_json::{Value, json};
use std::borrow::Cow;

impl<S: State, E: Effects> Run<'_, '_, S, E> {
    /// Records the end of a step that calls no provider, or stands by itself.
    pub(super) fn record_step(
        &mut self,
        step: usize,
        name: &str,
        outcome: Outcome,
        problem: Option<&Problem>,
        next: Option<&str>,
    ) {
        let definition = self.definition.clone();
        debug_assert_eq!(definition.steps[step].name, name);
        let place = self.place(&definition.steps[step], None, step);
        self.record_call(&place, outcome, problem, next);
    }

    /// Records the end of a step, or of one of those taken at the same time.
    pub(super) fn record_call(
        &mut self,
        place: &Place<'_>,
        outcome: Outcome,
        problem: Option<&Problem>,
        next: Option<&str>,
    ) {
        let now = self.turn.now;
        let state = self.state_of(&place.definition.name);
        let began = state.started_at;
        let mut details = json!({
            "chain_name": self.head.name, "step": place.path, "step_index": place.index, "visit": place.visit,
            "attempt": self.head.steps[&place.definition.name].attempts.last().map_or(0, |last| last.attempt),
            "success": problem.is_none(), "duration_ms": elapsed(began, now), "next_step": next,
        });
        if let Some(problem) = problem {
            details["error"] = json!(problem);
        }
        if let Some(served_by) = &self.head.steps[&place.definition.name].served_by {
            details["served_by"] = json!(served_by);
        }
        if let Some(child) = self.head.steps[&place.definition.name].child {
            details["child_chain_id"] = json!(child);
        }
        let what = format!("step/{}/{}", place.path, place.visit);
        let called = (place.definition.provider.as_deref(), place.definition.action_type.as_deref());
        let (provider, action_type) = (self.head.provider.clone(), self.head.action_type.clone());
        let called = (called.0.unwrap_or(&provider), called.1.unwrap_or(&action_type));
        self.audit(&what, called, outcome, details, began);
    }

    /// Records something that happened at once.
    pub(super) fn record(&mut self, what: &str, called: (&str, &str), outcome: Outcome, details: Value) {
        let now = self.turn.now;
        self.audit(what, called, outcome, details, now);
    }

    /// Tells how the chain ended; that of a sub-chain is recorded and answers nobody.
    pub(super) fn record_end(&mut self) {
        let outcome = match self.head.status {
            Status::Running => return,
            Status::Completed => Outcome::ChainCompleted,
            Status::Failed => Outcome::ChainFailed,
            Status::Cancelled => Outcome::ChainCancelled,
            Status::TimedOut => Outcome::ChainTimedOut,
        };
        let head = &self.head;
        let mut details = json!({
            "chain_name": head.name, "status": head.status.tag(), "execution_path": head.path,
            "duration_ms": elapsed(head.started_at, self.turn.now),
        });
        for (key, value) in [
            ("error", head.error.as_ref().map(|error| json!(error))),
            ("reason", head.cancel_reason.as_ref().map(|reason| json!(reason))),
            ("cancelled_by", head.cancelled_by.as_ref().map(|by| json!(by))),
            ("parent_chain_id", head.parent.map(|parent| json!(parent))),
        ] {
            if let Some(value) = value {
                details[key] = value;
            }
        }
        let (began, called) = (head.started_at, (head.provider.clone(), head.action_type.clone()));
        self.audit("end", (&called.0, &called.1), outcome, details, began);
        if self.head.parent.is_none() {
            self.answer(outcome);
        }
    }

    fn answer(&mut self, outcome: Outcome) {
        let head = &self.head;
        let error = head.error.as_ref().map(ToString::to_string).or_else(|| head.cancel_reason.clone());
        let id = head.id.to_string();
        self.turn.effects.outcome(&OutcomeRecord {
            action_id: Cow::Borrowed(&head.action_id),
            namespace: Cow::Borrowed(&head.namespace),
            tenant: Cow::Borrowed(&head.tenant),
            provider: Cow::Borrowed(&head.provider),
            action_type: Cow::Borrowed(&head.action_type),
            outcome,
            rule: head.rule.as_deref().map(Cow::Borrowed),
            detail: OutcomeDetail::ChainEnded {
                chain_id: Cow::Borrowed(&id),
                chain_name: Cow::Borrowed(&head.name),
                status: Cow::Borrowed(head.status.tag()),
                execution_path: head.path.iter().map(|step| Cow::Borrowed(step.as_str())).collect(),
                error: error.map(Cow::Owned),
            },
            is_final: !head.copy,
            released_by: None,
            chain_id: Some(Cow::Borrowed(&id)),
            decided_at: self.turn.now,
            source: head.source.clone(),
        });
    }

    fn audit(
        &mut self,
        what: &str,
        (provider, action_type): (&str, &str),
        outcome: Outcome,
        details: Value,
        began: i64,
    ) {
        let head = &self.head;
        let progress = Progress {
            id: ids::derived(&head.id, what),
            action_id: &head.action_id,
            namespace: &head.namespace,
            tenant: &head.tenant,
            provider,
            action_type,
            verdict: "chain",
            rule: head.rule.as_deref(),
            outcome,
            details,
            began,
            source: &head.source,
        };
        let mut record = progress.record(self.turn);
        record.chain_id = Some(Cow::Owned(head.id.to_string()));
        self.turn.effects.audit(&record);
    }
}

fn elapsed(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}
