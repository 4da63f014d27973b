use super::AuditFilter;

/// Most rows that a count of coverage may have.
pub const MAX_COVERAGE_ROWS: usize = 50_000;

/// How many actions of one kind the same rules had a say in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageRow {
    /// Scope.
    pub namespace: String,
    /// Scope.
    pub tenant: String,
    /// The provider that the actions asked for.
    pub provider: String,
    /// Their type.
    pub action_type: String,
    /// The rules: the one that decided, the gates that let them pass, the rewrites that changed them; in no order.
    pub rules: Vec<String>,
    /// How many actions.
    pub count: u64,
}

/// A question for which rules had a say in which actions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoverageQuery {
    /// Which actions.
    pub filter: AuditFilter,
}
