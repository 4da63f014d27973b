use crate::error::DecodeError;
use crate::limits::{check_depth, check_size};
use serde::{Deserialize, Serialize};

/// Key of the one rules record: all rule files travel together, so that a change of several is seen at once.
pub const RULES_KEY: &str = "rules/main";
/// Key of the one settings record.
pub const SETTINGS_KEY: &str = "settings/main";

/// A record of the definitions topic, a global table that every worker follows. Its key is `kind/name`; a record
/// without a value removes the definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Definition {
    /// The rule files, under [`RULES_KEY`].
    Rules(RulesDefinition),
    /// What else the decision core needs to know, under [`SETTINGS_KEY`].
    Settings(SettingsDefinition),
    /// A provider, under `provider/<name>`.
    Provider(ProviderDefinition),
}

impl Definition {
    /// The record's key.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Rules(_) => RULES_KEY.to_owned(),
            Self::Settings(_) => SETTINGS_KEY.to_owned(),
            Self::Provider(provider) => format!("provider/{}", provider.name),
        }
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Settings of the decision core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsDefinition {
    /// Whether audit records carry the payload.
    pub audit_store_payload: bool,
    /// Field names, or dotted paths, whose values audit records do not show.
    pub audit_redact_fields: Vec<String>,
    /// What they show instead.
    pub audit_redact_placeholder: String,
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
}
