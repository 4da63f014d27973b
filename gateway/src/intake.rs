//! Requests that others send in their own shape, and how actions are made of them.
//!
//! An [`Intake`] answers at `/v1/ingest/{name}`: it checks who sent a request ([`Signature`]), takes it apart, and fills in
//! the fields of actions from texts with places in them ([`Template`]). [`AlertReceiver`] does the same for alerts as
//! Prometheus and Alertmanager send them. Nothing here does I/O.

mod alert;
mod mapping;
mod signature;
mod template;

pub use alert::{AlertReceiver, MAX_ALERTS, fingerprint};
pub use mapping::{Intake, IntakeSettings, MAX_INTAKE_ITEMS, MAX_INTAKE_LABELS, Refused};
pub use signature::{Encoding, MAX_TOLERANCE, Scheme, Signature, Unsigned};
pub use template::{MAX_TEMPLATE_BYTES, Template};

pub(crate) use mapping::Request;

use std::collections::BTreeMap;

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {problem}")]
pub struct SettingsError {
    /// The setting.
    pub key: String,
    /// What is wrong with it, and what to do; never a secret.
    pub problem: String,
}

impl SettingsError {
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}

/// All that a gateway takes in, beside actions.
#[derive(Debug, Clone, Default)]
pub struct Intakes {
    /// By the name that their path ends with.
    pub by_name: BTreeMap<String, Intake>,
    /// What alerts become, where they are taken.
    pub alerts: Option<AlertReceiver>,
}
