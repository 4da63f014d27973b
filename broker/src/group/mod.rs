//! The consumer group state machine of the classic protocol, pure: requests and the time in, answers out.
//!
//! A join or sync that can't be answered yet leaves the member waiting; the answer is kept with the member until it
//! asks again, so a rebalance that starts in between takes no answer away.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// Members of one group.
const MAX_MEMBERS: usize = 1_000;
/// Bounds of the session time-out that a member may ask for, milliseconds.
const SESSION_MS: std::ops::RangeInclusive<i64> = 100..=1_800_000;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No members.
    Empty,
    /// Members are being asked to join again.
    Preparing,
    /// The leader is assigning.
    Completing,
    Stable,
}

impl State {
    /// The name that admin tools show.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Preparing => "PreparingRebalance",
            Self::Completing => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A join request.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    /// Empty: the member has no id yet.
    pub(crate) member_id: String,
    /// The id that a new member gets.
    pub(crate) new_member_id: String,
    pub(crate) instance: Option<String>,
    pub(crate) client: String,
    pub(crate) session_ms: i64,
    pub(crate) rebalance_ms: i64,
    pub(crate) protocol_type: String,
    /// Assignment strategies with the member's metadata, most preferred first.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// Whether a new member must come back with the id that it was given.
    pub(crate) id_required: bool,
}

/// The answer to a join.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    /// Member id, instance, metadata; for the leader only.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

/// A refused join, with the member id to answer with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct JoinRefused(pub(crate) ResponseError, pub(crate) String);

/// A member of a group.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) instance: Option<String>,
    pub(crate) client: String,
    pub(crate) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    session_ms: i64,
    rebalance_ms: i64,
    /// When it was last heard of.
    seen: i64,
    /// Has joined the rebalance under way.
    joined: bool,
    joined_answer: Option<Joined>,
    /// Has asked for its assignment in this generation.
    synced: bool,
    sync_answer: Option<Result<Bytes, ResponseError>>,
}

impl Member {
    /// The metadata for a strategy.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| name == protocol).map(|(_, m)| m.clone()).unwrap_or_default()
    }
}

/// A consumer group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) state: State,
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) members: BTreeMap<String, Member>,
    /// Ids given to members that have yet to come back with them, until when they may.
    pending: BTreeMap<String, i64>,
    /// When the rebalance, or the leader's assignment, is given up waiting for.
    deadline: i64,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            deadline: 0,
        }
    }
}

impl Group {
    /// Takes a join request; returns the member id to wait under with [`Group::joined`].
    pub(crate) fn join(&mut self, join: Join, now: i64) -> Result<String, JoinRefused> {
        let refuse = |error, id: &str| Err(JoinRefused(error, id.to_string()));
        if !SESSION_MS.contains(&join.session_ms) {
            return refuse(ResponseError::InvalidSessionTimeout, &join.member_id);
        }
        if join.protocols.is_empty() || !self.accepts(&join) {
            return refuse(ResponseError::InconsistentGroupProtocol, &join.member_id);
        }
        let static_id = join.instance.as_ref().and_then(|i| self.static_member(i));
        let id = match (join.member_id.is_empty(), static_id) {
            (true, Some(old)) => return Ok(self.replace_static(&old, join, now)),
            (false, Some(known)) if known != join.member_id => {
                return refuse(ResponseError::FencedInstanceId, &join.member_id);
            }
            (true, None) if self.members.len() + self.pending.len() >= MAX_MEMBERS => {
                return refuse(ResponseError::GroupMaxSizeReached, "");
            }
            (true, None) if join.id_required && join.instance.is_none() => {
                self.pending.insert(join.new_member_id.clone(), now + join.session_ms);
                return refuse(ResponseError::MemberIdRequired, &join.new_member_id);
            }
            (true, None) => join.new_member_id.clone(),
            (false, _) => {
                let pending = self.pending.remove(&join.member_id).is_some();
                if !pending && !self.members.contains_key(&join.member_id) {
                    return refuse(ResponseError::UnknownMemberId, &join.member_id);
                }
                join.member_id.clone()
            }
        };
        self.enter(&id, join, now);
        Ok(id)
    }

    /// Whether the group can work with a member of this protocol type and these strategies.
    fn accepts(&self, join: &Join) -> bool {
        let others = || self.members.iter().filter(|(id, _)| **id != join.member_id).map(|(_, m)| m);
        if others().next().is_none() {
            return true;
        }
        join.protocol_type == self.protocol_type
            && join.protocols.iter().any(|(p, _)| others().all(|m| m.protocols.iter().any(|(q, _)| q == p)))
    }

    fn static_member(&self, instance: &str) -> Option<String> {
        let same = |m: &Member| m.instance.as_deref() == Some(instance);
        self.members.iter().find(|(_, m)| same(m)).map(|(id, _)| id.clone())
    }

    /// A static member has restarted: it takes its old place under a new id. While nothing has changed for the others
    /// the group stays as it is.
    fn replace_static(&mut self, old: &str, join: Join, now: i64) -> String {
        let id = join.new_member_id.clone();
        let Some(member) = self.members.remove(old) else { return id };
        let unchanged = self.state == State::Stable && member.protocols == join.protocols;
        let leader = self.leader.clone();
        if self.leader == old {
            self.leader.clone_from(&id);
        }
        self.members.insert(id.clone(), member);
        if unchanged {
            // Answered with the leader as it was: the member fetches its assignment and assigns nothing itself.
            let answer =
                Joined { generation: self.generation, protocol: self.protocol.clone(), leader, members: Vec::new() };
            if let Some(member) = self.members.get_mut(&id) {
                (member.seen, member.joined_answer) = (now, Some(answer));
            }
        } else {
            self.enter(&id, join, now);
        }
        id
    }

    fn enter(&mut self, id: &str, join: Join, now: i64) {
        let known = self.members.get(id);
        let unchanged = known.is_some_and(|m| m.protocols == join.protocols);
        let settled = match self.state {
            State::Stable => unchanged && self.leader != id,
            State::Completing => unchanged,
            _ => false,
        };
        if settled {
            let answer = self.answer_for(id);
            if let Some(member) = self.members.get_mut(id) {
                (member.seen, member.joined_answer) = (now, Some(answer));
            }
            return;
        }
        if self.members.is_empty() {
            self.protocol_type.clone_from(&join.protocol_type);
        }
        let assignment = known.map(|m| m.assignment.clone()).unwrap_or_default();
        let member = Member {
            instance: join.instance,
            client: join.client,
            protocols: join.protocols,
            assignment,
            session_ms: join.session_ms,
            rebalance_ms: if join.rebalance_ms > 0 { join.rebalance_ms } else { join.session_ms },
            seen: now,
            joined: true,
            joined_answer: None,
            synced: false,
            sync_answer: None,
        };
        self.members.insert(id.to_string(), member);
        if self.state != State::Preparing {
            self.prepare(now);
            if let Some(member) = self.members.get_mut(id) {
                member.joined = true;
            }
        }
        self.try_complete(now);
    }

    /// Starts a rebalance.
    fn prepare(&mut self, now: i64) {
        self.state = State::Preparing;
        self.deadline = now + self.members.values().map(|m| m.rebalance_ms).max().unwrap_or(0);
        for member in self.members.values_mut() {
            member.joined = false;
            if member.synced && member.sync_answer.is_none() {
                member.sync_answer = Some(Err(ResponseError::RebalanceInProgress));
            }
        }
    }

    /// Ends the rebalance once everybody has joined, or when it has lasted too long.
    fn try_complete(&mut self, now: i64) -> bool {
        let all = self.pending.is_empty() && self.members.values().all(|m| m.joined);
        if self.state != State::Preparing || (!all && now < self.deadline) {
            return false;
        }
        self.members.retain(|_, m| m.joined || m.instance.is_some());
        if !self.members.values().any(|m| m.joined) {
            self.members.clear();
            self.state = State::Empty;
            self.leader.clear();
            return true;
        }
        self.generation += 1;
        self.state = State::Completing;
        self.deadline = now + self.members.values().map(|m| m.rebalance_ms).max().unwrap_or(0);
        if !self.members.get(&self.leader).is_some_and(|m| m.joined) {
            let joined = self.members.iter().find(|(_, m)| m.joined);
            self.leader = joined.map(|(id, _)| id.clone()).unwrap_or_default();
        }
        self.protocol = self.elect();
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.answer_for(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.seen = now;
                member.assignment = Bytes::new();
                (member.synced, member.sync_answer) = (false, None);
                if member.joined {
                    member.joined_answer = Some(answer);
                }
            }
        }
        true
    }

    /// The strategy that every member knows and most prefer.
    fn elect(&self) -> String {
        let known_by_all = |p: &str| self.members.values().all(|m| m.protocols.iter().any(|(q, _)| q == p));
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((favourite, _)) = member.protocols.iter().find(|(p, _)| known_by_all(p)) {
                *votes.entry(favourite).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, n)| *n).map(|(p, _)| p.to_string()).unwrap_or_default()
    }

    fn answer_for(&self, id: &str) -> Joined {
        let members = if self.leader == id {
            let view = |(id, m): (&String, &Member)| (id.clone(), m.instance.clone(), m.metadata(&self.protocol));
            self.members.iter().map(view).collect()
        } else {
            Vec::new()
        };
        Joined { generation: self.generation, protocol: self.protocol.clone(), leader: self.leader.clone(), members }
    }

    /// The answer to a member's join; `None`: not yet.
    pub(crate) fn joined(&self, id: &str) -> Option<Result<Joined, ResponseError>> {
        match self.members.get(id) {
            None => Some(Err(ResponseError::UnknownMemberId)),
            Some(member) => member.joined_answer.clone().map(Ok),
        }
    }

    /// Whether a request speaks for a member of this generation; if so the member has been heard of.
    pub(crate) fn check(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        now: i64,
    ) -> Result<(), ResponseError> {
        if let Some(known) = instance.and_then(|i| self.static_member(i)).filter(|known| known != id) {
            tracing::debug!(known, id, "static member was replaced");
            return Err(ResponseError::FencedInstanceId);
        }
        let member = self.members.get_mut(id).ok_or(ResponseError::UnknownMemberId)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        member.seen = now;
        Ok(())
    }

    /// Takes a sync request of a checked member; the leader's carries the assignments.
    pub(crate) fn sync(&mut self, id: &str, assignments: Vec<(String, Bytes)>, now: i64) -> Result<(), ResponseError> {
        match self.state {
            State::Empty => return Err(ResponseError::UnknownMemberId),
            State::Preparing => return Err(ResponseError::RebalanceInProgress),
            State::Completing | State::Stable => {}
        }
        if let Some(member) = self.members.get_mut(id) {
            (member.synced, member.sync_answer) = (true, None);
        }
        if self.state == State::Completing && self.leader == id {
            for (id, assignment) in assignments {
                if let Some(member) = self.members.get_mut(&id) {
                    member.assignment = assignment;
                }
            }
            self.state = State::Stable;
            for member in self.members.values_mut() {
                member.seen = now;
                member.sync_answer = Some(Ok(member.assignment.clone()));
            }
        } else if self.state == State::Stable
            && let Some(member) = self.members.get_mut(id)
        {
            member.sync_answer = Some(Ok(member.assignment.clone()));
        }
        Ok(())
    }

    /// The answer to a member's sync; `None`: not yet.
    pub(crate) fn synced(&self, id: &str) -> Option<Result<Bytes, ResponseError>> {
        match self.members.get(id) {
            None => Some(Err(ResponseError::UnknownMemberId)),
            Some(member) => member.sync_answer.clone(),
        }
    }

    /// Whether the group has no members and expects none.
    pub(crate) fn is_idle(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    /// Takes a heartbeat of a checked member.
    pub(crate) fn heartbeat(&self) -> Result<(), ResponseError> {
        if self.state == State::Preparing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    /// Removes a member, named by its id, or by its instance if the id is empty.
    pub(crate) fn leave(&mut self, id: &str, instance: Option<&str>, now: i64) -> Result<(), ResponseError> {
        let by_instance = instance.and_then(|i| self.static_member(i));
        let id = match by_instance {
            Some(known) if id.is_empty() || known == id => known,
            Some(_) => return Err(ResponseError::FencedInstanceId),
            None => id.to_string(),
        };
        if self.pending.remove(&id).is_some() {
            self.try_complete(now);
            return Ok(());
        }
        self.members.remove(&id).ok_or(ResponseError::UnknownMemberId)?;
        self.after_removal(now);
        Ok(())
    }

    fn after_removal(&mut self, now: i64) {
        if self.members.is_empty() {
            self.state = State::Empty;
            self.leader.clear();
            return;
        }
        if self.state != State::Preparing {
            self.prepare(now);
        }
        self.try_complete(now);
    }

    /// Lets time pass: removes members that were not heard of, and ends what has lasted too long. Returns whether
    /// anything changed.
    pub(crate) fn tick(&mut self, now: i64) -> bool {
        let before = (self.members.len(), self.pending.len());
        self.pending.retain(|_, until| now < *until);
        let (state, overdue) = (self.state, now >= self.deadline);
        self.members.retain(|_, m| {
            // Who waits for an answer can't send heartbeats.
            let waits = match state {
                State::Preparing => m.joined,
                State::Completing => m.synced,
                _ => false,
            };
            waits || now - m.seen < m.session_ms
        });
        if state == State::Completing && overdue {
            self.members.retain(|_, m| m.synced);
        }
        let changed = before != (self.members.len(), self.pending.len());
        if before.0 != self.members.len() {
            self.after_removal(now);
        }
        self.try_complete(now) || changed
    }
}
