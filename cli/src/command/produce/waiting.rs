//! Which outcome belongs to which line: by the place that the action was written to, or else by its id. Pure.
//!
//! An outcome can be read before the broker's confirmation says where the action went. Such a one is put aside until the
//! confirmation is in.

use acteon_schemas as schemas;
use acteon_schemas::OutcomeRecord;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// Most outcomes that are put aside.
const MAX_ASIDE: usize = 100_000;

/// An action that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// Number of its line, which identifies it.
    pub(super) line: u64,
    pub(super) action_id: Option<String>,
    /// When it was sent, on the command's clock.
    pub(super) at: Duration,
    /// Partition and offset, once they are known.
    pub(super) place: Option<(i32, i64)>,
}

/// What is shown of an outcome.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) kind: schemas::Outcome,
    pub(super) action_id: String,
    pub(super) provider: String,
    pub(super) rule: Option<String>,
    pub(super) detail: Value,
    source: (i32, i64),
}

impl Outcome {
    pub(super) fn of(record: &OutcomeRecord<'_>) -> Self {
        Self {
            kind: record.outcome,
            action_id: record.action_id.to_string(),
            provider: record.provider.to_string(),
            rule: record.rule.as_deref().map(str::to_owned),
            // Read from JSON a moment ago, so it can be written.
            detail: serde_json::to_value(&record.detail).unwrap_or_default(),
            source: (record.source.partition, record.source.offset),
        }
    }
}

/// Whose an outcome is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is the answer to this action, which is waited for no longer.
    Ours(Sent),
    /// It may be ours: see [`Waiting::settle`].
    Later,
    /// Someone else sent the action.
    Foreign,
}

/// Actions whose outcome has not come yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_line: BTreeMap<u64, Sent>,
    by_place: HashMap<(i32, i64), u64>,
    /// Lines with an id, which need not be unique.
    by_id: HashMap<String, BTreeSet<u64>>,
    /// Lines whose place is not known.
    unplaced: usize,
    aside: VecDeque<Outcome>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.by_line.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_line.is_empty()
    }

    pub(super) fn sent(&mut self, sent: Sent) {
        if let Some(id) = &sent.action_id {
            self.by_id.entry(id.clone()).or_default().insert(sent.line);
        }
        self.unplaced += usize::from(sent.place.is_none());
        self.by_line.insert(sent.line, sent);
    }

    /// The broker says where an action was written.
    pub(super) fn confirmed(&mut self, line: u64, partition: i32, offset: i64) {
        if let Some(sent) = self.by_line.get_mut(&line) {
            if sent.place.replace((partition, offset)).is_none() {
                self.unplaced -= 1;
            }
            self.by_place.insert((partition, offset), line);
        }
    }

    /// An outcome was read.
    pub(super) fn answered(&mut self, record: &OutcomeRecord<'_>, actions_topic: &str) -> Answer {
        if record.source.topic != actions_topic {
            // The outcome does not say which of several actions with one id it is about: the oldest, then.
            let oldest = self.by_id.get(&*record.action_id).and_then(|lines| lines.first().copied());
            return oldest.and_then(|line| self.forget(line)).map_or(Answer::Foreign, Answer::Ours);
        }
        let place = (record.source.partition, record.source.offset);
        if let Some(sent) = self.by_place.get(&place).copied().and_then(|line| self.forget(line)) {
            return Answer::Ours(sent);
        }
        if self.unplaced == 0 {
            return Answer::Foreign;
        }
        if self.aside.len() == MAX_ASIDE {
            // Confirmations come within milliseconds: the oldest has been nobody's for long.
            self.aside.pop_front();
        }
        self.aside.push_back(Outcome::of(record));
        Answer::Later
    }

    /// Outcomes put aside that turn out to be ours, now that more places are known.
    pub(super) fn settle(&mut self) -> Vec<(Sent, Outcome)> {
        if self.aside.is_empty() {
            return Vec::new();
        }
        let (mut ours, mut aside) = (Vec::new(), VecDeque::new());
        for outcome in std::mem::take(&mut self.aside) {
            match self.by_place.get(&outcome.source).copied().and_then(|line| self.forget(line)) {
                Some(sent) => ours.push((sent, outcome)),
                // With every place known, what is left is someone else's.
                None if self.unplaced == 0 => {}
                None => aside.push_back(outcome),
            }
        }
        self.aside = aside;
        ours
    }

    /// Waits for an action no longer.
    pub(super) fn forget(&mut self, line: u64) -> Option<Sent> {
        let sent = self.by_line.remove(&line)?;
        match sent.place {
            Some(place) => drop(self.by_place.remove(&place)),
            None => self.unplaced -= 1,
        }
        if let Some(id) = &sent.action_id
            && let Some(lines) = self.by_id.get_mut(id)
        {
            lines.remove(&line);
            if lines.is_empty() {
                self.by_id.remove(id);
            }
        }
        Some(sent)
    }

    /// All actions without an outcome, in the order of lines.
    pub(super) fn take_all(&mut self) -> Vec<Sent> {
        let left = std::mem::take(self);
        left.by_line.into_values().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use acteon_schemas::{Coordinates, OutcomeDetail};

    fn sent(line: u64, id: Option<&str>) -> Sent {
        Sent { line, action_id: id.map(str::to_owned), at: Duration::ZERO, place: None }
    }

    fn outcome(id: &str, source: &str) -> OutcomeRecord<'static> {
        OutcomeRecord {
            action_id: id.to_owned().into(),
            namespace: "n".into(),
            tenant: "t".into(),
            provider: "p".into(),
            action_type: "a".into(),
            outcome: schemas::Outcome::Deduplicated,
            rule: None,
            detail: OutcomeDetail::Deduplicated,
            is_final: true,
            released_by: None,
            chain_id: None,
            decided_at: 0,
            source: Coordinates::parse(source).unwrap(),
        }
    }

    fn line(answer: &Answer) -> Option<u64> {
        match answer {
            Answer::Ours(sent) => Some(sent.line),
            _ => None,
        }
    }

    #[test]
    fn the_place_tells_actions_with_one_id_apart() {
        let mut waiting = Waiting::default();
        for number in [1, 2] {
            waiting.sent(sent(number, Some("same")));
            waiting.confirmed(number, 0, i64::try_from(number).unwrap());
        }
        assert_eq!(line(&waiting.answered(&outcome("same", "actions/0/2"), "actions")), Some(2));
        assert_eq!(waiting.answered(&outcome("same", "actions/0/9"), "actions"), Answer::Foreign);
        assert_eq!(line(&waiting.answered(&outcome("same", "actions/0/1"), "actions")), Some(1));
        assert!(waiting.is_empty());
    }

    #[test]
    fn an_outcome_before_its_confirmation_is_put_aside() {
        let mut waiting = Waiting::default();
        waiting.sent(sent(1, None));
        assert_eq!(waiting.answered(&outcome("made", "actions/3/7"), "actions"), Answer::Later);
        assert!(waiting.settle().is_empty(), "its place is still unknown");
        waiting.confirmed(1, 3, 7);
        let settled = waiting.settle();
        assert_eq!(settled.iter().map(|(sent, _)| sent.line).collect::<Vec<_>>(), [1]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn an_outcome_of_another_topic_goes_by_id_to_the_oldest() {
        let mut waiting = Waiting::default();
        for number in [5, 4] {
            waiting.sent(sent(number, Some("same")));
            waiting.confirmed(number, 0, i64::try_from(number).unwrap());
        }
        assert_eq!(line(&waiting.answered(&outcome("same", "results/0/1"), "actions")), Some(4));
        assert_eq!(waiting.answered(&outcome("other", "results/0/1"), "actions"), Answer::Foreign);
        assert_eq!(waiting.take_all().iter().map(|sent| sent.line).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn what_is_put_aside_is_dropped_when_it_can_be_nobody_s() {
        let mut waiting = Waiting::default();
        waiting.sent(sent(1, None));
        waiting.answered(&outcome("foreign", "actions/0/0"), "actions");
        waiting.confirmed(1, 0, 1);
        assert!(waiting.settle().is_empty());
        assert!(waiting.aside.is_empty());
        assert_eq!(waiting.len(), 1);
    }
}
