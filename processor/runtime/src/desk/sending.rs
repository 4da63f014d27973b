//! What the producer is given, and when.

use super::{Desk, no_producer, numbered};
use crate::clock::Clock;
use crate::log::{LogError, OutRecord, OutTopic, SendError, Sink, Tag};
use crate::store::{Store, Write};
use acteon_core::keys;

impl<O, S: Store, C: Clock> Desk<O, S, C> {
    /// Gives the producer what the commit can't be left with: effects that have become many, and those of a task's first
    /// input in the transaction.
    ///
    /// librdkafka asks the coordinator to add partitions to a transaction one millisecond after the first record for any of
    /// them (`rd_kafka_txn_schedule_register_partitions`), and sends no record before the answer. A task's first input
    /// leaves a record for nearly all of its partitions, so that the rest is decided in that time.
    pub(super) fn send_early<G>(&mut self, partition: i32) -> Result<(), LogError>
    where
        O: Sink<G>,
    {
        if !self.may_send() {
            return Ok(());
        }
        let is_first = self.tasks.get(&partition).is_some_and(|task| !task.is_announced);
        if is_first || self.outbox.is_full() {
            self.hand_over()?;
        }
        if is_first { self.announce(partition) } else { Ok(()) }
    }

    /// Gives the producer what the outbox holds.
    pub(super) fn hand_over<G>(&mut self) -> Result<(), LogError>
    where
        O: Sink<G>,
    {
        let sink = self.sink.as_mut().ok_or_else(no_producer)?;
        match self.outbox.send(sink) {
            Ok(()) => Ok(()),
            Err((_, SendError::Log(error))) => Err(error),
            Err((number, SendError::TooLarge(reason))) => {
                // Part of it is in the transaction: that is dropped, and the input set aside next time.
                self.refuse(numbered(&self.inputs, number), reason);
                Err(LogError::Retriable("an effect is larger than the client sends".to_owned()))
            }
        }
    }

    /// Sends one write of a task to each of the changelogs that it has written to so far. What becomes of these keys later
    /// in the transaction stands behind it.
    pub(super) fn announce<G>(&mut self, partition: i32) -> Result<(), LogError>
    where
        O: Sink<G>,
    {
        let Some(sink) = &mut self.sink else { return Err(no_producer()) };
        let Some(task) = self.tasks.get_mut(&partition) else { return Ok(()) };
        task.is_announced = true;
        task.clock.store(&mut task.overlay);
        task.overlay.keep_step();
        for topic in [OutTopic::Changelog, OutTopic::ChangelogExpiring] {
            let Some((key, value)) = task.overlay.writes().find(|(key, _)| changelog(key) == topic) else { continue };
            send(sink, partition, (key, value))?;
            task.announced.push((key.to_vec(), value.map(<[u8]>::to_vec)));
        }
        Ok(())
    }

    /// Sends what the transaction has written to the tasks' states: the last write of each key.
    pub(super) fn send_changelog<G>(&mut self) -> Result<(), LogError>
    where
        O: Sink<G>,
    {
        let Some(sink) = &mut self.sink else { return Err(no_producer()) };
        for (partition, task) in self.tasks.iter_mut().filter(|(_, task)| task.is_touched()) {
            task.clock.store(&mut task.overlay);
            task.overlay.keep_step();
            for (key, value) in task.overlay.writes() {
                let is_sent = task.announced.iter().any(|(sent, as_of)| sent == key && as_of.as_deref() == value);
                if !is_sent {
                    send(sink, *partition, (key, value))?;
                }
            }
        }
        Ok(())
    }
}

/// The changelog that a key belongs to.
fn changelog(key: &[u8]) -> OutTopic<'static> {
    let expiring = keys::Store::of(key).is_some_and(keys::Store::is_in_expiring_changelog);
    if expiring { OutTopic::ChangelogExpiring } else { OutTopic::Changelog }
}

fn send<G>(sink: &mut impl Sink<G>, partition: i32, (key, value): Write<'_>) -> Result<(), LogError> {
    let record = OutRecord { topic: changelog(key), partition: Some(partition), key: Some(key), value, headers: &[] };
    match sink.send(&record, Tag::Changelog) {
        Ok(()) => Ok(()),
        Err(SendError::Log(error)) => Err(error),
        // A step that writes a key or a value near the client's limit was set aside.
        Err(SendError::TooLarge(reason)) => Err(LogError::Fatal(reason)),
    }
}
