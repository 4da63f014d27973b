use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// How the gateway learns about the rest of the process.
#[derive(Clone)]
pub struct Probes {
    /// Asked on every `GET /ready`: must be quick and must not block.
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
}

/// Whether the process does its work, and what is missing. The body of `GET /ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Readiness {
    /// Whether every component is ready.
    pub ready: bool,
    /// The parts of the process that run here.
    pub components: Vec<Component>,
}

impl Readiness {
    /// Ready where every component is.
    #[must_use]
    pub fn of(components: Vec<Component>) -> Self {
        Self { ready: components.iter().all(|component| component.ready), components }
    }
}

/// One role of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// `processor`, `connectors`, …
    pub name: String,
    /// Whether it does its work.
    pub ready: bool,
    /// Why not, or what it is doing.
    pub reason: String,
    /// The partitions it works on, where it has any.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tasks: Vec<TaskReadiness>,
}

/// One partition's progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskReadiness {
    /// Partition number.
    pub partition: i32,
    /// `restoring`, `running`, …
    pub state: String,
    /// Changelog records restored so far.
    pub restored: u64,
    /// Records that wait in its topics, as last measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lag: Option<i64>,
}
