use super::account::aws_settings;
use super::arn::Arn;
use super::mark::{attributes, fifo_id, group_id};
use super::{Connection, Failure, Service};
use crate::error::Error;
use crate::provider::payload::{Invalid, Keys};
use crate::provider::{Call, Outcome, Provider, Tools};
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use futures::future::BoxFuture;
use serde_json::json;
use std::collections::BTreeMap;

const SERVICE: Service = Service { name: "SNS", target_key: "topic_arn" };
/// End of the name of a topic that keeps order and drops duplicates.
const FIFO_SUFFIX: &str = ".fifo";

aws_settings! {
    /// Publishes to a topic of Amazon SNS.
    ///
    /// A payload with `message` says what to publish: `message`, `subject`, `topic_arn`, `message_group_id`,
    /// `message_dedup_id`, `message_attributes`. Any other payload is the message, as JSON. The dispatch's id goes with
    /// it as the attribute `acteon-dispatch-id`, and is the deduplication id of a FIFO topic.
    pub struct SnsSettings {
        /// The topic: `arn:aws:sns:REGION:ACCOUNT:NAME`.
        pub topic_arn: String,
    }
}

impl SnsSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.region(name).map(drop)
    }

    fn region(&self, name: &str) -> Result<String, Error> {
        let arn = Arn::parse(&self.topic_arn, "sns").map_err(|problem| Error::provider(name, "topic_arn", problem))?;
        self.account().check(name, "topic_arn", Some(arn.region))
    }
}

/// Publishes each dispatch by itself.
pub(crate) struct Sns {
    topic_arn: String,
    connection: Connection<Client>,
}

impl Sns {
    pub(crate) fn new(name: &str, settings: &SnsSettings, _tools: &Tools) -> Result<Self, Error> {
        let connection = Connection::new(settings.account(), settings.region(name)?, Client::new);
        Ok(Self { topic_arn: settings.topic_arn.clone(), connection })
    }

    async fn publish(&self, message: Message) -> Outcome {
        let client = self.connection.client().await;
        let value = |text: &String| MessageAttributeValue::builder().data_type("String").string_value(text).build();
        let attributes: Result<_, _> =
            message.attributes.iter().map(|(name, text)| Ok((name.clone(), value(text)?))).collect();
        let attributes = match attributes {
            Ok(attributes) => attributes,
            Err(error) => {
                let error: aws_sdk_sns::error::BuildError = error;
                return Failure::Unsendable(error.to_string()).outcome(SERVICE);
            }
        };
        let published = client
            .publish()
            .topic_arn(&message.topic_arn)
            .message(&message.text)
            .set_subject(message.subject)
            .set_message_group_id(message.group_id)
            .set_message_deduplication_id(message.dedup_id)
            .set_message_attributes(Some(attributes))
            .send();
        let answer = Box::pin(published).await;
        let answer = answer.map(|published| published.message_id.unwrap_or_default()).map_err(Failure::of);
        classify(&message.topic_arn, answer)
    }
}

impl Provider for Sns {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match message(call, &self.topic_arn) {
                Ok(message) => self.publish(message).await,
                Err(invalid) => invalid.outcome(),
            }
        })
    }
}

/// What is published.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    topic_arn: String,
    text: String,
    subject: Option<String>,
    group_id: Option<String>,
    dedup_id: Option<String>,
    attributes: BTreeMap<String, String>,
}

/// The message of a dispatch.
fn message(call: Call<'_>, configured: &str) -> Result<Message, Invalid> {
    let payload = &call.dispatch.payload;
    let mut message = Message {
        topic_arn: configured.to_owned(),
        text: payload.get().to_owned(),
        subject: None,
        group_id: None,
        dedup_id: None,
        attributes: BTreeMap::new(),
    };
    if let Some(keys) = Keys::of(payload)
        && let Some(text) = keys.text("message")?
    {
        message.text = text;
        message.subject = keys.text("subject")?;
        message.group_id = keys.text("message_group_id")?;
        message.dedup_id = keys.text("message_dedup_id")?;
        message.attributes = keys.map("message_attributes")?.unwrap_or_default();
        if let Some(topic) = keys.text("topic_arn")? {
            Arn::parse(&topic, "sns").map_err(|problem| Invalid::new("topic_arn", problem))?;
            message.topic_arn = topic;
        }
    }
    if message.topic_arn.ends_with(FIFO_SUFFIX) {
        message.group_id.get_or_insert_with(|| group_id(call.dispatch));
        message.dedup_id.get_or_insert_with(|| fifo_id(&call.dispatch.dispatch_id));
    }
    message.attributes = attributes(call, message.attributes);
    Ok(message)
}

/// Says what an answer means: the message's id, or a failure.
fn classify(topic_arn: &str, answer: Result<String, Failure>) -> Outcome {
    match answer {
        Ok(id) => Outcome::delivered(&json!({"message_id": id, "topic_arn": topic_arn, "status": "published"})),
        Err(failure) => failure.outcome(SERVICE),
    }
}

#[cfg(test)]
mod tests;
