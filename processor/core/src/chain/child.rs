//! Sub-chains: chains of their own that a step of another one waits for.

use super::end::Done;
use super::kept::{self, At, Head, Part, Problem, Status, StepResult};
use super::limits::MAX_DEPTH;
use super::run::{Run, Work};
use crate::effect::Effects;
use crate::ids;
use crate::state::{State, StateError};
use crate::value;

impl<S: State, E: Effects> Run<'_, '_, S, E> {
    /// Begins a sub-chain, with its current definition.
    pub(super) fn start_child(&mut self, step: usize, sub: &str) -> Result<(), StateError> {
        let Some(definition) = self.turn.definitions.chains.get(sub) else {
            let problem = Problem::new("CHAIN_NOT_FOUND", format!("there is no chain `{sub}` (any more)"));
            return self.settle(step, Done::failed(problem));
        };
        // Checked when definitions are compiled; a chain that began with older ones can get deeper.
        if self.head.depth >= MAX_DEPTH {
            let message = format!("`{sub}` would be more than {MAX_DEPTH} chains deep");
            return self.settle(step, Done::failed(Problem::new("TOO_DEEP", message)));
        }
        let name = self.step(step).name.clone();
        let visit = self.state_of(&name).visits;
        let now = self.turn.now;
        let head = &self.head;
        let child = Head {
            parent: Some(head.id),
            root: head.root,
            depth: head.depth + 1,
            namespace: head.namespace.clone(),
            tenant: head.tenant.clone(),
            action_id: head.action_id.clone(),
            provider: head.provider.clone(),
            action_type: head.action_type.clone(),
            rule: head.rule.clone(),
            source: head.source.clone(),
            ..Head::new(ids::derived(&head.id, &format!("child/{name}/{visit}")), definition, now)
        };
        let id = child.id;
        kept::put_part(self.turn.state, (&child.namespace, &child.tenant, &id), Part::Definition, definition);
        let key = kept::key(&child.namespace, &child.tenant, &id);
        // Its timer is set when it is driven, in this turn.
        self.turn.state.put(&key, &value::encode(now, &child));
        self.head.children.push(id);
        self.state_of(&name).child = Some(id);
        self.head.at = At::Child { step, id };
        self.leave(id, Work::Drive);
        Ok(())
    }

    /// Pauses the chain or ends its pause, with the sub-chain that it waits for.
    pub(super) fn pause(&mut self, paused: bool) -> Result<(), StateError> {
        self.head.paused = paused;
        self.head.updated_at = self.turn.now;
        if let At::Child { id, .. } = self.head.at {
            self.leave(id, Work::Pause(paused));
        }
        self.drive()
    }

    /// Goes on if the sub-chain has ended.
    pub(super) fn advance_child(&mut self, step: usize, id: uuid::Uuid) -> Result<bool, StateError> {
        let (namespace, tenant) = (self.head.namespace.clone(), self.head.tenant.clone());
        let Some(child) = kept::get(self.turn.state, &namespace, &tenant, &id)? else {
            let problem = Problem::new("SUB_CHAIN_GONE", format!("the sub-chain {id} is not there any more"));
            return self.settle(step, Done::failed(problem)).map(|()| true);
        };
        let code = match child.status {
            Status::Running => return Ok(false),
            Status::Completed => {
                let scope = (namespace.as_str(), tenant.as_str(), &id);
                let last: Option<StepResult> = match &child.previous {
                    Some(last) => kept::get_part(self.turn.state, scope, Part::Result(last))?,
                    None => None,
                };
                let body = last.map(|last| last.body).unwrap_or_default();
                return self.settle(step, Done::well(body)).map(|()| true);
            }
            Status::Failed => "SUB_CHAIN_FAILED",
            Status::Cancelled => "SUB_CHAIN_CANCELLED",
            Status::TimedOut => "SUB_CHAIN_TIMED_OUT",
        };
        let why = child.error.map(|error| error.message).or(child.cancel_reason).unwrap_or_default();
        let problem = Problem::new(code, format!("sub-chain `{}` ({id}): {why}", child.name));
        self.settle(step, Done::failed(problem)).map(|()| true)
    }
}
