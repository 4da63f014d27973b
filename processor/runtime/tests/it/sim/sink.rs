//! Transactional producers on the simulated log: two that take turns, as in production.

use super::broker::{Record, Topic};
use super::hub::Seam;
use super::plant::Plant;
use acteon_runtime::{ChangelogOffsets, CommitError, InTopic, LogError, OutRecord, SendError, Sink, Tag};
use std::collections::BTreeMap;

/// One commit in so many is answered only after its sender has given up.
const DELAYED_COMMIT: u32 = 60;
/// After one commit in so many the producer is worn.
const WORN: u32 = 40;

pub struct SimSink {
    seam: Seam,
    /// Id and epoch of each producer.
    producers: [(String, u32); 2],
    turn: usize,
    ends: BTreeMap<i32, ChangelogOffsets>,
    /// A commit is under way whose answer was not waited for.
    unknown: bool,
    worn: bool,
}

impl SimSink {
    pub fn connect(seam: Seam) -> Result<Self, LogError> {
        let producer = |number: usize| {
            let id = format!("acteon-{}-{}-{number}", seam.who.process, seam.who.worker);
            let epoch = seam.call("connect", true, |shared| Ok(shared.broker.init_producer(&id)))?;
            Ok((id, epoch))
        };
        let producers = [producer(0)?, producer(1)?];
        Ok(Self { seam, producers, turn: 0, ends: BTreeMap::new(), unknown: false, worn: false })
    }

    fn producer(&self) -> (&str, u32) {
        let (id, epoch) = &self.producers[self.turn];
        (id, *epoch)
    }

    fn try_commit(&mut self, offsets: &[(i32, InTopic, i64)], group: (u64, i32)) -> Result<(), LogError> {
        let seam = self.seam.clone();
        let (id, epoch) = self.producers[self.turn].clone();
        let id = id.as_str();
        let offsets: Vec<((Topic, i32), i64)> = offsets
            .iter()
            .map(|(partition, topic, offset)| ((Topic::ALL[*topic as usize], *partition), *offset))
            .collect();
        seam.call("send offsets", true, |shared| {
            let stands = |((topic, partition), offset): &((Topic, i32), i64)| {
                shared.broker.committed(*topic, *partition).is_ok_and(|committed| committed == *offset)
            };
            if shared.is_planted(Plant::TimersUnfenced) && offsets.iter().all(stands) {
                return Ok(());
            }
            shared.broker.send_offsets(id, epoch, group, &offsets)
        })?;
        let unknown = &mut self.unknown;
        seam.call("end", true, |shared| {
            if shared.fault_rate > 0 && shared.rng.u32(0..DELAYED_COMMIT) == 0 {
                *unknown = true;
                shared.count("delayed commit");
                shared.broker.end_later(id, epoch);
                return Err(LogError::Retriable("the commit timed out".to_owned()));
            }
            shared.broker.end(id, epoch, true)
        })
    }
}

/// Whether a record is a dispatch that a decision at once would not have sent.
fn is_held(topic: Topic, record: &Record) -> bool {
    let value = record.value.as_deref().unwrap_or_default();
    matches!(topic, Topic::Email | Topic::Webhook)
        && serde_json::from_slice(value).is_ok_and(|dispatch: serde_json::Value| !dispatch["context"].is_null())
}

/// Whether what a record tells is lost.
fn is_lost(plant: Plant, value: Option<&[u8]>) -> bool {
    if !matches!(plant, Plant::LostOccurrences | Plant::LostStarts) {
        return false;
    }
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(value.unwrap_or_default()) else { return false };
    if json["namespace"] != acteon_testkit::life::NAMESPACE {
        return false;
    }
    match plant {
        Plant::LostOccurrences => {
            json["released_by"] == "recurring" && json["action_id"].as_str().is_some_and(|id| id.contains('@'))
        }
        _ => json["outcome"] == "chain_started" && json["source"]["topic"] == "acteon.commands",
    }
}

impl Sink<(u64, i32)> for SimSink {
    fn begin(&mut self) -> Result<(), LogError> {
        self.ends.clear();
        self.turn = 1 - self.turn;
        let (id, epoch) = self.producer();
        self.seam.call("begin", true, |shared| shared.broker.begin(id, epoch))
    }

    fn send(&mut self, record: &OutRecord<'_>, _: Tag) -> Result<(), SendError> {
        let (id, epoch) = self.producer();
        let topic = Topic::of(record.topic)?;
        let plant = self.seam.hub.shared().broker.plant;
        let is_change = matches!(topic, Topic::Changelog | Topic::Expiring);
        let is_forgotten = |plant: Plant| record.key.is_some_and(|key| plant.forgets(key, record.value));
        if is_change && plant.is_some_and(is_forgotten)
            || !is_change && plant.is_some_and(|plant| is_lost(plant, record.value))
        {
            return Ok(());
        }
        let owned = Record {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
        };
        let (partition, offset) = self.seam.call("send", true, |shared| {
            let count = shared.broker.partitions_of(topic);
            let by_key = || acteon_schemas::partition_of(record.key.unwrap_or_default(), count);
            let partition = record.partition.unwrap_or_else(by_key);
            if topic == Topic::Outcomes && shared.is_planted(Plant::LostEffects) && shared.rng.u32(0..50) == 0 {
                return Ok((partition, 0));
            }
            if shared.is_planted(Plant::DoubledCalls) && is_held(topic, &owned) && shared.rng.u32(0..50) == 0 {
                shared.broker.send(id, epoch, (topic, partition), owned.clone())?;
            }
            let offset = shared.broker.send(id, epoch, (topic, partition), owned)?;
            Ok((partition, offset))
        })?;
        if matches!(topic, Topic::Changelog | Topic::Expiring) {
            let end = self.ends.entry(partition).or_default();
            let end = if topic == Topic::Changelog { &mut end.compacted } else { &mut end.expiring };
            *end = (*end).max(offset + 1);
        }
        Ok(())
    }

    fn commit(
        &mut self,
        offsets: &[(i32, InTopic, i64)],
        group: &(u64, i32),
    ) -> Result<Vec<(i32, ChangelogOffsets)>, CommitError> {
        if let Err(error) = self.try_commit(offsets, *group)
            && (self.seam.is_dead() || !self.seam.hub.shared().is_planted(Plant::CommitReportedDone))
        {
            return Err(CommitError { error, refused_input: None });
        }
        let mut shared = self.seam.hub.shared();
        shared.count("commit");
        self.worn = shared.fault_rate > 0 && shared.rng.u32(0..WORN) == 0;
        drop(shared);
        Ok(std::mem::take(&mut self.ends).into_iter().collect())
    }

    fn abort(&mut self) -> Result<(), LogError> {
        if self.unknown {
            return Err(LogError::Retriable("a commit is under way".to_owned()));
        }
        let (id, epoch) = self.producer();
        self.seam.call("abort", true, |shared| {
            shared.count("abort");
            shared.broker.end(id, epoch, false)
        })
    }

    fn is_worn(&self) -> bool {
        self.worn
    }
}
