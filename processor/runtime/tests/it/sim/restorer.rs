//! Changelogs read back from the simulated log.

use super::broker::Topic;
use super::hub::{Seam, Shared};
use super::plant::Plant;
use acteon_runtime::{ChangelogOffsets, ChangelogRecord, LogError, Restorer, Restoring};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most records read in one poll: few, so that restores are interrupted.
const RECORDS_A_POLL: usize = 40;
const TOPICS: [Topic; 2] = [Topic::Changelog, Topic::Expiring];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Reading,
    Done,
    Unfit,
}

#[derive(Debug, Clone, Copy)]
struct Log {
    target: i64,
    next: i64,
    state: State,
}

pub struct SimRestorer {
    seam: Seam,
    tasks: BTreeMap<i32, [Log; 2]>,
}

/// A record read: the task, the key, and the value.
type Read = (i32, Vec<u8>, Option<Vec<u8>>);

impl SimRestorer {
    pub fn new(seam: Seam) -> Self {
        Self { seam, tasks: BTreeMap::new() }
    }

    fn read(&mut self, shared: &Shared) -> Vec<Read> {
        let mut read = Vec::new();
        for (partition, logs) in &mut self.tasks {
            for (topic, log) in TOPICS.into_iter().zip(logs) {
                if log.state == State::Waiting {
                    let stable = shared.broker.stable(topic, *partition);
                    let ready = stable >= log.target || shared.is_planted(Plant::RestoreUncommitted);
                    log.state = match () {
                        () if log.next >= log.target => State::Done,
                        () if ready => State::Reading,
                        () => State::Waiting,
                    };
                }
                while log.state == State::Reading && read.len() < RECORDS_A_POLL {
                    let entry = if shared.is_planted(Plant::RestoreUncommitted) {
                        shared.broker.read_uncommitted(topic, *partition, log.next)
                    } else {
                        shared.broker.read(topic, *partition, log.next)
                    };
                    match entry.and_then(|entry| Some((entry.offset, entry.record.as_ref()?))) {
                        Some((offset, record)) => {
                            log.next = offset + 1;
                            read.push((*partition, record.key.clone().unwrap_or_default(), record.value.clone()));
                        }
                        None => {
                            log.next = log.next.max(log.target);
                            log.state = State::Done;
                        }
                    }
                }
            }
        }
        read
    }
}

impl Restorer for SimRestorer {
    fn start(&mut self, partition: i32, from: ChangelogOffsets) -> Result<(), LogError> {
        let seam = self.seam.clone();
        let logs = seam.call("restore from", true, |shared| {
            shared.count("restore");
            let log = |topic, from: i64, expires: bool| {
                let low = shared.broker.partition(topic, partition).low;
                let target = if shared.is_planted(Plant::RestoreToStableEnd) {
                    shared.broker.stable(topic, partition)
                } else {
                    shared.broker.partition(topic, partition).end
                };
                let gap = from < low && from > 0 && !expires;
                let ahead = from > shared.broker.partition(topic, partition).end;
                let state = if gap || ahead { State::Unfit } else { State::Waiting };
                Log { target, next: from.max(low), state }
            };
            Ok([log(TOPICS[0], from.compacted, false), log(TOPICS[1], from.expiring, true)])
        })?;
        self.tasks.insert(partition, logs);
        Ok(())
    }

    fn cancel(&mut self, partition: i32) {
        self.tasks.remove(&partition);
    }

    fn poll(&mut self, _: Duration, apply: &mut dyn FnMut(ChangelogRecord<'_>)) -> Result<(), LogError> {
        let seam = self.seam.clone();
        let read = seam.call("restore", true, |shared| Ok(self.read(shared)))?;
        for (partition, key, value) in &read {
            apply(ChangelogRecord { partition: *partition, key, value: value.as_deref() });
        }
        Ok(())
    }

    fn progress(&mut self, partition: i32) -> Result<Restoring, LogError> {
        let missing = || LogError::Retriable(format!("task {partition} is not being restored"));
        let [compacted, expiring] = self.tasks.get(&partition).ok_or_else(missing)?;
        Ok(match (compacted.state, expiring.state) {
            (State::Unfit, _) | (_, State::Unfit) => Restoring::StartOver,
            (State::Done, State::Done) => {
                Restoring::Done(ChangelogOffsets { compacted: compacted.next, expiring: expiring.next })
            }
            _ => Restoring::Underway,
        })
    }
}
