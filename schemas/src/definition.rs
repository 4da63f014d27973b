use crate::chain::ChainDefinition;
use crate::circuit::{CircuitDefinition, CircuitState};
use crate::error::DecodeError;
use crate::limits::{check_depth, check_size};
use crate::long_retry::LongRetryDefinition;
use crate::state_machine::StateMachineDefinition;
use crate::time_interval::TimeIntervalDefinition;
use serde::{Deserialize, Serialize};

/// Key of the one rules record: all rule files travel together, so that a change of several is seen at once.
pub const RULES_KEY: &str = "rules/main";
/// Key of the one settings record.
pub const SETTINGS_KEY: &str = "settings/main";

/// What the keys of definitions begin with that operators have set. They stand over what the configuration publishes, and
/// stay when it is published again.
pub const OPERATOR_PREFIX: &str = "operator/";

/// A record of the definitions topic, a global table that every worker follows. Its key is `kind/name`, behind
/// [`OPERATOR_PREFIX`] for what an operator has set; a record without a value removes the definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Definition {
    /// The rule files, under [`RULES_KEY`].
    Rules(RulesDefinition),
    /// What else the decision core needs to know, under [`SETTINGS_KEY`].
    Settings(SettingsDefinition),
    /// A provider, under `provider/<name>`.
    Provider(ProviderDefinition),
    /// A chain, under `chain/<name>`.
    Chain(ChainDefinition),
    /// A state machine, under `state_machine/<name>`.
    StateMachine(StateMachineDefinition),
    /// A time interval, under `time_interval/<name>`.
    TimeInterval(TimeIntervalDefinition),
    /// A circuit as it stands, under `circuit/<provider>`; written by the task that keeps it.
    Circuit(CircuitState),
    /// Whether a rule is enabled, whatever its file says, under `rule_switch/<name>`; operators set it.
    RuleSwitch(RuleSwitch),
}

impl Definition {
    /// The record's key.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Rules(_) => RULES_KEY.to_owned(),
            Self::Settings(_) => SETTINGS_KEY.to_owned(),
            Self::Provider(provider) => format!("provider/{}", provider.name),
            Self::Chain(chain) => format!("chain/{}", chain.name),
            Self::StateMachine(machine) => format!("state_machine/{}", machine.name),
            Self::TimeInterval(interval) => format!("time_interval/{}", interval.name),
            Self::Circuit(circuit) => format!("circuit/{}", circuit.provider),
            Self::RuleSwitch(switch) => format!("rule_switch/{}", switch.name),
        }
    }

    /// The record's key where an operator has set it.
    #[must_use]
    pub fn operator_key(&self) -> String {
        format!("{OPERATOR_PREFIX}{}", self.key())
    }

    /// Decodes the value of a record of the definitions topic.
    ///
    /// # Errors
    /// The value is empty, too large, too deep, not JSON or of another shape.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        check_size(value)?;
        check_depth(value)?;
        Ok(serde_json::from_slice(value)?)
    }
}

/// All rule files and how they are evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct RulesDefinition {
    /// `cascade` or `first_match`.
    pub evaluation: String,
    /// `allow` or `deny`: what happens to an action that no rule decides.
    pub default: String,
    /// IANA zone of `time.*` where a rule names none.
    pub default_timezone: String,
    /// The files, sorted by name.
    pub files: Vec<RuleFile>,
}

/// One rule file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Path under the rules directory.
    pub name: String,
    /// YAML.
    pub text: String,
}

/// Whether a rule is enabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSwitch {
    /// The rule's name.
    pub name: String,
    /// Whether it is.
    pub enabled: bool,
}

/// Settings of the decision core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct SettingsDefinition {
    /// Whether audit records carry the payload.
    pub audit_store_payload: bool,
    /// Field names, or dotted paths, whose values audit records do not show.
    pub audit_redact_fields: Vec<String>,
    /// What they show instead.
    pub audit_redact_placeholder: String,
    /// How long audit records are kept, in seconds; for ever where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub audit_ttl_seconds: Option<u64>,
    /// How long events are kept after they are over, in seconds; 7 days where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event_ttl_seconds: Option<u64>,
    /// How long chains are kept after they have ended, in seconds; 7 days where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub completed_chain_ttl_seconds: Option<u64>,
    /// Most recurring actions of one tenant; 100 where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_recurring_actions_per_tenant: Option<u32>,
    /// Least time between two occurrences of a recurring action, in seconds; 60 where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub min_recurring_interval_seconds: Option<u64>,
    /// What links to the HTTP API begin with, such as `https://acteon.example.com`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub external_url: Option<String>,
}

/// What the processor knows of a provider. Its settings and secrets stay with the connectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderDefinition {
    /// Configured name: the identity by which rules and actions call it, and part of its dispatch topic's name.
    pub name: String,
    /// `log`, `webhook`, …
    #[serde(rename = "type")]
    pub provider_type: String,
    /// How its circuit works; it has none where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub circuit: Option<CircuitDefinition>,
    /// How its dispatches are made again hours later; they aren't where absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub long_retry: Option<LongRetryDefinition>,
}

impl ProviderDefinition {
    /// One without a circuit and without retries of the processor.
    #[must_use]
    pub fn new(name: impl Into<String>, provider_type: impl Into<String>) -> Self {
        Self { name: name.into(), provider_type: provider_type.into(), circuit: None, long_retry: None }
    }
}
