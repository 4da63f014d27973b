//! The consumer group: membership, generations, and cooperative assignment: a partition is taken from one member, and
//! given to another only when that one has let go.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
struct Member {
    /// What it holds, as the group knows.
    owned: BTreeSet<i32>,
    /// What it is to hold.
    assigned: BTreeSet<i32>,
    last_seen: i64,
    /// Whether it has joined the generation that is being formed.
    joined: bool,
}

pub struct Group {
    partitions: i32,
    generation: i32,
    forming: bool,
    members: BTreeMap<u64, Member>,
    next_member: u64,
    /// Turns the order in which members are served, so that partitions move.
    turn: usize,
    /// After this long without a sign of life a member is given up, in milliseconds.
    session_timeout_ms: i64,
}

impl Group {
    pub fn new(partitions: i32, session_timeout_ms: i64) -> Self {
        let (generation, forming, members, next_member, turn) = (0, false, BTreeMap::new(), 1, 0);
        Self { partitions, generation, forming, members, next_member, turn, session_timeout_ms }
    }

    /// A new member, without partitions.
    pub fn join(&mut self, now: i64) -> u64 {
        let id = self.next_member;
        self.next_member += 1;
        let member = Member { owned: BTreeSet::new(), assigned: BTreeSet::new(), last_seen: now, joined: true };
        self.members.insert(id, member);
        self.form();
        id
    }

    pub fn leave(&mut self, id: u64) {
        if self.members.remove(&id).is_some() {
            self.form();
        }
    }

    /// Asks all members to join again.
    fn form(&mut self) {
        self.forming = true;
        for member in self.members.values_mut() {
            member.joined = false;
        }
    }

    /// Hands the partitions out anew.
    pub fn shuffle(&mut self) {
        self.turn += 1;
        self.form();
    }

    pub fn heartbeat(&mut self, id: u64, now: i64) {
        if let Some(member) = self.members.get_mut(&id) {
            member.last_seen = now;
        }
    }

    /// Gives up members that show no sign of life.
    pub fn expire(&mut self, now: i64) {
        let before = self.members.len();
        self.members.retain(|_, member| now - member.last_seen < self.session_timeout_ms);
        if self.members.len() != before {
            self.form();
        }
    }

    pub fn is_member(&self, id: u64) -> bool {
        self.members.contains_key(&id)
    }

    /// Whether an offset commit with this member id and generation is taken.
    pub fn is_current(&self, (id, generation): (u64, i32)) -> bool {
        self.is_member(id) && generation == self.generation
    }

    /// A member that is ready for the next generation says so. The last one to do so makes it.
    pub fn rejoin(&mut self, id: u64, owned: &BTreeSet<i32>) {
        let Some(member) = self.members.get_mut(&id).filter(|_| self.forming) else { return };
        member.owned.clone_from(owned);
        member.joined = true;
        if self.members.values().all(|member| member.joined) {
            self.forming = false;
            self.generation += 1;
            self.assign();
        }
    }

    /// What a member is to hold, and in which generation, once there is one.
    pub fn assignment(&self, id: u64) -> Option<(i32, BTreeSet<i32>)> {
        let member = self.members.get(&id).filter(|member| member.joined && !self.forming)?;
        Some((self.generation, member.assigned.clone()))
    }

    /// A member has let go of partitions: they are there for others.
    pub fn released(&mut self, id: u64) {
        if self.members.contains_key(&id) {
            self.form();
        }
    }

    fn assign(&mut self) {
        let count = self.members.len().max(1);
        let mut order: Vec<u64> = self.members.keys().copied().collect();
        order.rotate_left(self.turn % count);
        let mut target: BTreeMap<u64, BTreeSet<i32>> = BTreeMap::new();
        for partition in 0..self.partitions {
            let member = order[(partition as usize + self.turn) % count];
            target.entry(member).or_default().insert(partition);
        }
        let owned: BTreeMap<i32, u64> =
            self.members.iter().flat_map(|(id, member)| member.owned.iter().map(|of| (*of, *id))).collect();
        for (id, member) in &mut self.members {
            let mut wanted = target.remove(id).unwrap_or_default();
            // What another still holds comes in the generation after it has let go.
            wanted.retain(|partition| owned.get(partition).is_none_or(|owner| owner == id));
            member.assigned = wanted;
        }
    }

    /// Whether each partition has its owner and none is about to move.
    pub fn is_settled(&self) -> bool {
        let assigned: usize = self.members.values().map(|member| member.assigned.len()).sum();
        !self.forming && assigned == self.partitions as usize
    }
}
