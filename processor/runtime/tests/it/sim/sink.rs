//! Transactional producers on the simulated log: two that take turns, as in production.

use super::broker::{Record, Topic};
use super::hub::Seam;
use super::plant::Plant;
use acteon_runtime::{ChangelogOffsets, CommitError, Committing, InTopic, LogError, OutRecord, SendError, Sink, Tag};
use std::collections::BTreeMap;
use std::time::Duration;

/// One commit in so many is answered only after its sender has given up.
const DELAYED_COMMIT: u32 = 60;
/// A commit comes one stage further in one of so many polls.
const LINGERING_COMMIT: u32 = 3;
/// After one commit in so many the producer is worn.
const WORN: u32 = 40;

pub struct SimSink {
    seam: Seam,
    /// Id and epoch of each producer.
    producers: [(String, u32); 2],
    turn: usize,
    /// Ends of the open transaction.
    ends: Ends,
    /// Whether a transaction is open.
    open: bool,
    commit: Option<Commit>,
    /// The producer whose commit failed.
    failed: Option<usize>,
    /// A commit is under way whose answer was not waited for.
    unknown: bool,
    worn: bool,
}

type Ends = BTreeMap<i32, ChangelogOffsets>;

/// A commit under way.
struct Commit {
    producer: usize,
    offsets: Vec<(i32, InTopic, i64)>,
    group: (u64, i32),
    ends: Ends,
    stage: Stage,
}

/// What has been done of a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begun,
    OffsetsSent,
    Settled,
    /// Nobody has been told yet.
    Ended,
}

impl SimSink {
    pub fn connect(seam: Seam) -> Result<Self, LogError> {
        let producer = |number: usize| {
            let id = format!("acteon-{}-{}-{number}", seam.who.process, seam.who.worker);
            let epoch = seam.call("connect", true, |shared| Ok(shared.broker.init_producer(&id)))?;
            Ok((id, epoch))
        };
        let producers = [producer(0)?, producer(1)?];
        let ends = BTreeMap::new();
        let (commit, failed) = (None, None);
        Ok(Self { seam, producers, turn: 0, ends, open: false, commit, failed, unknown: false, worn: false })
    }

    fn producer(&self) -> (&str, u32) {
        let (id, epoch) = &self.producers[self.turn];
        (id, *epoch)
    }

    fn send_offsets(&mut self, commit: &Commit) -> Result<(), LogError> {
        let (id, epoch) = &self.producers[commit.producer];
        let offset =
            |(partition, topic, offset): &(i32, InTopic, i64)| ((Topic::ALL[*topic as usize], *partition), *offset);
        let offsets: Vec<((Topic, i32), i64)> = commit.offsets.iter().map(offset).collect();
        self.seam.call("send offsets", true, |shared| {
            let stands = |((topic, partition), offset): &((Topic, i32), i64)| {
                shared.broker.committed(*topic, *partition).is_ok_and(|committed| committed == *offset)
            };
            if shared.is_planted(Plant::TimersUnfenced) && offsets.iter().all(stands) {
                return Ok(());
            }
            shared.broker.send_offsets(id, *epoch, commit.group, &offsets)
        })
    }

    fn end(&mut self, commit: &Commit) -> Result<(), LogError> {
        let (id, epoch) = &self.producers[commit.producer];
        let unknown = &mut self.unknown;
        self.seam.call("end", true, |shared| {
            if shared.fault_rate > 0 && shared.rng.u32(0..DELAYED_COMMIT) == 0 {
                *unknown = true;
                shared.count("delayed commit");
                shared.broker.end_later(id, *epoch);
                return Err(LogError::Retriable("the commit timed out".to_owned()));
            }
            shared.broker.end(id, *epoch, true)
        })
    }

    /// Takes a commit one stage further.
    fn go_on(&mut self, commit: &mut Commit) -> Result<(), LogError> {
        commit.stage = match commit.stage {
            Stage::Begun => {
                self.send_offsets(commit)?;
                Stage::OffsetsSent
            }
            Stage::OffsetsSent => Stage::Settled,
            Stage::Settled | Stage::Ended => {
                self.end(commit)?;
                Stage::Ended
            }
        };
        Ok(())
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
        let (id, epoch) = self.producer();
        self.seam.call("begin", true, |shared| shared.broker.begin(id, epoch))?;
        self.open = true;
        Ok(())
    }

    fn send(&mut self, record: &OutRecord<'_>, _: Tag) -> Result<(), SendError> {
        if self.commit.as_ref().is_some_and(|commit| matches!(commit.stage, Stage::Begun | Stage::OffsetsSent)) {
            self.seam.hub.shared().violations.push("a record was sent before those of the last transaction".to_owned());
        }
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

    fn start_commit(&mut self, offsets: &[(i32, InTopic, i64)], group: (u64, i32)) -> Result<(), LogError> {
        if self.commit.is_some() || !self.open {
            self.seam.hub.shared().violations.push("a commit began inside another one, or without anything".to_owned());
        }
        let (offsets, ends) = (offsets.to_vec(), std::mem::take(&mut self.ends));
        self.commit = Some(Commit { producer: self.turn, offsets, group, ends, stage: Stage::Begun });
        self.open = false;
        self.turn = 1 - self.turn;
        Ok(())
    }

    fn poll_commit(&mut self, wait: Duration) -> Committing {
        let Some(mut commit) = self.commit.take() else {
            let error = LogError::Fatal("no commit is under way".to_owned());
            return Committing::Done(Err(CommitError { error, refused_input: None }));
        };
        let lingers = self.seam.hub.shared().rng.u32(0..LINGERING_COMMIT) > 0;
        if lingers && !self.seam.is_dead() {
            self.seam.hub.shared().broker.now += i64::try_from(wait.as_millis()).unwrap();
        } else if commit.stage == Stage::Ended {
            let mut shared = self.seam.hub.shared();
            shared.count("commit");
            self.worn = shared.fault_rate > 0 && shared.rng.u32(0..WORN) == 0;
            return Committing::Done(Ok(commit.ends.into_iter().collect()));
        } else if let Err(error) = self.go_on(&mut commit) {
            if !self.seam.is_dead() && self.seam.hub.shared().is_planted(Plant::CommitReportedDone) {
                return Committing::Done(Ok(commit.ends.into_iter().collect()));
            }
            self.failed = Some(commit.producer);
            return Committing::Done(Err(CommitError { error, refused_input: None }));
        }
        let settles = !lingers && commit.stage == Stage::Settled;
        self.commit = Some(commit);
        if settles { Committing::Settled } else { Committing::Unchanged }
    }

    fn abort(&mut self) -> Result<(), LogError> {
        if let Some(commit) = self.commit.take()
            && commit.stage == Stage::Settled
            && self.seam.hub.shared().rng.bool()
        {
            // On its way, with nobody left who would hear of it.
            let (id, epoch) = self.producers[commit.producer].clone();
            self.seam.hub.shared().broker.end_later(&id, epoch);
        }
        let failed = self.failed.take().filter(|_| !self.unknown);
        for of in failed.into_iter().chain(self.open.then_some(self.turn)) {
            let (id, epoch) = &self.producers[of];
            self.seam.call("abort", true, |shared| {
                shared.count("abort");
                shared.broker.end(id, *epoch, false)
            })?;
        }
        Ok(())
    }

    fn is_worn(&self) -> bool {
        self.worn
    }
}
