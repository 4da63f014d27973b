use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A text with a name, which profiles share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateDefinition {
    /// What `{"$ref": name}` calls it by.
    pub name: String,
    /// A MiniJinja template over `action`, `payload` and `metadata`.
    pub content: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub labels: BTreeMap<String, String>,
}

/// The fields that are set in the payload of actions whose `template` it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileDefinition {
    /// What an action's `template` and a provider's `profile` call it by.
    pub name: String,
    /// Values with templates in them, at any depth; `{"$ref": name}` is a template. A string that is nothing but
    /// `{{ expression }}` keeps the type of its value.
    pub fields: Map<String, Value>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub labels: BTreeMap<String, String>,
}

/// What shall be rendered of a tenant's templates, and with what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenderRequest {
    /// The name of a profile or else of a template, or a text with templates.
    pub template: String,
    /// The action's payload.
    #[serde(default)]
    pub payload: Value,
    /// The action's labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub metadata: BTreeMap<String, String>,
}
