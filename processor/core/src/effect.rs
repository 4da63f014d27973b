use acteon_schemas::{
    AuditRecord, CircuitState, Command, Coordinates, DeadLetterHolds, DeadLetterReason, Dispatch, OutcomeRecord,
};
use serde_json::Value;

/// What a step wants done. The runtime writes each to its topic, in the transaction that commits the input.
pub trait Effects {
    /// Tell what became of an action.
    fn outcome(&mut self, record: &OutcomeRecord<'_>);
    /// Record a decision or its completion.
    fn audit(&mut self, record: &AuditRecord<'_>);
    /// Have a provider called.
    fn dispatch(&mut self, record: &Dispatch<'_>);
    /// Send a command to the partition of its key.
    fn command(&mut self, partition: i32, record: &Command);
    /// Tell all tasks and connectors how a circuit stands; `turned` where it has opened or closed.
    fn circuit(&mut self, record: &CircuitState, turned: bool);
    /// Send the input on, as it is, to the partition that its tenant belongs to.
    fn repartition(&mut self, partition: i32, key: &str);
    /// Put the input, as it is, into the dead-letter topic.
    fn dead_letter(&mut self, reason: DeadLetterReason);
    /// Put a record that is not the input into the dead-letter topic.
    fn bury(&mut self, letter: OtherDeadLetter<'_>);
}

/// A dead letter that is not the input.
#[derive(Debug, Clone)]
pub struct OtherDeadLetter<'a> {
    /// The input that it comes from.
    pub source: &'a Coordinates<'a>,
    /// The record's key.
    pub key: &'a str,
    /// The record's value.
    pub value: &'a [u8],
    /// What the value is.
    pub holds: DeadLetterHolds,
    /// The calls that were made, where it is about calls.
    pub attempts: Option<u32>,
    /// Why.
    pub reason: DeadLetterReason,
}

/// Effects kept as JSON: for rule tests, models and golden files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorder {
    /// Outcomes in order.
    pub outcomes: Vec<Value>,
    /// Audit records in order.
    pub audit: Vec<Value>,
    /// Dispatches in order.
    pub dispatches: Vec<Value>,
    /// Partition and record of each command.
    pub commands: Vec<(i32, Command)>,
    /// Circuits in order.
    pub circuits: Vec<CircuitState>,
    /// Partition and key of each re-keyed input.
    pub repartitioned: Vec<(i32, String)>,
    /// Reasons of dead letters.
    pub dead_letters: Vec<DeadLetterReason>,
    /// Key, value and reason of each dead letter that is not the input.
    pub other_dead_letters: Vec<(String, Value, DeadLetterReason)>,
}

impl Effects for Recorder {
    fn outcome(&mut self, record: &OutcomeRecord<'_>) {
        self.outcomes.push(json(record));
    }
    fn audit(&mut self, record: &AuditRecord<'_>) {
        self.audit.push(json(record));
    }
    fn dispatch(&mut self, record: &Dispatch<'_>) {
        self.dispatches.push(json(record));
    }
    fn command(&mut self, partition: i32, record: &Command) {
        self.commands.push((partition, record.clone()));
    }
    fn circuit(&mut self, record: &CircuitState, _turned: bool) {
        self.circuits.push(record.clone());
    }
    fn repartition(&mut self, partition: i32, key: &str) {
        self.repartitioned.push((partition, key.to_owned()));
    }
    fn dead_letter(&mut self, reason: DeadLetterReason) {
        self.dead_letters.push(reason);
    }
    fn bury(&mut self, letter: OtherDeadLetter<'_>) {
        let text = || String::from_utf8_lossy(letter.value).into();
        let value = serde_json::from_slice(letter.value).unwrap_or_else(|_| text());
        self.other_dead_letters.push((letter.key.to_owned(), value, letter.reason));
    }
}

/// Records hold strings, numbers and JSON text alone, which always serialise; a failure would show as its message.
fn json(record: &impl serde::Serialize) -> Value {
    serde_json::to_value(record).unwrap_or_else(|error| Value::String(error.to_string()))
}
