//! The dead letters, for the gateway: what `acteon dlq` does.

use crate::command::dlq::{self, Chosen, Done, Filter, Id, Unfit};
use crate::config::Config;
use crate::exit::{self, Exit};
use acteon_gateway::{DeadLetterChoice, DeadLetterError, DeadLetterFilter, DeadLetters};
use acteon_schemas::Resolution;
use serde_json::Value;
use std::time::Duration;

/// How long the answers of processors are waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Who deals with what is dealt with over HTTP, for the record.
const BY: &str = "http";

/// The dead letters of a configuration's Kafka.
pub(super) struct DeadLetterDesk {
    config: Config,
}

impl DeadLetterDesk {
    pub(super) fn of(config: Config) -> Self {
        Self { config }
    }
}

impl DeadLetters for DeadLetterDesk {
    fn list(&self, filter: &DeadLetterFilter) -> Result<Vec<Value>, DeadLetterError> {
        let chosen = Filter::of(filter).map_err(|problem| since(&problem))?;
        dlq::found(&self.config, &chosen, filter.resolved).map_err(|error| told(&error))
    }

    fn show(&self, id: &str) -> Result<Value, DeadLetterError> {
        dlq::one(&self.config, parsed(id)?).map_err(|error| told(&error))
    }

    fn resolve(&self, what: Resolution, chosen: &DeadLetterChoice) -> Result<Vec<Value>, DeadLetterError> {
        let filter;
        let ids;
        let chosen = match chosen {
            DeadLetterChoice::All(given) => {
                filter = Filter::of(given).map_err(|problem| since(&problem))?;
                Chosen::All(&filter)
            }
            DeadLetterChoice::Ids(given) if given.len() > dlq::MAX_SELECTED => {
                let message = format!("{} ids; {} are dealt with at a time", given.len(), dlq::MAX_SELECTED);
                return Err(DeadLetterError::Refused(message));
            }
            DeadLetterChoice::Ids(given) => {
                ids = given.iter().map(|id| parsed(id)).collect::<Result<Vec<Id>, _>>()?;
                Chosen::Ids(&ids)
            }
        };
        let done = match what {
            Resolution::Replayed => dlq::replay(&self.config, chosen, Some(BY), ANSWER_TIMEOUT),
            Resolution::Dropped => dlq::discard(&self.config, chosen, Some(BY)),
        };
        let done: Vec<Done> = done.map_err(|error| told(&error))?;
        Ok(done.iter().map(|one| one.shown(what)).collect())
    }
}

fn parsed(id: &str) -> Result<Id, DeadLetterError> {
    id.parse().map_err(|_| DeadLetterError::Refused(format!("`{id}` is no id: use partition/offset, as in 3/42")))
}

fn since(problem: &str) -> DeadLetterError {
    DeadLetterError::Refused(format!("`since`: {problem}"))
}

fn told(error: &anyhow::Error) -> DeadLetterError {
    let message = format!("{error:#}");
    match error.downcast_ref::<Unfit>() {
        Some(Unfit::Unknown(_)) => DeadLetterError::Unknown(message),
        Some(Unfit::Resolved(_)) => DeadLetterError::Resolved(message),
        Some(Unfit::TooMany(_)) => DeadLetterError::Refused(message),
        None if exit::of(error) == Exit::Refused => DeadLetterError::Refused(message),
        None => DeadLetterError::Failed(message),
    }
}
