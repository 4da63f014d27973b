//! The types of providers: one line each, and nothing else to write outside a type's own file.

use super::{Provider, Tools};
use crate::error::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::sync::Arc;

/// Makes [`ProviderSettings`] from lines of `Variant = "type", module::{Settings, Provider};`. A line that begins with
/// `["feature"]` is there with that feature of the crate only.
macro_rules! types {
    ($($(#[$doc:meta])* $([$feature:literal])? $variant:ident = $name:literal, $module:ident::{$settings:ident, $provider:ident};)+) => {
        /// A type of provider and what it is configured with.
        #[derive(Debug, Clone)]
        // A process has a few of them, each made once.
        #[allow(clippy::large_enum_variant)]
        pub enum ProviderSettings {
            $($(#[$doc])* $(#[cfg(feature = $feature)])? $variant(super::$module::$settings),)+
        }

        impl ProviderSettings {
            /// The names of all types in configuration.
            pub const TYPES: &'static [&'static str] = &[$($(#[cfg(feature = $feature)])? $name),+];

            /// The type's name in configuration.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
                match self {
                    $($(#[cfg(feature = $feature)])? Self::$variant(_) => $name,)+
                }
            }

            /// Reads the keys of a type; `None` where there is no such type. Secrets are resolved.
            ///
            /// # Errors
            /// A key is missing, unknown or of a wrong type, or a secret can't be resolved.
            pub fn parse<'de, D: Deserializer<'de>>(type_name: &str, keys: D) -> Result<Option<Self>, D::Error> {
                match type_name {
                    $(
                        $(#[cfg(feature = $feature)])?
                        $name => super::$module::$settings::deserialize(keys).map(|settings| Some(Self::$variant(settings))),
                    )+
                    _ => Ok(None),
                }
            }

            /// Checks the settings of the provider `name`.
            ///
            /// # Errors
            /// [`Error::Provider`] with the key at fault.
            pub fn validate(&self, name: &str) -> Result<(), Error> {
                match self {
                    $($(#[cfg(feature = $feature)])? Self::$variant(settings) => settings.validate(name),)+
                }
            }

            /// The keys with their values, without secrets and without what is not set.
            #[must_use]
            pub fn shown(&self) -> Value {
                let shown = match self {
                    $($(#[cfg(feature = $feature)])? Self::$variant(settings) => serde_json::to_value(settings),)+
                };
                without_nulls(shown.unwrap_or_default())
            }

            /// Makes the provider `name`.
            ///
            /// # Errors
            /// [`Error::Provider`] with the key at fault.
            pub(crate) fn build(&self, name: &str, tools: &Tools) -> Result<Arc<dyn Provider>, Error> {
                Ok(match self {
                    $($(#[cfg(feature = $feature)])? Self::$variant(settings) => Arc::new(super::$module::$provider::new(name, settings, tools)?),)+
                })
            }
        }
    };
}

types! {
    /// Writes a log line.
    Log = "log", log::{LogSettings, Log};
    /// Sends the action to a URL.
    Webhook = "webhook", webhook::{WebhookSettings, Webhook};
    /// Posts to Slack.
    Slack = "slack", slack::{SlackSettings, Slack};
    /// Posts to Microsoft Teams.
    Teams = "teams", teams::{TeamsSettings, Teams};
    /// Posts to Discord.
    Discord = "discord", discord::{DiscordSettings, Discord};
    /// Sends messages by Telegram.
    Telegram = "telegram", telegram::{TelegramSettings, Telegram};
    /// Sends SMS by Twilio.
    Twilio = "twilio", twilio::{TwilioSettings, Twilio};
    /// Raises alerts of PagerDuty.
    PagerDuty = "pagerduty", pagerduty::{PagerDutySettings, PagerDuty};
    /// Creates alerts of Opsgenie.
    Opsgenie = "opsgenie", opsgenie::{OpsgenieSettings, Opsgenie};
    /// Publishes to a topic.
    ["aws"] AwsSns = "aws-sns", aws::{SnsSettings, Sns};
    /// Sends to a queue.
    ["aws"] AwsSqs = "aws-sqs", aws::{SqsSettings, Sqs};
    /// Invokes a function.
    ["aws"] AwsLambda = "aws-lambda", aws::{LambdaSettings, Lambda};
    /// Puts events on a bus.
    ["aws"] AwsEventBridge = "aws-eventbridge", aws::{EventBridgeSettings, EventBridge};
    /// Puts, gets and deletes objects.
    ["aws"] AwsS3 = "aws-s3", aws::{S3Settings, S3};
    /// Sends email.
    Email = "email", email::{EmailSettings, Email};
    /// Runs a program.
    Exec = "exec", exec::{ExecSettings, Exec};
    /// Writes to a topic.
    Kafka = "kafka", kafka::{KafkaSettings, Kafka};
    /// Sends events to an event hub.
    AzureEventHubs = "azure-eventhubs", azure_eventhubs::{AzureEventHubsSettings, AzureEventHubs};
    /// Publishes to a topic of Google Cloud.
    GcpPubsub = "gcp-pubsub", gcp_pubsub::{GcpPubsubSettings, GcpPubsub};
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(keys) => keys
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_read_by_type_and_shown_without_secrets() {
        let keys = json!({"url": "https://hooks.example.com/T0/hunter2", "headers": {"X-Key": "hunter2"}});
        let settings = ProviderSettings::parse("webhook", keys).unwrap().unwrap();
        assert_eq!(settings.type_name(), "webhook");
        let shown = settings.shown();
        assert!(!format!("{settings:?} {shown}").contains("hunter2"));
        assert_eq!(shown["url"], "https://hooks.example.com/[REDACTED]");
        assert_eq!(shown["headers"]["X-Key"], "[REDACTED]");
        assert_eq!(ProviderSettings::parse("log", json!({})).unwrap().unwrap().shown(), json!({}));
        assert!(ProviderSettings::parse("carrier-pigeon", json!({})).unwrap().is_none());
    }

    #[test]
    fn a_key_of_another_type_is_refused() {
        let error = ProviderSettings::parse("log", json!({"url": "http://x"})).unwrap_err();
        assert!(error.to_string().contains("unknown field `url`"), "{error}");
        let error = ProviderSettings::parse("webhook", json!({})).unwrap_err();
        assert!(error.to_string().contains("missing field `url`"), "{error}");
    }
}
