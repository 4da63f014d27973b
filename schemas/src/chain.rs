use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A chain: steps that are taken one after the other, each told of the results before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainDefinition {
    /// Its name, by which rules and other chains call it.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Longest time from its start to its end, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<u64>,
    /// What a failed step without a say of its own does to it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_failure: Option<ChainFailure>,
    /// Who is told when it is called off.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_cancel: Option<ChainCancel>,
    /// The steps, in order.
    pub steps: Vec<ChainStep>,
}

/// What a failed step does to its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainFailure {
    /// The chain fails, and its action goes to the dead-letter topic.
    Abort,
    /// The chain fails.
    AbortNoDlq,
}

/// The notification of a chain that was called off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainCancel {
    /// The provider.
    pub provider: String,
    /// The type of the notification.
    pub action_type: String,
}

/// One step. Exactly one of `provider`, `sub_chain`, `parallel`, `timer` and `wait_for_signal` says what it does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainStep {
    /// Its name, unique in the chain.
    pub name: String,
    /// The provider to call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    /// The type of the call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action_type: Option<String>,
    /// The payload; strings in it may hold `{{…}}`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload_template: Option<Value>,
    /// The chain to run and wait for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sub_chain: Option<String>,
    /// Steps to take at the same time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parallel: Option<ChainParallel>,
    /// A time to wait for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timer: Option<ChainTimer>,
    /// A signal to wait for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_for_signal: Option<ChainSignal>,
    /// How long to wait before it begins, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delay_seconds: Option<u64>,
    /// What follows it, by its result; the first that holds.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub branches: Vec<ChainBranch>,
    /// What follows it where no branch holds; else the next step in order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub default_next: Option<String>,
    /// What its failure does; else the chain's `on_failure`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_failure: Option<StepFailure>,
    /// How it is tried again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry: Option<ChainRetry>,
}

/// What a step's failure does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepFailure {
    /// The chain fails.
    Abort,
    /// The chain goes on.
    Skip,
    /// The step's call goes to the dead-letter topic, and the chain fails.
    Dlq,
}

/// Where to go when a step's result is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainBranch {
    /// `success`, `body`, or a path under it such as `body.order.id`.
    pub field: String,
    /// How to compare.
    pub operator: BranchOperator,
    /// What to compare with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<Value>,
    /// The step to go to.
    pub target: String,
}

/// How a branch compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BranchOperator {
    /// Equal.
    Eq,
    /// Not equal; also where the field is missing.
    Neq,
    /// A text contains a text, or a list a value.
    Contains,
    /// The field is there and not null.
    Exists,
    /// A number is greater.
    Gt,
    /// A number is less.
    Lt,
    /// A number is not less.
    Gte,
    /// A number is not greater.
    Lte,
}

/// Steps taken at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainParallel {
    /// The steps; each calls a provider.
    pub steps: Vec<ChainStep>,
    /// When the whole has succeeded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub join: Option<ParallelJoin>,
    /// What a failed one does to the others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_failure: Option<ParallelFailure>,
    /// Longest time of the whole, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<u64>,
    /// Most calls at a time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_concurrency: Option<u32>,
}

/// When parallel steps have succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParallelJoin {
    /// When all have.
    All,
    /// When the first has.
    Any,
}

/// What a failed parallel step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParallelFailure {
    /// The whole fails at once.
    FailFast,
    /// The others are waited for.
    BestEffort,
}

/// How a failed call is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainRetry {
    /// Calls after the first.
    pub max_retries: u32,
    /// The pause before the first of them, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub backoff_ms: Option<u64>,
    /// How the pause grows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub strategy: Option<RetryStrategy>,
    /// Up to so much is added to each pause, in milliseconds; made from the attempt's id, not by chance.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jitter_ms: Option<u64>,
}

/// How pauses grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryStrategy {
    /// Not at all.
    Fixed,
    /// By the first one each time.
    Linear,
    /// Twice as long each time.
    Exponential,
}

/// A step that waits for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainTimer {
    /// How long, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_seconds: Option<u64>,
    /// Until when (RFC 3339, or a template that gives it).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<String>,
}

/// A step that waits for a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSignal {
    /// The signal's name.
    pub signal_name: String,
    /// How long to wait, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout_seconds: Option<u64>,
    /// The step to go to when it does not come; else the step has failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_timeout: Option<String>,
}
