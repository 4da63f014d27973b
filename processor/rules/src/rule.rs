//! A compiled rule: when it matches, and what it does.

use std::collections::BTreeMap;
use std::fmt;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::diagnostic::Place;
use crate::host::Function;
use crate::modify::Changes;
use crate::path::FieldPath;

/// One rule of a [`crate::RuleSet`].
#[derive(Debug, Clone)]
pub struct Rule {
    /// The name, unique in the set. Part of outcomes, audit records and state keys.
    pub name: String,
    /// The place in evaluation order, from 0. Counts disabled rules too.
    pub index: usize,
    /// The priority; lower is evaluated first.
    pub priority: i32,
    /// What the rule is for, in its author's words.
    pub description: Option<String>,
    /// Whether the rule takes part.
    pub enabled: bool,
    /// The share of a route rule in the split between all weighted route rules of its priority
    /// that match: one of them is chosen by the action's id. 0 is never chosen.
    pub weight: Option<u32>,
    /// Whether a route rule sends a copy, and the walk goes on as if it had not matched.
    pub continues: bool,
    /// Free labels of the rule.
    pub metadata: BTreeMap<String, String>,
    /// Names of the time intervals in which the rule's actions are muted.
    pub mute_time_intervals: Vec<String>,
    /// Names of the time intervals outside which the rule's actions are muted.
    pub active_time_intervals: Vec<String>,
    /// The zone of the rule's `time.*` fields: its own, else the set's default.
    pub timezone: Tz,
    /// Where the rule is written.
    pub source: Source,
    /// What the rule does to an action that matches.
    pub action: RuleAction,
    /// Whether the rule is its scope's default: a block whose condition names nothing but
    /// `action.namespace` and `action.tenant`. It applies only to actions not yet admitted.
    pub default_block: bool,
    pub(crate) condition: Condition,
    /// Where the rule's action names a provider, a chain or a state machine.
    pub(crate) reference: Place,
}

/// Where a rule is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Source {
    /// The file, as named by [`crate::SourceFile::name`].
    pub file: String,
    /// The line and column of the rule's first key.
    #[serde(flatten)]
    pub place: Place,
}

/// As `rules/a.yaml:12`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.place.line)
    }
}

/// What a rule does. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RuleAction {
    /// Execute on the action's own provider.
    Allow,
    /// Reject.
    Deny,
    /// Drop silently.
    Suppress {
        /// Why, for people.
        reason: Option<String>,
    },
    /// Change the payload.
    Modify(Changes),
    /// Let the first action of a key pass, and refuse others until the time is over.
    Deduplicate {
        /// How long a key is remembered.
        ttl_ms: u64,
        /// Fields that make the key; where empty, the action's `dedup_key`, else its id.
        key_fields: Vec<FieldPath>,
    },
    /// Let so many actions pass in a window, and refuse or delay others.
    Throttle {
        /// How many pass.
        max_count: u64,
        /// The window.
        window_ms: u64,
        /// Fields that split the count, beside namespace and tenant.
        key_fields: Vec<FieldPath>,
        /// What to tell the sender of a refused action.
        message: Option<String>,
        /// What becomes of the others.
        mode: ThrottleMode,
    },
    /// Change the provider.
    Reroute {
        /// The providers that may get it: the only one, or the one that the action's id draws.
        targets: Vec<RouteTarget>,
    },
    /// Start a chain.
    Chain {
        /// The chain's name.
        chain: String,
    },
    /// Collect into one notification.
    Group {
        /// Fields that make the group.
        group_by: Vec<FieldPath>,
        /// From a group's first event to its first notification.
        wait_ms: u64,
        /// Least time between two notifications of a group.
        interval_ms: u64,
        /// When to notify again though nothing was added.
        repeat_interval_ms: Option<u64>,
        /// Most events of a group; a full group is notified at once.
        max_size: usize,
        /// The template of the notification.
        template: Option<String>,
    },
    /// Hold, then go on.
    Schedule {
        /// How long.
        delay_ms: u64,
    },
    /// Hold until a person decides.
    RequestApproval {
        /// The provider that carries the request; none for the documents-only
        /// `require_approval`, which may leave it out.
        notify_provider: Option<String>,
        /// When the request expires.
        timeout_ms: u64,
        /// What the person is told.
        message: Option<String>,
    },
    /// Absorb into an event with a life of its own.
    StateMachine {
        /// The state machine's name.
        state_machine: String,
        /// Fields that make the event's fingerprint, unless the action names one.
        fingerprint_fields: Vec<FieldPath>,
    },
}

/// A provider that a `reroute` rule may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteTarget {
    /// The provider's name.
    pub provider: String,
    /// Its share of the rule's actions, relative to the other targets'; 0 is never chosen.
    pub weight: u32,
    /// Where the rule names it.
    #[serde(skip)]
    pub(crate) place: Place,
}

/// What a `throttle` rule does with actions over its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleMode {
    /// Refuse them.
    Refuse,
    /// Hold them, and release them in the order in which they came, as the limit allows.
    Delay {
        /// Longest wait, in milliseconds: an action that would have to wait longer is refused.
        max_delay_ms: u64,
        /// Most actions of one key that wait at a time; others are refused.
        max_queue: u64,
    },
}

/// The five kinds of rule action that evaluation tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Changes the payload; the walk goes on.
    Rewrite,
    /// Admits or refuses.
    Gate,
    /// Ends the walk: the action is not executed.
    Block,
    /// Holds the action; the walk goes on when it is released.
    Capture,
    /// Decides where the action goes.
    Route,
}

impl RuleAction {
    /// The kind of action.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Modify { .. } => Class::Rewrite,
            Self::Deduplicate { .. } | Self::Throttle { .. } => Class::Gate,
            Self::Deny | Self::Suppress { .. } => Class::Block,
            Self::Group { .. } | Self::Schedule { .. } | Self::RequestApproval { .. } | Self::StateMachine { .. } => {
                Class::Capture
            }
            Self::Allow | Self::Reroute { .. } | Self::Chain { .. } => Class::Route,
        }
    }

    /// The name of the action in rule files, which is also the verdict's tag in audit records.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Suppress { .. } => "suppress",
            Self::Modify { .. } => "modify",
            Self::Deduplicate { .. } => "deduplicate",
            Self::Throttle { .. } => "throttle",
            Self::Reroute { .. } => "reroute",
            Self::Chain { .. } => "chain",
            Self::Group { .. } => "group",
            Self::Schedule { .. } => "schedule",
            Self::RequestApproval { .. } => "request_approval",
            Self::StateMachine { .. } => "state_machine",
        }
    }
}

impl Rule {
    /// The kind of the rule's action.
    #[must_use]
    pub fn class(&self) -> Class {
        self.action.class()
    }

    /// The point to resume at when an action that this rule captured or delayed is released. For
    /// one that has been held before, ask [`crate::Decision::resume_point`].
    #[must_use]
    pub fn resume_point(&self) -> ResumePoint {
        ResumePoint {
            rule: self.name.clone(),
            priority: self.priority,
            file: self.source.file.clone(),
            line: self.source.place.line,
            captured: self.class() == Class::Capture,
        }
    }

    /// The functions that the condition calls: what it asks of state.
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        self.condition.functions(&mut found);
        found
    }

    /// The condition, as one line.
    #[must_use]
    pub fn condition_display(&self) -> String {
        self.condition.to_string()
    }

    /// The weight, if the rule takes part in a split.
    pub(crate) fn split_weight(&self) -> Option<u32> {
        self.weight.filter(|_| self.enabled && self.class() == Class::Route)
    }

    /// What evaluation order sorts by.
    pub(crate) fn order(&self) -> (i32, &str, u32) {
        (self.priority, &self.source.file, self.source.place.line)
    }
}

/// Where a walk goes on after a capture or a delay. Kept with the held action, perhaps for days: it is
/// found again by the rule's name, or by its order where the rule is gone by then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumePoint {
    /// The name of the rule that held the action.
    pub rule: String,
    /// Its priority.
    pub priority: i32,
    /// The file it was written in.
    pub file: String,
    /// The line it was written at.
    pub line: u32,
    /// Whether a capture has held the action, so that no block applies any more. Not so for an
    /// action that a `throttle` rule alone has delayed: that is a gate it has passed.
    #[serde(default = "yes")]
    pub captured: bool,
}

/// Points written before throttle rules could delay were made by captures alone.
fn yes() -> bool {
    true
}
