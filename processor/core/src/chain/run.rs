//! A chain in motion: one turn's work on it and on the chains that it belongs together with.

use super::kept::{self, At, Call, Head, Part, Problem, Status, StepState, StepStatus};
use super::limits::{MAX_MOVES, MAX_PATH, MAX_VISITS};
use super::view;
use crate::effect::Effects;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::value;
use acteon_schemas::{ChainDefinition, ChainStep};
use std::collections::VecDeque;
use std::rc::Rc;
use uuid::Uuid;

/// What is left to do in this turn for chains that call each other.
pub(super) struct Family {
    todo: VecDeque<(Uuid, Work)>,
    /// Moves that are left: chains that have work beyond them go on in the next turn, by their timer.
    moves: u32,
}

/// What shall happen to a chain.
pub(super) enum Work {
    /// It goes on as far as it can.
    Drive,
    /// It is called off.
    Cancel { reason: String, by: Option<String> },
    /// It is paused, or its pause ends.
    Pause(bool),
}

/// One chain in a turn.
pub(super) struct Run<'r, 't, S, E> {
    pub(super) turn: &'r mut Turn<'t, S, E>,
    pub(super) head: Head,
    pub(super) definition: Rc<ChainDefinition>,
    family: &'r mut Family,
}

/// Does something to a chain, and what follows from it for others. `None` where there is no such chain.
pub(super) fn with<S: State, E: Effects, R>(
    turn: &mut Turn<'_, S, E>,
    (namespace, tenant): (&str, &str),
    id: Uuid,
    act: impl FnOnce(&mut Run<'_, '_, S, E>) -> Result<R, StateError>,
) -> Result<Option<R>, StateError> {
    let mut family = Family { todo: VecDeque::new(), moves: MAX_MOVES };
    let Some(mut run) = Run::load(turn, &mut family, (namespace, tenant), id)? else { return Ok(None) };
    let result = act(&mut run)?;
    run.save()?;
    while let Some((id, work)) = family.todo.pop_front() {
        let Some(mut run) = Run::load(turn, &mut family, (namespace, tenant), id)? else { continue };
        if run.head.status != Status::Running {
            continue;
        }
        match work {
            Work::Drive => run.drive()?,
            Work::Cancel { reason, by } => run.cancel(reason, by)?,
            Work::Pause(paused) => run.pause(paused)?,
        }
        run.save()?;
    }
    Ok(Some(result))
}

impl<'r, 't, S: State, E: Effects> Run<'r, 't, S, E> {
    fn load(
        turn: &'r mut Turn<'t, S, E>,
        family: &'r mut Family,
        (namespace, tenant): (&str, &str),
        id: Uuid,
    ) -> Result<Option<Self>, StateError> {
        let Some(head) = kept::get(turn.state, namespace, tenant, &id)? else { return Ok(None) };
        let definition = kept::get_part(turn.state, (namespace, tenant, &id), Part::Definition)?;
        let definition = Rc::new(definition.ok_or_else(|| corrupt("the definition of a chain is gone"))?);
        let run = Self { turn, head, definition, family };
        if run.definition.steps.get(run.head.at.step()).is_none() {
            return Err(corrupt("a chain stands at a step that its definition does not have"));
        }
        Ok(Some(run))
    }

    /// Writes the head with the time at which it has to be looked at again.
    fn save(&mut self) -> Result<(), StateError> {
        let key = kept::key(&self.head.namespace, &self.head.tenant, &self.head.id);
        let due = self.due()?;
        self.turn.state.put(&key, &value::encode(due, &self.head));
        Ok(())
    }

    /// When something happens to the chain by time alone.
    fn due(&mut self) -> Result<i64, StateError> {
        let head = &self.head;
        if let Some(ended_at) = head.ended_at {
            let ttl_ms = super::ttl_ms(self.turn, (&head.namespace, &head.tenant))?;
            let unseen = self.turn.now.saturating_add(crate::policy::MAX_UNSEEN_MS);
            return Ok(ended_at.saturating_add_unsigned(ttl_ms).min(unseen));
        }
        let backoff = |call: &Call| match call {
            Call::Backoff { until, .. } if !head.paused => Some(*until),
            _ => None,
        };
        let own = match &head.at {
            _ if self.family.moves == 0 => Some(self.turn.now),
            At::Delayed { until, .. } if !head.paused => Some(*until),
            At::Sleeping { until, .. } => Some(*until),
            At::Awaiting { until, .. } => *until,
            At::Calling { call, .. } => backoff(call),
            At::Parallel { until, calls, .. } => calls.iter().filter_map(backoff).chain(*until).min(),
            At::Next { .. } | At::Delayed { .. } | At::Child { .. } | At::Ended { .. } => None,
        };
        Ok(own.into_iter().chain(head.expires_at).min().unwrap_or(value::NEVER))
    }

    /// Leaves work for another chain, behind this one's.
    pub(super) fn leave(&mut self, id: Uuid, work: Work) {
        self.family.todo.push_back((id, work));
    }

    pub(super) fn step(&self, step: usize) -> &ChainStep {
        // The definition has the steps that the head names: checked where both are read, and nothing changes it.
        &self.definition.steps[step]
    }

    /// What is known of a step.
    pub(super) fn state_of(&mut self, name: &str) -> &mut StepState {
        self.head.steps.entry(name.to_owned()).or_default()
    }

    /// Goes on as far as the chain can now.
    pub(super) fn drive(&mut self) -> Result<(), StateError> {
        while self.head.status == Status::Running {
            if self.head.expires_at.is_some_and(|at| at <= self.turn.now) {
                return self.time_out();
            }
            if self.family.moves == 0 || !self.advance()? {
                return Ok(());
            }
            self.family.moves -= 1;
            self.head.updated_at = self.turn.now;
        }
        Ok(())
    }

    /// Makes one move, if there is one to make.
    fn advance(&mut self) -> Result<bool, StateError> {
        let now = self.turn.now;
        match self.head.at.clone() {
            At::Next { step } if !self.head.paused => self.enter(step).map(|()| true),
            At::Delayed { step, until } if until <= now && !self.head.paused => self.begin(step).map(|()| true),
            At::Calling { step, call } => self.advance_call(step, call),
            At::Parallel { step, until, calls } => self.advance_parallel(step, until, calls),
            At::Child { step, id } => self.advance_child(step, id),
            At::Sleeping { step, until } if until <= now => self.wake(step, until).map(|()| true),
            At::Awaiting { step, until } => self.advance_signal(step, until),
            At::Next { .. } | At::Delayed { .. } | At::Sleeping { .. } | At::Ended { .. } => Ok(false),
        }
    }

    /// Comes to a step.
    fn enter(&mut self, step: usize) -> Result<(), StateError> {
        let now = self.turn.now;
        let definition = self.definition.clone();
        let definition = &definition.steps[step];
        self.head.at = At::Next { step };
        let visits = self.state_of(&definition.name).visits;
        if visits >= MAX_VISITS {
            let message = format!("the chain came to step `{}` more than {MAX_VISITS} times", definition.name);
            return self.fail(Problem::new("TOO_MANY_VISITS", message), super::end::Letter::Origin);
        }
        if self.head.path.len() >= MAX_PATH {
            let message = format!("the chain has taken more than {MAX_PATH} steps");
            return self.fail(Problem::new("TOO_MANY_STEPS", message), super::end::Letter::Origin);
        }
        self.visit(&definition.name, &definition.name);
        match definition.delay_seconds {
            Some(delay) => {
                let until = now.saturating_add_unsigned(delay.saturating_mul(1000));
                self.head.at = At::Delayed { step, until };
                Ok(())
            }
            None => self.begin(step),
        }
    }

    /// Notes that a step is taken: its earlier visit is forgotten.
    pub(super) fn visit(&mut self, name: &str, path: &str) {
        let now = self.turn.now;
        self.head.path.push(path.to_owned());
        let state = self.state_of(name);
        let visits = state.visits + 1;
        *state = StepState { status: StepStatus::Running, visits, started_at: now, ..StepState::default() };
    }

    /// Does what a step does.
    fn begin(&mut self, step: usize) -> Result<(), StateError> {
        let definition = self.definition.clone();
        let definition = &definition.steps[step];
        if let Some(sub) = &definition.sub_chain {
            self.start_child(step, sub)
        } else if let Some(parallel) = &definition.parallel {
            self.begin_parallel(step, parallel);
            Ok(())
        } else if let Some(timer) = &definition.timer {
            self.begin_timer(step, timer)
        } else if let Some(wait) = &definition.wait_for_signal {
            let until = wait.timeout_seconds.map(|seconds| self.turn.now.saturating_add_unsigned(seconds * 1000));
            self.head.at = At::Awaiting { step, until };
            Ok(())
        } else {
            self.head.at = At::Calling { step, call: Call::Ready };
            Ok(())
        }
    }

    /// The status as it is shown.
    pub(super) fn status(&self) -> &'static str {
        view::status(&self.head)
    }
}

pub(super) fn corrupt(problem: &'static str) -> StateError {
    StateError::Corrupt { store: crate::keys::Store::Chain.name(), problem }
}
