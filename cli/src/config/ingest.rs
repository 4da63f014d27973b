//! `[[ingest]]` and `[alertmanager]`: what the gateway makes actions of, beside actions.

use super::keys::Spans;
use super::problem::Report;
use acteon_connectors::Secret;
use acteon_gateway::intake::{
    AlertReceiver, Encoding, Intake, IntakeSettings, Intakes, Scheme, SettingsError, Signature,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most `[[ingest]]` sections.
const MAX_INTAKES: usize = 256;

/// One `[[ingest]]`, as written.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct RawIngest {
    name: Option<String>,
    namespace: Option<String>,
    tenant: Option<String>,
    provider: Option<String>,
    action_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dedup_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<RawSignature>,
}

/// Who may send, as written.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct RawSignature {
    scheme: Option<Scheme>,
    secret: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tolerance_seconds: Option<u64>,
}

/// `[alertmanager]`, as written.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct RawAlertmanager {
    namespace: Option<String>,
    tenant: Option<String>,
    provider: Option<String>,
    action_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<RawSignature>,
}

/// The sections as checked, and as they are shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ingest {
    pub(crate) intakes: Intakes,
    written: Vec<RawIngest>,
    alertmanager: Option<RawAlertmanager>,
}

impl Ingest {
    /// The sections for people, without secrets.
    pub(super) fn shown(&self) -> (serde_json::Value, Option<serde_json::Value>) {
        let alertmanager = self.alertmanager.as_ref().map(|written| serde_json::json!(written));
        (serde_json::json!(self.written), alertmanager)
    }
}

/// Checks the sections; problems go to the report.
pub(super) fn ingest(
    written: Vec<RawIngest>,
    alertmanager: Option<RawAlertmanager>,
    spans: &Spans,
    report: &mut Report<'_>,
) -> Ingest {
    let mut refuse = |path: &str, error: &SettingsError| {
        let key = format!("{path}.{}", error.key);
        let around = std::iter::successors(Some(key.as_str()), |key| key.rsplit_once('.').map(|(parent, _)| parent));
        let span = around.filter_map(|key| spans.get(key)).next().cloned();
        report.error(span, format!("`{key}` {}", error.problem));
    };
    let mut intakes = Intakes::default();
    if written.len() > MAX_INTAKES {
        refuse("ingest", &error("number", format!("of sections is {}; the limit is {MAX_INTAKES}", written.len())));
    }
    for (index, raw) in written.iter().take(MAX_INTAKES).enumerate() {
        let path = format!("ingest[{index}]");
        match raw.intake() {
            Ok(intake) => {
                let name = intake.name().to_owned();
                if intakes.by_name.insert(name.clone(), intake).is_some() {
                    let problem = format!("is {name:?}, as in an [[ingest]] before it; names tell intakes apart");
                    refuse(&path, &error("name", problem));
                }
            }
            Err(problem) => refuse(&path, &problem),
        }
    }
    match alertmanager.as_ref().map(RawAlertmanager::receiver) {
        Some(Ok(receiver)) => intakes.alerts = Some(receiver),
        Some(Err(problem)) => refuse("alertmanager", &problem),
        None => {}
    }
    Ingest { intakes, written, alertmanager }
}

fn error(key: &str, problem: String) -> SettingsError {
    SettingsError { key: key.to_owned(), problem }
}

impl RawIngest {
    fn intake(&self) -> Result<Intake, SettingsError> {
        let signature = self.signature.as_ref().map(RawSignature::signature).transpose()?;
        let settings = IntakeSettings {
            name: given("name", self.name.as_ref())?,
            namespace: given("namespace", self.namespace.as_ref())?,
            tenant: given("tenant", self.tenant.as_ref())?,
            provider: given("provider", self.provider.as_ref())?,
            action_type: given("action_type", self.action_type.as_ref())?,
            items: self.items.clone(),
            payload: self.payload.clone(),
            id: self.id.clone(),
            dedup_key: self.dedup_key.clone(),
            status: self.status.clone(),
            fingerprint: self.fingerprint.clone(),
            starts_at: self.starts_at.clone(),
            ends_at: self.ends_at.clone(),
            labels: self.labels.clone(),
        };
        Intake::new(settings, signature)
    }
}

impl RawAlertmanager {
    fn receiver(&self) -> Result<AlertReceiver, SettingsError> {
        let signature = self.signature.as_ref().map(RawSignature::signature).transpose()?;
        AlertReceiver::new(
            self.namespace.as_deref().unwrap_or("monitoring"),
            &given("tenant", self.tenant.as_ref())?,
            &given("provider", self.provider.as_ref())?,
            self.action_type.as_deref().unwrap_or("alert"),
            signature,
        )
    }
}

impl RawSignature {
    fn signature(&self) -> Result<Signature, SettingsError> {
        let missing = |key: &str| error(&format!("signature.{key}"), "is missing".to_owned());
        let secret = self.secret.as_ref().ok_or_else(|| missing("secret"))?;
        let mut signature = Signature::new(self.scheme.ok_or_else(|| missing("scheme"))?, secret.expose())?
            .with_header(self.header.as_deref(), self.prefix.as_deref())?;
        if let Some(encoding) = self.encoding {
            signature = signature.with_encoding(encoding)?;
        }
        match self.tolerance_seconds {
            Some(seconds) => signature.with_tolerance(Duration::from_secs(seconds)),
            None => Ok(signature),
        }
    }
}

/// A text that must be there.
fn given(key: &str, text: Option<&String>) -> Result<String, SettingsError> {
    text.cloned().ok_or_else(|| error(key, "is missing: a text, or one with places such as {{/tenant}}".to_owned()))
}
