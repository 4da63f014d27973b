use super::*;
use crate::commit::CommitLimits;
use crate::log::{ChangelogOffsets, CommitError, Committing, HeaderList, OutRecord, SendError, Tag};
use crate::store::Timer;
use crate::store::memory::MemoryStore;
use acteon_core::Parts;
use acteon_schemas::RulesDefinition;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const KEY: &[u8] = b"\x20entry";
/// A value that no version wrote.
const CORRUPT: &[u8] = b"\x02garbage";

struct StoppedClock;

impl Clock for StoppedClock {
    fn wall(&self) -> i64 {
        1_000
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// What was sent: topic, key, value and the source that it names.
type Sent = (String, Vec<u8>, Option<Vec<u8>>, String);

/// Takes everything, and commits where there is at least one offset of a current member.
#[derive(Default)]
struct Log {
    sent: Vec<Sent>,
    offsets: Vec<(i32, InTopic, i64)>,
    begun: usize,
    /// What will be told of the commit, the last one first.
    news: Vec<Committing>,
    /// Whether nothing is told yet.
    is_slow: bool,
}

/// Whether the member that commits is one of the group still.
struct Member(bool);

impl Sink<Member> for Log {
    fn begin(&mut self) -> Result<(), LogError> {
        self.begun += 1;
        Ok(())
    }
    fn send(&mut self, record: &OutRecord<'_>, _: Tag) -> Result<(), SendError> {
        let source = record.headers.iter().find(|(name, _)| *name == headers::SOURCE).map_or(&b""[..], |(_, of)| of);
        self.sent.push((
            format!("{:?}", record.topic),
            record.key.unwrap_or_default().to_vec(),
            record.value.map(<[u8]>::to_vec),
            String::from_utf8(source.to_vec()).unwrap(),
        ));
        Ok(())
    }
    fn start_commit(&mut self, offsets: &[(i32, InTopic, i64)], group: Member) -> Result<(), LogError> {
        // As a broker: without offsets nobody asks who commits.
        let is_refused = !group.0 && !offsets.is_empty();
        self.offsets = offsets.to_vec();
        let error = LogError::Retriable("illegal generation".to_owned());
        let refused = Err(CommitError { error, refused_input: None });
        let ends = Ok(vec![(3, ChangelogOffsets { compacted: 8, expiring: 0 })]);
        self.news = [Committing::Done(if is_refused { refused } else { ends }), Committing::Settled].into();
        Ok(())
    }
    fn poll_commit(&mut self, _: Duration) -> Committing {
        if self.is_slow { Committing::Unchanged } else { self.news.pop().unwrap() }
    }
    fn abort(&mut self) -> Result<(), LogError> {
        Ok(())
    }
    fn is_worn(&self) -> bool {
        false
    }
}

fn definitions() -> Definitions {
    let rules = RulesDefinition {
        evaluation: "cascade".into(),
        default: "allow".into(),
        default_timezone: "UTC".into(),
        files: Vec::new(),
    };
    Definitions::compile(1, Parts { rules, ..Parts::default() }).unwrap()
}

/// A desk with task 3 running at offset 7, and an entry whose timer is due and can't be fired.
fn desk() -> Desk<Log, MemoryStore, StoppedClock> {
    let topics = ["actions", "repartition", "commands", "results"].map(str::to_owned);
    let config = WorkerConfig { partitions: 4, limits: CommitLimits::default(), topics };
    let mut desk = Desk::new(config, StoppedClock);
    let mut store = MemoryStore::default();
    store.entries.insert(KEY.to_vec(), CORRUPT.to_vec());
    store.timers.insert(Timer { due: 900, key: KEY.to_vec() });
    desk.tasks.insert(3, running(store));
    desk.sink = Some(Log::default());
    desk
}

fn running(store: MemoryStore) -> Task<MemoryStore> {
    let mut task = Task::new(store);
    task.phase = Phase::Running;
    (task.positions, task.committed) = ([7, 0, 0, 0], [7, 0, 0, 0]);
    task
}

/// Commits, and waits for the end.
fn commit(desk: &mut Desk<Log, MemoryStore, StoppedClock>, is_member: bool) -> Result<(), Trouble> {
    desk.start_commit(Member(is_member))?;
    while desk.flight.is_some() {
        desk.look_after_commit(Duration::ZERO)?;
    }
    Ok(())
}

fn dead_letters(desk: &Desk<Log, MemoryStore, StoppedClock>) -> usize {
    desk.sink.as_ref().unwrap().sent.iter().filter(|(topic, ..)| topic == "Dlq").count()
}

#[test]
fn a_timer_that_cannot_be_fired_is_set_aside_with_its_entry() {
    let mut desk = desk();
    assert_eq!(desk.fire(&definitions()).unwrap(), 1);
    // Not again before the commit, nor after it.
    assert_eq!(desk.fire(&definitions()).unwrap(), 0);
    commit(&mut desk, true).unwrap();
    assert_eq!(desk.fire(&definitions()).unwrap(), 0);
    let log = desk.sink.as_ref().unwrap();
    let letter = ("Dlq".to_owned(), KEY.to_vec(), Some(CORRUPT.to_vec()), "timer/3/0".to_owned());
    let deletion = ("Changelog".to_owned(), KEY.to_vec(), None, String::new());
    assert_eq!(log.sent[0], letter);
    assert!(log.sent.contains(&deletion), "{:?}", log.sent);
    assert_eq!(log.offsets, [(3, InTopic::Actions, 7)]);
    let store = &desk.tasks[&3].overlay.store;
    assert_eq!((store.entries.contains_key(KEY), store.timers.len()), (false, 0));
    assert_eq!(store.offsets, ChangelogOffsets { compacted: 8, expiring: 0 });
}

#[test]
fn a_zombies_commit_of_timers_alone_is_refused_and_they_fire_again() {
    let mut desk = desk();
    desk.fire(&definitions()).unwrap();
    let refused = commit(&mut desk, false).unwrap_err();
    assert!(matches!(refused, Trouble::Log(LogError::Retriable(_))), "{refused:?}");
    desk.abort();
    let task = desk.tasks.get_mut(&3).unwrap();
    assert_eq!((task.overlay.store.entries.len(), task.overlay.store.timers.len()), (1, 1));
    // Restored, as another member would have it.
    task.phase = Phase::Running;
    desk.sink = Some(Log::default());
    assert_eq!(desk.fire(&definitions()).unwrap(), 1);
    commit(&mut desk, true).unwrap();
    assert_eq!(dead_letters(&desk), 1);
}

#[test]
fn stale_timers_are_taken_out_without_a_transaction() {
    let mut desk = desk();
    let moved = [&[1_u8][..], &5_000_i64.to_be_bytes(), b"body"].concat();
    let store = &mut desk.tasks.get_mut(&3).unwrap().overlay.store;
    store.entries.insert(KEY.to_vec(), moved);
    store.timers.insert(Timer { due: 5_000, key: KEY.to_vec() });
    store.timers.insert(Timer { due: 950, key: b"\x20gone".to_vec() });
    assert_eq!(desk.fire(&definitions()).unwrap(), 2);
    assert!(desk.transaction.is_none());
    assert_eq!(desk.sink.as_ref().unwrap().begun, 0);
    assert_eq!(desk.tasks[&3].overlay.store.timers, [Timer { due: 5_000, key: KEY.to_vec() }].into());
    assert_eq!(desk.time_to_timer(), Some(Duration::from_secs(4)));
}

#[test]
fn a_turn_fires_so_many_timers_and_those_of_tasks_that_run() {
    let mut desk = desk();
    let due = |count: i64| {
        let mut store = MemoryStore::default();
        for number in 0..count {
            let key = [&[0x20][..], &number.to_be_bytes()].concat();
            store.entries.insert(key.clone(), CORRUPT.to_vec());
            store.timers.insert(Timer { due: number % 3, key });
        }
        store
    };
    desk.tasks.insert(1, running(due(2_000)));
    desk.tasks.insert(2, Task::new(due(10)));
    let mut turns = Vec::new();
    while turns.last() != Some(&0) {
        turns.push(desk.fire(&definitions()).unwrap());
        if turns.len() == 4 {
            assert_eq!(desk.time_to_timer(), Some(Duration::ZERO));
            commit(&mut desk, true).unwrap();
        }
    }
    assert_eq!(turns, [257, 512, 512, 512, 208, 0]);
    assert_eq!(desk.time_to_timer(), None);
    commit(&mut desk, true).unwrap();
    assert_eq!(dead_letters(&desk), 2_001);
    assert!(desk.tasks[&1].overlay.store.timers.is_empty());
    assert_eq!(desk.tasks[&2].overlay.store.timers.len(), 10);
}

/// Has a task decide about an action, which is another partition's.
fn act(desk: &mut Desk<Log, MemoryStore, StoppedClock>, partition: i32, offset: i64) {
    let action = json!({
        "id": format!("a-{offset}"), "namespace": "n", "tenant": "t", "provider": "log", "action_type": "x",
        "payload": {}, "created_at": "2026-01-01T00:00:00Z",
    });
    let value = action.to_string();
    let record = InRecord {
        topic: InTopic::Actions,
        partition,
        offset,
        key: Some(b"n:t"),
        value: Some(value.as_bytes()),
        headers: HeaderList::new(),
    };
    desk.process(&record, &definitions()).unwrap();
}

/// How many records were sent to each topic.
fn topics(desk: &Desk<Log, MemoryStore, StoppedClock>) -> BTreeMap<&str, usize> {
    let mut topics = BTreeMap::new();
    for (topic, ..) in &desk.sink.as_ref().unwrap().sent {
        *topics.entry(topic.as_str()).or_default() += 1;
    }
    topics
}

#[test]
fn a_task_s_first_input_is_sent_at_once_and_nothing_twice() {
    let mut desk = desk();
    desk.tasks.insert(1, running(MemoryStore::default()));
    let each = |count: usize, clocks: usize| BTreeMap::from([("ChangelogExpiring", clocks), ("Repartition", count)]);
    act(&mut desk, 3, 7);
    assert_eq!(topics(&desk), each(1, 1));
    act(&mut desk, 3, 8);
    assert_eq!(topics(&desk), each(1, 1), "what comes later waits for the commit");
    act(&mut desk, 1, 7);
    assert_eq!(topics(&desk), each(3, 2), "the first input of each task, and what there is beside it");
    commit(&mut desk, true).unwrap();
    assert_eq!(topics(&desk), each(3, 2), "the clocks were sent already, and stand still");
    act(&mut desk, 3, 9);
    assert_eq!(topics(&desk), each(4, 2), "the next transaction begins in the same way");
    desk.abort();
    let task = desk.tasks.get_mut(&3).unwrap();
    assert!(!task.is_announced && task.announced.is_empty(), "nothing of it counts");
}

#[test]
fn the_next_transaction_waits_with_its_records_for_those_of_the_last() {
    let mut desk = desk();
    let each = |count: usize, clocks: usize| BTreeMap::from([("ChangelogExpiring", clocks), ("Repartition", count)]);
    act(&mut desk, 3, 7);
    desk.sink.as_mut().unwrap().is_slow = true;
    desk.start_commit(Member(true)).unwrap();
    act(&mut desk, 3, 8);
    desk.look_after_commit(Duration::ZERO).unwrap();
    assert_eq!(topics(&desk), each(1, 1), "the last one's are on their way");
    desk.sink.as_mut().unwrap().is_slow = false;
    desk.look_after_commit(Duration::ZERO).unwrap();
    // The clock has not moved, so that this transaction has no state.
    assert_eq!(topics(&desk), each(2, 1), "they are in the log");
    let task = &desk.tasks[&3];
    assert_eq!((task.committed[0], task.positions[0], desk.sink.as_ref().unwrap().begun), (7, 9, 2));
    desk.look_after_commit(Duration::ZERO).unwrap();
    assert_eq!((desk.flight.is_some(), desk.tasks[&3].committed[0]), (false, 8));
    commit(&mut desk, true).unwrap();
    assert_eq!(desk.tasks[&3].committed[0], 9);
    assert_eq!(desk.sink.as_ref().unwrap().offsets, [(3, InTopic::Actions, 9)]);
    assert_eq!(topics(&desk), each(2, 1), "and nothing is sent twice");
}

#[test]
fn with_a_commit_that_fails_goes_what_was_decided_on_top_of_it() {
    let mut desk = desk();
    act(&mut desk, 3, 7);
    desk.start_commit(Member(false)).unwrap();
    act(&mut desk, 3, 8);
    desk.look_after_commit(Duration::ZERO).unwrap();
    assert!(matches!(desk.look_after_commit(Duration::ZERO), Err(Trouble::Log(LogError::Retriable(_)))));
    desk.abort();
    let task = &desk.tasks[&3];
    assert_eq!((task.committed[0], task.positions[0], task.is_touched()), (7, 7, false));
    assert_eq!((task.phase, task.overlay.writes().count()), (Phase::Unread, 0));
}
