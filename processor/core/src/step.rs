use crate::definitions::Definitions;
use crate::effect::Effects;
use crate::input::{Input, InputKind, Task};
use crate::policy::Loaded;
use crate::state::{State, StateError};
use crate::turn::Turn;
use crate::{action, command, result, timer};
use acteon_schemas::Outcome;

/// What a step did, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// An action was decided.
    Decided(Outcome),
    /// A dispatch's result became the last outcome.
    Completed(Outcome),
    /// A call that was not made, since a circuit is open, went to a fallback.
    PassedOn,
    /// A result that had been seen was dropped.
    Repeated,
    /// A command was carried out.
    Commanded,
    /// The input went to its tenant's partition.
    Repartitioned,
    /// The input went to the dead-letter topic.
    DeadLettered,
    /// A timer fired; where it released an action, with what became of that.
    Fired(Option<Outcome>),
    /// A timer's entry is gone or not due (any more).
    Stale,
}

/// Why a step could not be made. No effect of it may be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StepError(#[from] pub StateError);

/// Decides about one input: the only place where anything is decided.
///
/// `now` is the partition's clock, in milliseconds since 1970. The same arguments give the same effects and writes, byte
/// for byte.
///
/// # Errors
/// State can't be read, or holds what no version wrote. Nothing has been written to `state` then, and effects emitted so
/// far must be dropped.
pub fn step<S: State>(
    definitions: &Definitions,
    task: Task,
    state: &mut S,
    now: i64,
    input: &Input<'_>,
    effects: &mut impl Effects,
) -> Result<Stepped, StepError> {
    let turn = &mut Turn { definitions, task, now, policy: Loaded::default(), state, effects };
    Ok(match input.kind {
        InputKind::Action | InputKind::Repartitioned => action::decide(turn, input)?,
        InputKind::Command => command::perform(turn, input)?,
        InputKind::Result => result::complete(turn, input)?,
        InputKind::Timer => timer::fire(turn, input)?,
    })
}
