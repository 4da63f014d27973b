use crate::offsets::OffsetTracker;
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// The partitions that this member has now, each with what was taken of it and what of that is complete.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    assigned: BTreeMap<i32, Partition>,
    /// Number of the last assignment.
    assignments: u64,
}

#[derive(Debug)]
struct Partition {
    /// Tells this assignment from an earlier one of the same partition, whose calls may still be on the way.
    assignment: u64,
    tracker: OffsetTracker,
    revoked: CancellationToken,
    /// The position of the last commit that was sent and has not failed.
    sent: Option<i64>,
    is_paused: bool,
    /// Where reading began: known once it was asked for.
    start: Option<i64>,
    /// Whether there was nothing behind the last record that was taken.
    is_at_end: bool,
    /// An end before which all is complete, whatever stands there behind the last record: markers of transactions.
    ended: Option<i64>,
}

/// A record's place in an assignment.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    assignment: u64,
    /// Cancelled when the partition goes to another member or the connectors stop: no further call shall begin.
    pub(crate) revoked: CancellationToken,
}

/// Partitions to stop and to go on reading.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PauseChange {
    pub(crate) pause: Vec<i32>,
    pub(crate) resume: Vec<i32>,
}

impl Partitions {
    /// Begins a new assignment of `partition`, which ends when `stop` is cancelled at the latest.
    pub(crate) fn assign(&mut self, partition: i32, stop: &CancellationToken) {
        self.assignments += 1;
        let entry = Partition {
            assignment: self.assignments,
            tracker: OffsetTracker::default(),
            revoked: stop.child_token(),
            sent: None,
            is_paused: false,
            start: None,
            is_at_end: false,
            ended: None,
        };
        if let Some(previous) = self.assigned.insert(partition, entry) {
            previous.revoked.cancel();
        }
    }

    /// Ends the assignment of `partition`. Returns the position to commit, if there is one.
    pub(crate) fn revoke(&mut self, partition: i32) -> Option<i64> {
        let partition = self.assigned.remove(&partition)?;
        partition.revoked.cancel();
        partition.tracker.position()
    }

    /// Takes the record at `offset`; `None` where the partition isn't ours or the record was taken before.
    pub(crate) fn take(&mut self, partition: i32, offset: i64) -> Option<Slot> {
        let entry = self.assigned.get_mut(&partition)?;
        let revoked = entry.revoked.clone();
        entry.is_at_end = false;
        entry.tracker.take(offset).then_some(Slot { partition, offset, assignment: entry.assignment, revoked })
    }

    /// Notes that a record is complete; changes nothing where its assignment has ended.
    pub(crate) fn complete(&mut self, slot: &Slot) {
        if let Some(entry) = self.assigned.get_mut(&slot.partition)
            && entry.assignment == slot.assignment
        {
            entry.tracker.complete(slot.offset);
        }
    }

    /// The positions that no commit has been sent for yet; from now on they count as sent.
    pub(crate) fn send_commits(&mut self) -> Vec<(i32, i64)> {
        let mut due = Vec::new();
        for (partition, entry) in &mut self.assigned {
            if entry.tracker.position() != entry.sent
                && let Some(position) = entry.tracker.position()
            {
                entry.sent = Some(position);
                due.push((*partition, position));
            }
        }
        due
    }

    /// Notes that a commit failed, so that it is sent again.
    pub(crate) fn commit_failed(&mut self, partition: i32) {
        if let Some(entry) = self.assigned.get_mut(&partition) {
            entry.sent = None;
        }
    }

    /// Decides which partitions are read. All are paused under `overload`; one is paused on its own while its oldest
    /// incomplete record has `max_uncommitted` records behind it, until half of them are through.
    pub(crate) fn update_pauses(&mut self, overload: bool, max_uncommitted: usize) -> PauseChange {
        let mut change = PauseChange::default();
        for (partition, entry) in &mut self.assigned {
            let limit = if entry.is_paused { max_uncommitted / 2 + 1 } else { max_uncommitted };
            let pause = overload || entry.tracker.uncommitted() >= limit;
            if pause != entry.is_paused {
                entry.is_paused = pause;
                if pause { &mut change.pause } else { &mut change.resume }.push(*partition);
            }
        }
        change
    }

    /// The partitions, each with the offset up to which it is complete; `None` until that is known.
    pub(crate) fn progress(&self) -> Vec<(i32, Option<i64>)> {
        self.assigned.iter().map(|(partition, entry)| (*partition, entry.tracker.position().or(entry.start))).collect()
    }

    /// Notes that everything there is of `partition` was taken.
    pub(crate) fn reach_end(&mut self, partition: i32) {
        if let Some(entry) = self.assigned.get_mut(&partition) {
            entry.is_at_end = true;
        }
    }

    /// Offsets of `partition` before its `end` that are not complete; 0 until it is known where reading began.
    pub(crate) fn behind(&mut self, partition: i32, end: i64) -> i64 {
        let Some(entry) = self.assigned.get_mut(&partition) else { return 0 };
        // Once: by the next time, more may have come.
        if std::mem::take(&mut entry.is_at_end) && entry.tracker.uncommitted() == 0 {
            entry.ended = Some(end);
        }
        let at = entry.tracker.position().or(entry.start).max(entry.ended);
        at.map_or(0, |at| (end - at).max(0))
    }

    /// Notes where reading of `partition` began.
    pub(crate) fn set_start(&mut self, partition: i32, offset: i64) {
        if let Some(entry) = self.assigned.get_mut(&partition) {
            entry.start = Some(offset);
        }
    }

    /// Number of partitions.
    pub(crate) fn len(&self) -> usize {
        self.assigned.len()
    }

    /// Number of partitions that are not being read at the moment.
    pub(crate) fn paused(&self) -> usize {
        self.assigned.values().filter(|entry| entry.is_paused).count()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with(partitions: &[i32]) -> (Partitions, CancellationToken) {
        let (mut all, stop) = (Partitions::default(), CancellationToken::new());
        for partition in partitions {
            all.assign(*partition, &stop);
        }
        (all, stop)
    }

    #[test]
    fn commits_are_sent_once_and_again_after_a_failure() {
        let (mut all, _stop) = with(&[0, 1]);
        let slots: Vec<_> = (10..13).map(|offset| all.take(0, offset).unwrap()).collect();
        all.complete(&slots[1]);
        assert_eq!(all.send_commits(), []);
        all.complete(&slots[0]);
        assert_eq!(all.send_commits(), [(0, 12)]);
        assert_eq!(all.send_commits(), []);
        all.commit_failed(0);
        assert_eq!(all.send_commits(), [(0, 12)]);
        assert_eq!(all.progress(), [(0, Some(12)), (1, None)]);
        all.set_start(1, 7);
        assert_eq!(all.progress(), [(0, Some(12)), (1, Some(7))]);
    }

    #[test]
    fn markers_at_the_end_are_not_behind() {
        let (mut all, _stop) = with(&[0]);
        assert_eq!(all.behind(0, 5), 0, "nothing is known yet");
        all.set_start(0, 2);
        assert_eq!((all.behind(0, 5), all.behind(7, 5)), (3, 0));
        let slot = all.take(0, 2).unwrap();
        all.reach_end(0);
        assert_eq!(all.behind(0, 4), 2, "it is under way");
        all.complete(&slot);
        assert_eq!(all.behind(0, 4), 1, "a record or a marker");
        all.reach_end(0);
        assert_eq!(all.behind(0, 4), 0, "a marker");
        assert_eq!(all.behind(0, 6), 2, "what has come since");
        let slot = all.take(0, 4).unwrap();
        assert_eq!(all.behind(0, 6), 2);
        all.complete(&slot);
        assert_eq!(all.behind(0, 6), 1);
        // The end was reached, and something came before one looked.
        all.reach_end(0);
        let slot = all.take(0, 6).unwrap();
        all.complete(&slot);
        assert_eq!(all.behind(0, 9), 2);
    }

    #[test]
    fn a_call_of_an_ended_assignment_completes_nothing() {
        let (mut all, stop) = with(&[0]);
        let old = all.take(0, 5).unwrap();
        assert_eq!(all.revoke(0), None);
        assert!(old.revoked.is_cancelled());
        assert!(all.take(0, 6).is_none());
        all.assign(0, &stop);
        let new = all.take(0, 5).unwrap();
        all.complete(&old);
        assert_eq!(all.send_commits(), []);
        all.complete(&new);
        assert_eq!(all.revoke(0), Some(6));
    }

    #[test]
    fn stopping_ends_all_assignments() {
        let (mut all, stop) = with(&[3]);
        let slot = all.take(3, 0).unwrap();
        stop.cancel();
        assert!(slot.revoked.is_cancelled());
        // What was under way may still complete and be committed.
        all.complete(&slot);
        assert_eq!(all.revoke(3), Some(1));
    }

    #[test]
    fn a_partition_with_too_much_behind_a_gap_pauses_alone() {
        let (mut all, _stop) = with(&[0, 1]);
        let slots: Vec<_> = (0..4).map(|offset| all.take(0, offset).unwrap()).collect();
        let change = |pause: &[i32], resume: &[i32]| PauseChange { pause: pause.to_vec(), resume: resume.to_vec() };
        assert_eq!(all.update_pauses(false, 4), change(&[0], &[]));
        assert_eq!(all.update_pauses(true, 4), change(&[1], &[]));
        assert_eq!((all.len(), all.paused()), (2, 2));
        all.complete(&slots[0]);
        assert_eq!(all.update_pauses(false, 4), change(&[], &[1]));
        all.complete(&slots[1]);
        assert_eq!(all.update_pauses(false, 4), change(&[], &[0]));
        assert_eq!(all.update_pauses(false, 4), change(&[], &[]));
    }
}
