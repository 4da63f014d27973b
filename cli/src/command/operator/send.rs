use super::answer::Answer;
use crate::clock::Stopwatch;
use crate::command::produce::Sender;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use acteon_schemas::{Command, OutcomeDetail, OutcomeRecord, tenant_key};
use acteon_topology::{Follower, From, Next};
use anyhow::Result;
use rdkafka::Message as _;
use std::time::Duration;

/// How long one look for the answer takes.
const POLL: Duration = Duration::from_millis(50);

/// Sends a command and waits for its answer.
///
/// # Errors
/// What the processor would not read is refused here, where someone sees it. Kafka does not take the command, or nobody
/// answers within `timeout`.
pub(super) fn and_wait(config: &Config, command: &Command, timeout: Duration) -> Result<Answer> {
    let names = &config.topology.names;
    let value = serde_json::to_vec(command)?;
    Command::decode(&value)?;
    let key = tenant_key(&command.namespace, &command.tenant);
    let mut sender = Sender::start(&config.kafka, names.commands())?;
    // Before it is sent, so that the answer is not missed. Everything of a tenant has one partition number.
    let mut follower = Follower::of_key(&config.kafka, names.outcomes(), key.as_bytes(), From::End)?;
    sender.send(0, Some(key.as_bytes()), &value)?;
    let report = sender.finish()?;
    let clock = Stopwatch::start();
    while clock.elapsed() < timeout {
        let Next::Record(record) = follower.next(POLL)? else { continue };
        match serde_json::from_slice::<OutcomeRecord<'_>>(record.payload().unwrap_or_default()) {
            Ok(outcome) if outcome.action_id == command.id => {
                if let Some(answer) = answer(&outcome) {
                    return Ok(answer);
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, offset = record.offset(), "outcome can't be read"),
        }
    }
    let place = match report.first().map(|report| &report.place) {
        Some(Ok((partition, offset))) => format!("{}/{partition}/{offset}", names.commands()),
        _ => names.commands().to_owned(),
    };
    let message = format!(
        "no answer in {timeout:?}: does a processor run on Kafka at {}? The command {} is in {place} and is carried out as \
         soon as one does",
        config.kafka.bootstrap(),
        command.id
    );
    Err(Failure::error(Exit::Failed, message))
}

/// The answer in an outcome; `None` where it is one of something else.
fn answer(outcome: &OutcomeRecord<'_>) -> Option<Answer> {
    match &outcome.detail {
        // Read from JSON a moment ago, so it can be read again.
        OutcomeDetail::CommandDone { result } => {
            Some(Answer::Done(serde_json::from_str(result.get()).unwrap_or_default()))
        }
        OutcomeDetail::CommandRefused { code, message } => {
            Some(Answer::Refused { code: code.to_string(), message: message.to_string() })
        }
        _ => None,
    }
}
