use super::account::{aws_settings, check_url};
use super::batch::Batcher;
use super::mark::{attributes, fifo_id, group_id};
use super::{Connection, Failure, Service};
use crate::error::Error;
use crate::provider::payload::{Invalid, Keys};
use crate::provider::{Call, Outcome, Provider, Tools};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use futures::future::BoxFuture;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

const SERVICE: Service = Service { name: "SQS", target_key: "queue_url" };
/// End of the name of a queue that keeps order and drops duplicates.
const FIFO_SUFFIX: &str = ".fifo";
/// Longest delay of a message, in seconds.
const MAX_DELAY_SECONDS: i32 = 900;

aws_settings! {
    /// Sends messages to a queue of Amazon SQS, up to ten in one request.
    ///
    /// A payload with `message_body` says what to send: `message_body`, `delay_seconds`, `message_group_id`,
    /// `message_dedup_id`, `message_attributes`. Any other payload is the body, as JSON. The dispatch's id goes with it
    /// as the attribute `acteon-dispatch-id`, and is the deduplication id in a FIFO queue.
    pub struct SqsSettings {
        /// The queue's URL, as AWS shows it; with `${NAME}` in it as in `aws_endpoint_url`.
        #[serde(deserialize_with = "crate::secret::text")]
        pub queue_url: String,
    }
}

impl SqsSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.region(name).map(drop)
    }

    fn region(&self, name: &str) -> Result<String, Error> {
        let url = check_url(name, "queue_url", &self.queue_url)?;
        if url.path().trim_matches('/').is_empty() {
            let problem = "names no queue; it looks like https://sqs.REGION.amazonaws.com/ACCOUNT/NAME";
            return Err(Error::provider(name, "queue_url", problem));
        }
        self.account().check(name, "queue_url", region_of(&url))
    }
}

/// The region in a queue's URL, if AWS made it.
fn region_of(url: &Url) -> Option<&str> {
    let host = url.host_str()?;
    let rest = host.strip_prefix("sqs.")?;
    rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))
}

/// Sends dispatches that come at about the same time in one request.
pub(crate) struct Sqs {
    queue_url: String,
    batcher: Batcher<Message>,
}

impl Sqs {
    pub(crate) fn new(name: &str, settings: &SqsSettings, _tools: &Tools) -> Result<Self, Error> {
        let connection = Arc::new(Connection::new(settings.account(), settings.region(name)?, Client::new));
        let queue: Arc<str> = settings.queue_url.as_str().into();
        let batcher = Batcher::new(move |messages: Vec<Message>| {
            let (connection, queue) = (Arc::clone(&connection), Arc::clone(&queue));
            Box::pin(async move { send(connection.client().await, &queue, messages).await })
        });
        Ok(Self { queue_url: settings.queue_url.clone(), batcher })
    }
}

impl Provider for Sqs {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match message(call, self.queue_url.ends_with(FIFO_SUFFIX)) {
                Ok(message) => {
                    let bytes = message.bytes();
                    self.batcher.send(message, bytes).await
                }
                Err(invalid) => invalid.outcome(),
            }
        })
    }
}

async fn send(client: &Client, queue: &str, messages: Vec<Message>) -> Result<Vec<Outcome>, Outcome> {
    let count = messages.len();
    let entries: Result<Vec<_>, BuildError> =
        messages.into_iter().enumerate().map(|(index, message)| message.entry(index)).collect();
    let entries = entries.map_err(|error| Failure::Unsendable(error.to_string()).outcome(SERVICE))?;
    let sent = client.send_message_batch().queue_url(queue).set_entries(Some(entries)).send();
    let answer = Box::pin(sent).await.map_err(|error| Failure::of(error).outcome(SERVICE))?;
    Ok(answers(&answer, count).into_iter().map(|answer| classify(queue, answer)).collect())
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    body: String,
    delay_seconds: Option<i32>,
    group_id: Option<String>,
    dedup_id: Option<String>,
    attributes: BTreeMap<String, String>,
}

impl Message {
    /// Its length as SQS counts it.
    fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len());
        self.body.len() + attributes.sum::<usize>()
    }

    /// Its entry in a request, whose id is its number there.
    fn entry(self, index: usize) -> Result<SendMessageBatchRequestEntry, BuildError> {
        let value = |text: String| MessageAttributeValue::builder().data_type("String").string_value(text).build();
        let attributes: Result<_, BuildError> =
            self.attributes.into_iter().map(|(name, text)| Ok((name, value(text)?))).collect();
        SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(self.body)
            .set_delay_seconds(self.delay_seconds)
            .set_message_group_id(self.group_id)
            .set_message_deduplication_id(self.dedup_id)
            .set_message_attributes(Some(attributes?))
            .build()
    }
}

/// The message of a dispatch.
fn message(call: Call<'_>, is_fifo: bool) -> Result<Message, Invalid> {
    let payload = &call.dispatch.payload;
    let mut message = Message {
        body: payload.get().to_owned(),
        delay_seconds: None,
        group_id: None,
        dedup_id: None,
        attributes: BTreeMap::new(),
    };
    if let Some(keys) = Keys::of(payload)
        && let Some(body) = keys.text("message_body")?
    {
        message.body = body;
        message.delay_seconds = keys.integer("delay_seconds", 0..=MAX_DELAY_SECONDS)?;
        message.group_id = keys.text("message_group_id")?;
        message.dedup_id = keys.text("message_dedup_id")?;
        message.attributes = keys.map("message_attributes")?.unwrap_or_default();
        if is_fifo && message.delay_seconds.is_some() {
            return Err(Invalid::new(
                "delay_seconds",
                "has no place in a FIFO queue, which delays all messages or none",
            ));
        }
    }
    if is_fifo {
        message.group_id.get_or_insert_with(|| group_id(call.dispatch));
        message.dedup_id.get_or_insert_with(|| fifo_id(&call.dispatch.dispatch_id));
    }
    message.attributes = attributes(call, message.attributes);
    Ok(message)
}

/// What a request's answer says of each of its entries.
fn answers(answer: &SendMessageBatchOutput, count: usize) -> Vec<Result<String, Failure>> {
    let unsaid = || Err(Failure::Unreadable { status: 200, retry_after: None });
    let mut answers: Vec<_> = std::iter::repeat_with(unsaid).take(count).collect();
    let mut put = |id: &str, of_entry| {
        if let Some(slot) = id.parse().ok().and_then(|index: usize| answers.get_mut(index)) {
            *slot = of_entry;
        }
    };
    for sent in answer.successful() {
        put(sent.id(), Ok(sent.message_id().to_owned()));
    }
    for failed in answer.failed() {
        let failure = Failure::Refused {
            status: if failed.sender_fault() { 400 } else { 500 },
            code: failed.code().to_owned(),
            message: failed.message().unwrap_or_default().to_owned(),
            retry_after: None,
        };
        put(failed.id(), Err(failure));
    }
    answers
}

/// Says what an entry's answer means: the message's id, or a failure.
fn classify(queue_url: &str, answer: Result<String, Failure>) -> Outcome {
    match answer {
        Ok(id) => Outcome::delivered(&json!({"message_id": id, "queue_url": queue_url, "status": "sent"})),
        Err(failure) => failure.outcome(SERVICE),
    }
}

#[cfg(test)]
mod tests;
