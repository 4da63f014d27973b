//! The connectors: they perform what the processor has decided.
//!
//! Each provider has a topic of dispatches, a consumer group and a thread of its own, so that a slow one holds up no
//! other. A dispatch is taken, the provider is called until it has taken it or there is no point in going on, the
//! result goes to the results topic, and when Kafka has acknowledged that, the dispatch's offset counts as complete.
//! Offsets are committed up to the last one before which all are complete: a dispatch may be called for twice, with the
//! same idempotency key, and is never skipped.
//!
//! What can be decided without I/O is pure and takes time and randomness as arguments: the waits between calls, what an
//! answer means, which offset may be committed, which partitions are read, whose turn it is.

mod attachment;
mod backoff;
mod circuit;
mod clock;
mod config;
mod connectors;
mod consumer;
mod deliver;
mod egress;
mod error;
mod health;
mod kafka;
mod lanes;
mod load;
mod metrics;
mod offsets;
mod partitions;
mod profile;
mod provider;
mod rate;
mod record;
mod replaceable;
mod secret;
mod template;
#[cfg(test)]
mod testing;
mod worker;
mod writer;

pub use attachment::{MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS};
pub use config::{
    ConnectorsConfig, DeliveryLimits, MAX_HEALTH_INTERVAL, MAX_LIMIT, MAX_LONG_RETRIES, MAX_LONG_RETRY_WAIT,
    MAX_PROVIDERS, MAX_RETRIES, MAX_TIMEOUT, ProviderConfig,
};
pub use connectors::{ConnectorHealth, Connectors};
pub use egress::EgressPolicy;
pub use error::Error;
pub use metrics::describe_metrics;
pub use profile::{MAX_TEMPLATES, ProfileDefinition, TemplateDefinition, TemplateLibrary};
pub use provider::ProviderSettings;
#[cfg(feature = "aws")]
pub use provider::aws::{EventBridgeSettings, InvocationType, LambdaSettings, S3Settings, SnsSettings, SqsSettings};
pub use provider::azure_eventhubs::AzureEventHubsSettings;
pub use provider::discord::DiscordSettings;
pub use provider::email::{EmailBackend, EmailSettings, SmtpTls};
pub use provider::exec::{ExecSettings, MAX_OUTPUT_BYTES};
pub use provider::gcp_pubsub::GcpPubsubSettings;
pub use provider::http::{HttpSettings, MAX_RESPONSE_BYTES};
pub use provider::kafka::{KafkaFormat, KafkaProperties, KafkaSettings};
pub use provider::log::LogSettings;
pub use provider::opsgenie::{OpsgenieApi, OpsgenieRegion, OpsgenieSettings};
pub use provider::pagerduty::PagerDutySettings;
pub use provider::slack::SlackSettings;
pub use provider::teams::{TeamsFormat, TeamsSettings};
pub use provider::telegram::{TelegramBot, TelegramSettings};
pub use provider::twilio::TwilioSettings;
pub use provider::webhook::{ExpectedJson, HmacEncoding, HmacSettings, WebhookSettings};
pub use secret::{AUTH_KEY_VARIABLE, REDACTED, Secret, encrypt};
