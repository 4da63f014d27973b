//! The records that travel on Acteon's topics: one module a record, their JSON codec and their limits.
//!
//! Everything here is data: no I/O, no clock. Each record has an Avro schema of the same shape in
//! `schemas/avro/`, kept equal to the Rust type by `tests/it`.

mod action;
mod audit;
mod chain;
mod circuit;
mod command;
mod coordinates;
mod dead_letter;
mod definition;
mod dispatch;
mod duration;
mod error;
pub mod error_code;
mod fleet_health;
mod latency;
mod limits;
mod long_retry;
mod metadata;
mod outcome;
mod partition;
mod policy;
mod provider_health;
mod recurring;
mod resolution;
mod result;
mod state_machine;
mod template;
mod time_interval;

pub use action::Action;
pub use audit::{AuditPhase, AuditRecord};
pub use chain::{
    BranchOperator, ChainBranch, ChainCancel, ChainDefinition, ChainFailure, ChainParallel, ChainRetry, ChainSignal,
    ChainStep, ChainTimer, ParallelFailure, ParallelJoin, RetryStrategy, StepFailure,
};
pub use circuit::{CircuitDefinition, CircuitPhase, CircuitState};
pub use command::{CIRCUITS_NAMESPACE, Command, CommandKind, Page, SignedLink};
pub use coordinates::Coordinates;
pub use dead_letter::{DeadLetter, DeadLetterHolds, DeadLetterReason, headers};
pub use definition::{
    Definition, OPERATOR_PREFIX, ProviderDefinition, RULES_KEY, RuleFile, RuleSwitch, RulesDefinition, SETTINGS_KEY,
    SettingsDefinition,
};
pub use dispatch::{Dispatch, DispatchContext};
pub use duration::{DURATION_UNITS, parse_duration, parse_durations};
pub use error::{DecodeError, DecodeErrorKind};
pub use fleet_health::{
    FleetHealth, MAX_HEALTH_RECORDS, ProviderHealthReport, ProviderHealthTable, UNHEALTHY_FAILURES,
};
pub use latency::{LatencyBucket, LatencyHistogram};
pub use limits::{
    MAX_DEDUP_KEY_BYTES, MAX_DEPTH, MAX_DERIVED_BYTES, MAX_NAME_BYTES, MAX_RECORD_BYTES, MAX_RESULT_BYTES,
    MAX_RESULT_DEPTH, check_depth, check_depth_of, check_name, check_size, check_size_of,
};
pub use long_retry::LongRetryDefinition;
pub use metadata::{AuditLabels, Metadata};
pub use outcome::{Outcome, OutcomeDetail, OutcomeRecord, ProviderResponse, ResponseStatus, RetryAfter};
pub use partition::partition_of;
pub use policy::{
    MatchOperator, OverageBehavior, QuotaDefinition, RetentionDefinition, SilenceDefinition, SilenceMatcher,
};
pub use provider_health::{CallFailure, MAX_HEALTH_AGE_MS, MAX_HEALTH_INTERVAL_MS, ProviderHealth};
pub use recurring::{OverlapPolicy, RecurringAction, RecurringDefinition};
pub use resolution::{DeadLetterResolution, Resolution};
pub use result::{ProviderError, ProviderResult, ResultStatus};
pub use state_machine::{
    StateMachineDefinition, StateTimeout, TrackDefinition, TransitionDefinition, TransitionEffects,
};
pub use template::{ProfileDefinition, RenderRequest, TemplateDefinition};
pub use time_interval::{TimeIntervalDefinition, TimeOfDay, TimeRange};

/// The record key, and so the partition, of everything that belongs to one tenant: `namespace:tenant`.
#[must_use]
pub fn tenant_key(namespace: &str, tenant: &str) -> String {
    let mut key = String::with_capacity(namespace.len() + tenant.len() + 1);
    key.push_str(namespace);
    key.push(':');
    key.push_str(tenant);
    key
}
