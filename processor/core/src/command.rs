use crate::effect::Effects;
use crate::input::Input;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::{dedup, throttle};
use acteon_schemas::{Command, CommandKind, DeadLetterReason};

/// Most counters that one `reset_throttle` deletes; a rule with `key_fields` has one for each of their values. What is
/// left after that many is deleted by sending the command again.
const MAX_RESET: usize = 10_000;

/// Carries out an operator's command.
pub(crate) fn perform(
    state: &mut impl State,
    input: &Input<'_>,
    effects: &mut impl Effects,
) -> Result<Stepped, StateError> {
    let command = match Command::decode(input.value.unwrap_or_default()) {
        Ok(command) => command,
        Err(error) => {
            let code = error.kind.code().to_owned();
            effects.dead_letter(DeadLetterReason { code, message: error.to_string() });
            return Ok(Stepped::DeadLettered);
        }
    };
    let mut key = Vec::with_capacity(96);
    match &command.command {
        CommandKind::ForgetDedupKey { dedup_key } => {
            dedup::given_key(&mut key, &command.namespace, &command.tenant, dedup_key);
            state.delete(&key);
        }
        CommandKind::ResetThrottle { rule } => {
            throttle::rule_prefix(&mut key, &command.namespace, &command.tenant, rule);
            for counter in state.scan(&key, MAX_RESET)? {
                state.delete(&counter);
            }
        }
        _ => return Ok(Stepped::Commanded),
    }
    Ok(Stepped::Commanded)
}
