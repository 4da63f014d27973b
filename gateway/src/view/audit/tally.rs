use super::AuditFilter;

/// Most rows that a tally may have.
pub const MAX_TALLIES: usize = 250_000;

/// What a tally tells apart beside time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TallyBy {
    /// The tag of the outcome.
    Outcome,
    /// The action's type.
    ActionType,
    /// How long it took, of actions that a provider answered.
    Duration,
}

/// A question for how many actions there were in each stretch of time. Records of steps are left out: an action counts once
/// for each time that it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyQuery {
    /// Which ones.
    pub filter: AuditFilter,
    /// Length of a stretch, in milliseconds; at least 1.
    pub width_ms: i64,
    /// Where a stretch begins, in milliseconds since 1970.
    pub origin_ms: i64,
    /// What is told apart.
    pub by: TallyBy,
}

/// How many actions there were in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// When the stretch begins, in milliseconds since 1970.
    pub start: i64,
    /// What is told apart.
    pub key: TallyKey,
    /// How many.
    pub count: u64,
}

/// What a tally has told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TallyKey {
    /// An outcome or an action's type.
    Label(String),
    /// A duration, in milliseconds.
    Duration(i64),
}
