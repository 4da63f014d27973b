use super::AuditEntry;

/// Records of a page where the question does not say.
pub const DEFAULT_LIMIT: u32 = 50;
/// Most records of a page.
pub const MAX_LIMIT: u32 = 1000;
/// Most records that may be passed over by number; what lies further is reached by a cursor.
pub const MAX_OFFSET: u64 = 1_000_000;
/// Most bytes of JSON in the records of a page: it ends early where more would come, and has a cursor for the rest. One
/// record is always in it.
pub const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;

/// Which records are meant: those that fit every field that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AuditFilter {
    /// Scope.
    pub namespace: Option<String>,
    /// Scope.
    pub tenant: Option<String>,
    /// The provider that received the action or would have, or that it asked for.
    pub provider: Option<String>,
    /// The action's type.
    pub action_type: Option<String>,
    /// Tag of the outcome.
    pub outcome: Option<String>,
    /// What the rules said.
    pub verdict: Option<String>,
    /// The rule that decided.
    pub matched_rule: Option<String>,
    /// The chain.
    pub chain_id: Option<String>,
    /// Who asked.
    pub caller_id: Option<String>,
    /// Who signed.
    pub signer_id: Option<String>,
    /// The key that it was signed with.
    pub kid: Option<String>,
    /// Decided then or later, in milliseconds since 1970.
    pub from: Option<i64>,
    /// Decided then or earlier, in milliseconds since 1970.
    pub to: Option<i64>,
}

/// Where a record stands in the order of pages: by the time of its decision, then by its place in the audit topic, which
/// is the same at every gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// When it was decided, in milliseconds since 1970.
    pub dispatched_at: i64,
    /// Its offset in the audit topic.
    pub log_offset: i64,
    /// Its partition there.
    pub log_partition: i32,
}

impl Position {
    /// That of a record.
    #[must_use]
    pub fn of(entry: &AuditEntry) -> Self {
        Self { dispatched_at: entry.dispatched_at, log_offset: entry.log_offset, log_partition: entry.log_partition }
    }
}

/// A question for a page of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Which ones.
    pub filter: AuditFilter,
    /// Most of them, 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// How many are passed over first, up to [`MAX_OFFSET`].
    pub offset: u64,
    /// Only those that stand behind this one, which are older.
    pub after: Option<Position>,
    /// Whether to count all that fit.
    pub count: bool,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self { filter: AuditFilter::default(), limit: DEFAULT_LIMIT, offset: 0, after: None, count: true }
    }
}

/// An answer to an [`AuditQuery`].
#[derive(Debug, Clone, Default)]
pub struct AuditPage {
    /// The records, the newest first.
    pub records: Vec<AuditEntry>,
    /// How many fit in all; absent where that was not asked or takes too long to count.
    pub total: Option<u64>,
    /// Where the next page begins; absent where there is none.
    pub next: Option<Position>,
}

/// Which action is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionKey {
    /// Its id.
    pub action_id: String,
    /// Its scope, where the id alone would not tell.
    pub namespace: Option<String>,
    /// Its scope, where the id alone would not tell.
    pub tenant: Option<String>,
}
