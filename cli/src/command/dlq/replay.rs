//! Sends dead letters again: a dispatch by a command to its tenant's task, which makes it with its idempotency key; an
//! action to the actions' topic; any other record to where it came from, as it was.

use super::entry::{Entry, Id};
use super::write::{Outgoing, Writer};
use crate::clock::{self, Stopwatch};
use crate::config::Config;
use acteon_schemas::{
    Command, CommandKind, Coordinates, DeadLetterHolds, OutcomeDetail, OutcomeRecord, Resolution, headers, tenant_key,
};
use acteon_topology::{Follower, From, Names, Next};
use anyhow::Result;
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, OwnedHeaders};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Most dispatches that are asked for before their answers are waited for.
const MAX_ASKED: usize = 200;
/// How long one look for an answer takes.
const POLL: Duration = Duration::from_millis(50);

/// What became of one dead letter.
#[derive(Debug)]
pub(crate) struct Done {
    pub(super) id: Id,
    /// Why nothing was done.
    pub(super) problem: Option<String>,
}

impl Done {
    /// As it is told.
    pub(crate) fn shown(&self, what: Resolution) -> Value {
        match &self.problem {
            None => json!({"id": self.id.to_string(), "status": what.as_str()}),
            Some(problem) => json!({"id": self.id.to_string(), "status": "failed", "message": problem}),
        }
    }
}

/// Sends dead letters again.
pub(super) struct Replayer<'r> {
    config: &'r Config,
    writer: Writer,
    answers: Follower,
    by: Option<&'r str>,
    timeout: Duration,
    /// Ids of commands that are not answered yet.
    asked: BTreeMap<String, Id>,
}

impl<'r> Replayer<'r> {
    pub(super) fn start(config: &'r Config, by: Option<&'r str>, timeout: Duration) -> Result<Self> {
        // Before anything is sent, so that no answer is missed.
        let answers = Follower::start(&config.kafka, config.topology.names.outcomes(), From::End)?;
        Ok(Self { config, writer: Writer::start(config)?, answers, by, timeout, asked: BTreeMap::new() })
    }

    /// Sends one again.
    pub(super) fn take(
        &mut self,
        id: Id,
        entry: &Entry,
        record: &BorrowedMessage<'_>,
        done: &mut Vec<Done>,
    ) -> Result<()> {
        let problem = match entry.holds {
            Some(DeadLetterHolds::Dispatch) => match self.ask(id, record)? {
                None => return if self.asked.len() < MAX_ASKED { Ok(()) } else { self.finish(done) },
                problem => problem,
            },
            Some(DeadLetterHolds::Action) => {
                self.writer.write(&Outgoing {
                    topic: self.config.topology.names.actions(),
                    partition: None,
                    key: record.key(),
                    value: record.payload(),
                    headers: OwnedHeaders::new(),
                })?;
                None
            }
            None => self.send_back(entry, record)?,
        };
        if problem.is_none() {
            self.writer.resolve(id, Resolution::Replayed, self.by)?;
        }
        done.push(Done { id, problem });
        Ok(())
    }

    /// Asks the dispatch's task to make it again. Returns why it can't be asked.
    fn ask(&mut self, id: Id, record: &BorrowedMessage<'_>) -> Result<Option<String>> {
        let command = match command(record.payload().unwrap_or_default(), self.by) {
            Ok(command) => command,
            Err(problem) => return Ok(Some(problem)),
        };
        let value = serde_json::to_vec(&command)?;
        // What the processor would not read is refused here, where someone sees it.
        if let Err(error) = Command::decode(&value) {
            return Ok(Some(format!("it can't travel as a command: {error}")));
        }
        let key = tenant_key(&command.namespace, &command.tenant);
        self.writer.write(&Outgoing {
            topic: self.config.topology.names.commands(),
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: OwnedHeaders::new(),
        })?;
        self.asked.insert(command.id, id);
        Ok(None)
    }

    /// Sends a record to where it came from. Returns why it can't be.
    fn send_back(&self, entry: &Entry, record: &BorrowedMessage<'_>) -> Result<Option<String>> {
        let source = match Coordinates::parse(&entry.source) {
            Some(source) if is_input(&self.config.topology.names, &source.topic) => source,
            _ => return Ok(Some(format!("it came from {}, which takes no records of others", entry.source))),
        };
        if record.payload().is_none() {
            return Ok(Some(format!(
                "it was too large to be kept: its value is only at {source}, as long as that is kept"
            )));
        }
        self.writer.write(&Outgoing {
            topic: &source.topic,
            partition: Some(source.partition),
            key: record.key(),
            value: record.payload(),
            headers: own_headers(record),
        })?;
        Ok(None)
    }

    /// Waits for the answers to all that was asked.
    pub(super) fn finish(&mut self, done: &mut Vec<Done>) -> Result<()> {
        let mut silence = Stopwatch::start();
        while !self.asked.is_empty() && silence.elapsed() < self.timeout {
            let Next::Record(record) = self.answers.next(POLL)? else { continue };
            let Ok(outcome) = serde_json::from_slice::<OutcomeRecord<'_>>(record.payload().unwrap_or_default()) else {
                continue;
            };
            let Some(id) = self.asked.remove(&*outcome.action_id) else { continue };
            silence = Stopwatch::start();
            let problem = match &outcome.detail {
                OutcomeDetail::CommandRefused { code, message } => Some(format!("{code}: {message}")),
                _ => None,
            };
            if problem.is_none() {
                self.writer.resolve(id, Resolution::Replayed, self.by)?;
            }
            done.push(Done { id, problem });
        }
        for (command, id) in std::mem::take(&mut self.asked) {
            let problem = format!(
                "no answer in {:?}: does a processor run? Command {command} is carried out as soon as one does",
                self.timeout
            );
            done.push(Done { id, problem: Some(problem) });
        }
        Ok(())
    }
}

/// The command that has a dispatch made again, or why there is none.
fn command(dispatch: &[u8], by: Option<&str>) -> Result<Command, String> {
    let dispatch: Value = serde_json::from_slice(dispatch).map_err(|error| format!("it is no dispatch: {error}"))?;
    let name = |key: &str| match dispatch[key].as_str() {
        Some(name) => Ok(name.to_owned()),
        None => Err(format!("it is no dispatch: it has no `{key}`")),
    };
    Ok(Command {
        id: Uuid::new_v4().to_string(),
        namespace: name("namespace")?,
        tenant: name("tenant")?,
        issued_at: clock::now_ms(),
        issued_by: by.filter(|by| !by.is_empty()).map(str::to_owned),
        command: CommandKind::ReplayDispatch { dispatch },
    })
}

/// Whether records of a topic can be sent again.
fn is_input(names: &Names, topic: &str) -> bool {
    [names.actions(), names.repartition(), names.commands(), names.results()].contains(&topic)
        || topic.starts_with(&names.dispatch(""))
}

/// The headers that the record had before it became a dead letter.
fn own_headers(record: &BorrowedMessage<'_>) -> OwnedHeaders {
    let Some(all) = record.headers() else { return OwnedHeaders::new() };
    all.iter().filter(|header| !is_dead_letter_s(header)).fold(OwnedHeaders::new(), OwnedHeaders::insert)
}

/// Whether a header was added to make a dead letter.
fn is_dead_letter_s(header: &Header<'_, &[u8]>) -> bool {
    let added = [headers::SOURCE, headers::CODE, headers::MESSAGE, headers::AT, headers::HOLDS, headers::ATTEMPTS];
    added.contains(&header.key) || (header.key == headers::TYPE && header.value == Some(b"dead_letter".as_slice()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_that_others_write_take_records_again() {
        let names = Names::new("acteon").unwrap();
        let cases = [
            ("acteon.actions", true),
            ("acteon.repartition", true),
            ("acteon.commands", true),
            ("acteon.results", true),
            ("acteon.dispatch.slack", true),
            ("acteon.outcomes", false),
            ("acteon.changelog", false),
            ("other.actions", false),
            ("timer", false),
        ];
        for (topic, is) in cases {
            assert_eq!(is_input(&names, topic), is, "{topic}");
        }
    }

    #[test]
    fn what_is_no_dispatch_is_not_asked_for() {
        let asked = command(br#"{"namespace":"n","tenant":"t","dispatch_id":"d"}"#, Some("")).unwrap();
        assert_eq!((asked.namespace.as_str(), asked.tenant.as_str(), asked.issued_by), ("n", "t", None));
        for (bytes, part) in
            [(&b"nonsense"[..], "no dispatch"), (b"{}", "`namespace`"), (br#"{"namespace":"n"}"#, "`tenant`")]
        {
            assert!(command(bytes, None).unwrap_err().contains(part));
        }
    }

    #[test]
    fn what_made_it_a_dead_letter_is_taken_off() {
        let of = |key, value: &'static [u8]| Header { key, value: Some(value) };
        let cases = [
            (of("acteon-type", b"dead_letter"), true),
            (of("acteon-type", b"provider_result"), false),
            (of("acteon-dlq-source", b"x"), true),
            (of("acteon-origin", b"x"), false),
            (of("traceparent", b"x"), false),
        ];
        for (header, is) in cases {
            assert_eq!(is_dead_letter_s(&header), is, "{}", header.key);
        }
    }
}
