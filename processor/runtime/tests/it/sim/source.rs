//! A group's consumer on the simulated log.

use super::broker::{Record, Topic};
use super::hub::{Seam, Shared};
use acteon_runtime::{HeaderList, InRecord, InTopic, LogError, Polled, Positions, Source};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// One poll in so many finds nothing although there is something.
const SPURIOUS_IDLE: u32 = 12;

pub struct SimSource {
    seam: Seam,
    /// Its id in the group, until it knows that it is out.
    member: Option<u64>,
    /// The id and generation that it last heard of.
    known: (u64, i32),
    owned: BTreeSet<i32>,
    calls: VecDeque<Polled>,
    reading: BTreeMap<i32, Positions>,
    /// A task that was paused after one more record had been fetched.
    stale: Option<(i32, Positions)>,
    turn: usize,
}

type Fetched = (InTopic, i32, i64, Record);

impl SimSource {
    pub fn new(seam: Seam) -> Self {
        Self {
            seam,
            member: None,
            known: (0, -1),
            owned: BTreeSet::new(),
            calls: VecDeque::new(),
            reading: BTreeMap::new(),
            stale: None,
            turn: 0,
        }
    }

    /// Takes part in the group.
    fn attend(&mut self, shared: &mut Shared) {
        let now = shared.broker.now;
        let group = &mut shared.broker.group;
        match self.member {
            // It joins again only after it has let go of what it lost.
            None if self.owned.is_empty() => {
                let id = group.join(now);
                group.rejoin(id, &self.owned);
                shared.members.insert(id, self.seam.who.incarnation);
                self.member = Some(id);
            }
            None => {}
            Some(id) if !group.is_member(id) => {
                shared.members.remove(&id);
                self.member = None;
                if !self.owned.is_empty() {
                    self.calls.push_back(Polled::Lost(self.owned.iter().copied().collect()));
                }
            }
            Some(id) => {
                group.heartbeat(id, now);
                group.rejoin(id, &self.owned);
                self.sync(shared);
            }
        }
    }

    /// Hears of a new generation, if there is one.
    fn sync(&mut self, shared: &Shared) {
        let Some(id) = self.member else { return };
        let Some((generation, assigned)) = shared.broker.group.assignment(id) else { return };
        if self.known == (id, generation) {
            return;
        }
        self.known = (id, generation);
        let revoked: Vec<i32> = self.owned.difference(&assigned).copied().collect();
        let given: Vec<i32> = assigned.difference(&self.owned).copied().collect();
        if !revoked.is_empty() {
            self.calls.push_back(Polled::Revoked(revoked));
        }
        if !given.is_empty() {
            self.calls.push_back(Polled::Assigned(given));
        }
    }

    /// The next record of some of the topics.
    fn fetch(&mut self, shared: &mut Shared, topics: &[InTopic], wait: Duration) -> Option<Fetched> {
        if shared.fault_rate > 0 && shared.rng.u32(0..SPURIOUS_IDLE) == 0 {
            return None;
        }
        let mut found = None;
        if let Some((partition, positions)) = self.stale.take() {
            found = topics.iter().find_map(|topic| read(shared, *topic, partition, positions[*topic as usize]));
        }
        self.turn += 1;
        let tasks: Vec<i32> = self.reading.keys().copied().collect();
        for place in 0..tasks.len() {
            let partition = tasks[(place + self.turn) % tasks.len()];
            for topic in topics {
                let Some(positions) = self.reading.get_mut(&partition).filter(|_| found.is_none()) else { continue };
                found = read(shared, *topic, partition, positions[*topic as usize]);
                if let Some((_, _, offset, _)) = &found {
                    positions[*topic as usize] = offset + 1;
                }
            }
        }
        if found.is_none() {
            shared.broker.now += i64::try_from(wait.as_millis()).unwrap();
        }
        found
    }
}

fn read(shared: &Shared, topic: InTopic, partition: i32, from: i64) -> Option<Fetched> {
    let entry = shared.broker.read(Topic::ALL[topic as usize], partition, from)?;
    Some((topic, partition, entry.offset, entry.record.clone()?))
}

fn hand_over(fetched: Option<Fetched>, take: &mut dyn FnMut(&InRecord<'_>)) -> Polled {
    let Some((topic, partition, offset, record)) = fetched else { return Polled::Idle };
    let mut headers = HeaderList::new();
    headers.extend(record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    take(&InRecord { topic, partition, offset, key, value, headers });
    Polled::Record
}

impl Source for SimSource {
    /// Member id and generation.
    type Group = (u64, i32);

    fn poll_actions(&mut self, wait: Duration, take: &mut dyn FnMut(&InRecord<'_>)) -> Result<Polled, LogError> {
        let seam = self.seam.clone();
        let call = seam.call("attend", false, |shared| {
            if self.calls.is_empty() {
                self.attend(shared);
            }
            Ok(self.calls.pop_front())
        })?;
        if let Some(call) = call {
            let who = seam.who;
            seam.hub.shared().note(|| format!("{}.{} {call:?}", who.process, who.worker));
            return Ok(call);
        }
        let fetched = seam.call("poll", true, |shared| Ok(self.fetch(shared, &[InTopic::Actions], wait)))?;
        Ok(hand_over(fetched, take))
    }

    fn poll_followers(&mut self, wait: Duration, take: &mut dyn FnMut(&InRecord<'_>)) -> Result<Polled, LogError> {
        let seam = self.seam.clone();
        let fetched = seam.call("poll", true, |shared| Ok(self.fetch(shared, &InTopic::FOLLOWERS, wait)))?;
        Ok(hand_over(fetched, take))
    }

    fn assign(&mut self, partitions: &[i32]) -> Result<(), LogError> {
        self.owned.extend(partitions);
        Ok(())
    }

    fn unassign(&mut self, partitions: &[i32]) -> Result<(), LogError> {
        for partition in partitions {
            self.owned.remove(partition);
            self.reading.remove(partition);
            self.stale.take_if(|(stale, _)| stale == partition);
        }
        let mut shared = self.seam.hub.shared();
        if let Some(id) = self.member
            && !shared.dead.contains(&self.seam.who.incarnation)
        {
            shared.broker.group.released(id);
        }
        Ok(())
    }

    fn committed(&mut self, partition: i32) -> Result<Positions, LogError> {
        self.seam.call("committed", true, |shared| {
            let mut positions = Positions::default();
            for topic in InTopic::ALL {
                positions[topic as usize] = shared.broker.committed(Topic::ALL[topic as usize], partition)?;
            }
            Ok(positions)
        })
    }

    fn start(&mut self, partition: i32, positions: Positions) -> Result<(), LogError> {
        let seam = self.seam.clone();
        seam.call("start", true, |_| {
            if !self.owned.contains(&partition) {
                return Err(LogError::Retriable(format!("partition {partition} is not assigned")));
            }
            self.stale.take_if(|(stale, _)| *stale == partition);
            self.reading.insert(partition, positions);
            Ok(())
        })
    }

    fn pause(&mut self, partition: i32) -> Result<(), LogError> {
        if let Some(positions) = self.reading.remove(&partition) {
            self.stale = Some((partition, positions));
        }
        Ok(())
    }

    fn group(&mut self) -> Result<(u64, i32), LogError> {
        let seam = self.seam.clone();
        seam.call("group", true, |shared| {
            // The client may hear of the group's news before the worker asks for them.
            if shared.rng.bool() && self.calls.is_empty() {
                self.attend(shared);
            }
            match self.member {
                Some(_) => Ok(self.known),
                None => Err(LogError::Retriable("the assignment was lost".to_owned())),
            }
        })
    }
}

impl Drop for SimSource {
    fn drop(&mut self) {
        let mut shared = self.seam.hub.shared();
        if let Some(id) = self.member
            && !shared.dead.contains(&self.seam.who.incarnation)
        {
            shared.broker.group.leave(id);
            shared.members.remove(&id);
        }
    }
}
