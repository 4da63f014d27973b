use serde::{Deserialize, Serialize};

/// How the circuit of one provider works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitDefinition {
    /// Failures without a success between them that open it; from 1.
    pub failure_threshold: u32,
    /// Successful calls while it is tried that close it; from 1.
    pub success_threshold: u32,
    /// How long it stays open before one call tries it, in milliseconds.
    pub recovery_timeout_ms: u64,
    /// The provider that is called instead while it is open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fallback_provider: Option<String>,
}

/// A circuit as it stands: a record of the definitions topic under `circuit/<provider>`, so that all tasks and
/// connectors see the same. A circuit without a record is closed and has counted nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitState {
    /// The provider.
    pub provider: String,
    /// Counts the changes between open and closed, and the times that it was opened again.
    pub epoch: u64,
    /// Failures since the last success.
    pub failures: u32,
    /// Successful calls since it is being tried.
    pub successes: u32,
    /// When it was opened, in milliseconds since 1970; absent while it is closed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub opened_at: Option<i64>,
    /// When it may be tried, in milliseconds since 1970; absent while it is closed, and where an operator has opened it
    /// until further notice.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub probe_at: Option<i64>,
    /// Code of the failure that opened it, or the operator's reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When it last changed, in milliseconds since 1970.
    pub changed_at: i64,
}

/// What a circuit lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitPhase {
    /// All calls.
    Closed,
    /// None.
    Open,
    /// One at a time, to try it.
    HalfOpen,
}

impl CircuitPhase {
    /// The name that reports show.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl CircuitState {
    /// What it lets through at `now`, in milliseconds since 1970.
    #[must_use]
    pub fn phase(&self, now: i64) -> CircuitPhase {
        match (self.opened_at, self.probe_at) {
            (None, _) => CircuitPhase::Closed,
            (Some(_), Some(probe_at)) if now >= probe_at => CircuitPhase::HalfOpen,
            (Some(_), _) => CircuitPhase::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_circuit_is_tried_when_its_time_has_come() {
        let state = |opened_at, probe_at| CircuitState {
            provider: "p".to_owned(),
            epoch: 1,
            failures: 2,
            successes: 0,
            opened_at,
            probe_at,
            reason: None,
            changed_at: 0,
        };
        let cases = [
            (None, None, 100, CircuitPhase::Closed),
            (Some(40), Some(100), 99, CircuitPhase::Open),
            (Some(40), Some(100), 100, CircuitPhase::HalfOpen),
            (Some(40), Some(100), 10, CircuitPhase::Open),
            (Some(40), None, i64::MAX, CircuitPhase::Open),
        ];
        for (opened_at, probe_at, now, phase) in cases {
            assert_eq!(state(opened_at, probe_at).phase(now), phase, "{opened_at:?} {probe_at:?} {now}");
        }
    }
}
