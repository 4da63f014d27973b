//! Values as Avro, with the schemas of a Confluent-compatible registry.

use super::record::Record;
use super::settings::{KafkaFormat, KafkaSettings};
use crate::clock;
use crate::error::Error;
use crate::provider::api::endpoint;
use crate::provider::http::{Verdict, classify as classify_status};
use crate::provider::{Outcome, code};
use acteon_schemas::check_depth;
use apache_avro::Schema;
use apache_avro::schema::ResolvedSchema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use reqwest::{redirect, retry};
use schema_registry_converter::async_impl::avro::get_avro_schema;
use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_subject};
use schema_registry_converter::avro_common::AvroSchema;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::SubjectNameStrategy;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a schema counts as the latest. After that the registry is asked again.
const MAX_SCHEMA_AGE: Duration = Duration::from_secs(300);
/// Most subjects whose schemas are kept.
const MAX_SUBJECTS: usize = 1_000;
/// Longest wait for the registry; the call's own limit may be shorter.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest subject, in bytes.
const MAX_SUBJECT_BYTES: usize = 512;
/// First byte of what has a schema's id in front.
const MAGIC: u8 = 0;

/// A schema registry, and its schemas by subject.
pub(super) struct Registry {
    settings: SrSettings,
    /// Of every record, where it is configured.
    subject: Option<String>,
    // Held while the registry is asked, so that many calls ask once.
    known: Mutex<BTreeMap<String, Known>>,
}

struct Known {
    schema: Arc<AvroSchema>,
    since: Instant,
}

impl Registry {
    /// The registry of these settings; `None` where values are JSON.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub(super) fn new(name: &str, settings: &KafkaSettings) -> Result<Option<Self>, Error> {
        let bad = |key: &str, problem: &str| Error::provider(name, key, problem);
        if settings.format != KafkaFormat::Avro {
            let given = [
                ("schema_registry_url", settings.schema_registry_url.is_some()),
                ("schema_registry_username", settings.schema_registry_username.is_some()),
                ("schema_registry_password", settings.schema_registry_password.is_some()),
                ("subject", settings.subject.is_some()),
            ];
            return match given.into_iter().find(|(_, is_given)| *is_given) {
                Some((key, _)) => Err(bad(key, "has no meaning: it is for `format = \"avro\"` alone")),
                None => Ok(None),
            };
        }
        let Some(url) = &settings.schema_registry_url else {
            return Err(bad(
                "schema_registry_url",
                "is missing: `format = \"avro\"` needs it, as http://registry:8081",
            ));
        };
        let url = endpoint(name, "schema_registry_url", url)?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            let problem = "has a user or a query; a user goes into `schema_registry_username`";
            return Err(bad("schema_registry_url", problem));
        }
        if let Some(subject) = &settings.subject {
            let is_good = |byte: char| !byte.is_control() && !byte.is_whitespace() && !matches!(byte, '?' | '#' | '%');
            if subject.is_empty() || subject.len() > MAX_SUBJECT_BYTES || !subject.chars().all(is_good) {
                return Err(bad("subject", "is empty, too long or has characters that the registry's URLs can't have"));
            }
        }
        let mut builder = SrSettings::new_builder(url.as_str().trim_end_matches('/').to_owned());
        if let Some(user) = &settings.schema_registry_username {
            let password = settings.schema_registry_password.as_ref().map(|password| password.expose());
            builder.set_basic_authorization(user, password);
        } else if settings.schema_registry_password.is_some() {
            return Err(bad("schema_registry_username", "is missing: `schema_registry_password` is that user's"));
        }
        builder.set_timeout(REGISTRY_TIMEOUT);
        let client = reqwest::Client::builder().redirect(redirect::Policy::none()).retry(retry::never());
        let settings_of_registry = builder
            .build_with(settings.http.apply(name, client)?)
            .map_err(|error| bad("http", &format!("makes no client: {}", error.error)))?;
        Ok(Some(Self { settings: settings_of_registry, subject: settings.subject.clone(), known: Mutex::default() }))
    }

    /// The record's value in Confluent's wire format.
    ///
    /// # Errors
    /// The call's outcome.
    pub(super) async fn encode(&self, record: &Record<'_>) -> Result<Vec<u8>, Outcome> {
        let subject = self.subject.clone().unwrap_or_else(|| format!("{}-value", record.topic));
        let schema = self.schema(&subject).await?;
        encode(schema.id, &schema.parsed, record.value.get()).map_err(|problem| {
            let message = format!("the value does not fit schema {} of subject `{subject}`: {problem}", schema.id);
            Outcome::reject(code::VALIDATION, message)
        })
    }

    /// The subject's latest schema.
    async fn schema(&self, subject: &str) -> Result<Arc<AvroSchema>, Outcome> {
        let mut known = self.known.lock().await;
        let now = clock::now();
        if let Some(found) = known.get(subject)
            && now.saturating_duration_since(found.since) < MAX_SCHEMA_AGE
        {
            return Ok(Arc::clone(&found.schema));
        }
        match (self.fetch(subject).await, known.get_mut(subject)) {
            (Ok(schema), _) => {
                if known.len() >= MAX_SUBJECTS && !known.contains_key(subject) {
                    known.pop_first();
                }
                known.insert(subject.to_owned(), Known { schema: Arc::clone(&schema), since: now });
                Ok(schema)
            }
            // Records that were written with the schema until now can go on so while the registry is away.
            (Err(error), Some(found)) if matches!(classify(&error, subject), Outcome::Retry { .. }) => {
                tracing::warn!(subject, error = error.error, "schema registry can't be asked; its last schema is used");
                found.since = now;
                Ok(Arc::clone(&found.schema))
            }
            (Err(error), _) => Err(classify(&error, subject)),
        }
    }

    async fn fetch(&self, subject: &str) -> Result<Arc<AvroSchema>, SRCError> {
        let strategy = SubjectNameStrategy::RecordNameStrategy(subject.to_owned());
        let registered = get_schema_by_subject(&self.settings, &strategy).await?;
        get_avro_schema(&self.settings, registered).await
    }
}

/// What the registry's answer means where it is no schema. Its text stays out of it.
fn classify(error: &SRCError, subject: &str) -> Outcome {
    // The library tells the status in its message alone.
    let status = error.error.split_once("failed with status ").and_then(|(_, rest)| rest.get(..3)?.parse::<u16>().ok());
    let Some(status) = status else {
        let is_timeout = std::error::Error::source(error)
            .and_then(|source| source.downcast_ref::<reqwest::Error>())
            .is_some_and(reqwest::Error::is_timeout);
        return match error.retriable {
            true if is_timeout => Outcome::retry(code::TIMEOUT, "no answer from the schema registry in time", None),
            true => Outcome::retry(code::CONNECTION, "no connection to the schema registry", None),
            false => {
                let message = format!("the latest schema of subject `{subject}` can't be used: {}", error.error);
                Outcome::reject(code::CONFIGURATION, message)
            }
        };
    };
    let message = format!("the schema registry answered {status} to the question for subject `{subject}`");
    match classify_status(status) {
        _ if status == 404 => Outcome::reject(code::CONFIGURATION, format!("{message}; register its schema")),
        Verdict::Retry { code } => Outcome::retry(code, message, None),
        Verdict::Reject { code: code::CREDENTIALS } => Outcome::reject(code::CREDENTIALS, message),
        Verdict::Reject { .. } | Verdict::Delivered => Outcome::reject(code::CONFIGURATION, message),
    }
}

/// A JSON value in Confluent's wire format: a zero byte, the schema's id, and the value as Avro. Pure.
///
/// # Errors
/// What does not fit, without a part of the value.
fn encode(id: u32, schema: &Schema, json: &str) -> Result<Vec<u8>, String> {
    check_depth(json.as_bytes()).map_err(|error| error.to_string())?;
    let json: serde_json::Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let value = Avro::try_from(json).map_err(|_| "a number is too large".to_owned())?;
    let resolved = ResolvedSchema::new(schema).map_err(|_| "the schema has an unknown name".to_owned())?;
    let Ok(fitting) = value.clone().resolve_with_names(schema, resolved.get_names()) else {
        return Err(misfit(schema, value, &resolved));
    };
    let writer = GenericDatumWriter::builder(schema).build();
    let datum = writer.and_then(|writer| writer.write_value_to_vec(fitting));
    let datum = datum.map_err(|_| "the schema does not take it".to_owned())?;
    let mut bytes = Vec::with_capacity(1 + size_of::<u32>() + datum.len());
    bytes.push(MAGIC);
    bytes.extend(id.to_be_bytes());
    bytes.extend(datum);
    Ok(bytes)
}

/// Names the field of a record that does not fit.
fn misfit(schema: &Schema, value: Avro, names: &ResolvedSchema<'_>) -> String {
    let (Schema::Record(record), Avro::Map(mut values)) = (schema, value) else {
        return "it is of another type than the schema's".to_owned();
    };
    for field in &record.fields {
        let fits = match values.remove(&field.name) {
            None if field.default.is_none() => return format!("it lacks the field `{}`", field.name),
            None => true,
            Some(value) => value.resolve_with_names(&field.schema, names.get_names()).is_ok(),
        };
        if !fits {
            return format!("its field `{}` is of another type", field.name);
        }
    }
    "one of its fields is of another type".to_owned()
}

#[cfg(test)]
mod tests;
