use acteon_schemas::Coordinates;

/// Which topic an input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputKind {
    /// The actions topic: any key.
    Action,
    /// The repartition topic: an action that was re-keyed.
    Repartitioned,
    /// The commands topic.
    Command,
    /// The results topic.
    Result,
    /// No topic: the time of an entry of the state has come. The value is the entry's key.
    Timer,
}

/// One record to decide about.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// Which topic.
    pub kind: InputKind,
    /// Where it stands.
    pub source: Coordinates<'a>,
    /// Where it was first read, for re-keyed records: what its ids are made from.
    pub origin: Option<Coordinates<'a>>,
    /// The value; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
}

impl Input<'_> {
    /// The coordinates that ids are made from.
    pub(crate) fn origin(&self) -> &Coordinates<'_> {
        self.origin.as_ref().unwrap_or(&self.source)
    }
}

impl<'a> Input<'a> {
    /// The timer of the state's entry with this key. An entry that is gone by the time of the step, or not due at its
    /// `now`, makes the step do nothing.
    #[must_use]
    pub fn timer(task: Task, key: &'a [u8]) -> Self {
        let source = Coordinates { topic: "timer".into(), partition: task.partition, offset: 0 };
        Self { kind: InputKind::Timer, source, origin: None, value: Some(key) }
    }
}

/// The task that decides: a partition number and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// This partition.
    pub partition: i32,
    /// The partition count of all co-partitioned topics.
    pub partitions: i32,
}
