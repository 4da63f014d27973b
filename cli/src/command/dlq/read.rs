//! Reads the dead-letter topic.

use super::entry::{Entry, Id};
use crate::clock::Stopwatch;
use crate::command::tail::is_resolution;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use acteon_schemas::DeadLetterResolution;
use acteon_topology::{Follower, From, Next};
use anyhow::Result;
use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most dead letters that are looked at together.
const MAX_FOUND: usize = 100_000;
/// How long a look for the next record takes.
const POLL: Duration = Duration::from_millis(100);
/// Longest time without a record before the end.
const SILENCE: Duration = Duration::from_secs(30);

/// The dead letters that `takes` wants, with what was done with them. With `ids`, only what stands behind the first of them
/// is read.
pub(super) fn scan(config: &Config, ids: Option<&[Id]>, takes: impl Fn(&Entry) -> bool) -> Result<BTreeMap<Id, Entry>> {
    let mut found: BTreeMap<Id, Entry> = BTreeMap::new();
    read(config, ids.map(starts), |record| {
        if is_resolution(record) {
            if let Ok(done) = DeadLetterResolution::decode(record.payload().unwrap_or_default())
                && let Some(entry) = found.get_mut(&Id { partition: done.partition, offset: done.offset })
            {
                entry.resolution = Some(done.resolution);
            }
            return Ok(());
        }
        let Some(entry) = Entry::of(record) else {
            let (partition, offset) = (record.partition(), record.offset());
            tracing::warn!(partition, offset, "record of the dead-letter topic is no dead letter");
            return Ok(());
        };
        if takes(&entry) {
            if found.len() == MAX_FOUND {
                let message =
                    format!("more than {MAX_FOUND} dead letters match; narrow them down, for instance by --since");
                return Err(Failure::error(Exit::Refused, message));
            }
            found.insert(entry.id, entry);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Reads dead letters again, with their values.
pub(super) fn each(
    config: &Config,
    chosen: &BTreeMap<Id, Entry>,
    mut then: impl FnMut(Id, &BorrowedMessage<'_>) -> Result<()>,
) -> Result<()> {
    if chosen.is_empty() {
        return Ok(());
    }
    let ids: Vec<Id> = chosen.keys().copied().collect();
    read(config, Some(starts(&ids)), |record| {
        let id = Id { partition: record.partition(), offset: record.offset() };
        if chosen.contains_key(&id) { then(id, record) } else { Ok(()) }
    })
}

/// The first offset of each partition.
fn starts(ids: &[Id]) -> Vec<(i32, i64)> {
    let mut starts = BTreeMap::new();
    for id in ids {
        let start = starts.entry(id.partition).or_insert(id.offset);
        *start = id.offset.min(*start);
    }
    starts.into_iter().collect()
}

fn read(
    config: &Config,
    starts: Option<Vec<(i32, i64)>>,
    mut then: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
) -> Result<()> {
    let topic = config.topology.names.dlq();
    let mut follower = match starts {
        Some(starts) => Follower::at(&config.kafka, topic, &starts)?,
        None => Follower::start(&config.kafka, topic, From::Beginning)?,
    };
    let mut silence = Stopwatch::start();
    loop {
        match follower.next(POLL)? {
            Next::Record(record) => {
                then(&record)?;
                silence = Stopwatch::start();
            }
            Next::End => return Ok(()),
            Next::Nothing if silence.elapsed() > SILENCE => {
                let message = format!("{topic} could not be read to its end: nothing came for {SILENCE:?}");
                return Err(Failure::error(Exit::Unreachable, message));
            }
            Next::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_starts_at_the_first_of_each_partition() {
        let id = |partition, offset| Id { partition, offset };
        assert_eq!(starts(&[id(1, 7), id(0, 9), id(1, 3), id(0, 10)]), [(0, 9), (1, 3)]);
        assert_eq!(starts(&[]), []);
    }
}
