//! The AWS providers against moto and ElasticMQ: what arrived there is read back with AWS's own clients.

mod account;
mod answers;
mod elasticmq;
mod email;
mod eventbridge;
mod lambda;
mod s3;
mod sns;
mod sqs;

use crate::bed::{Bed, PATIENCE, ids};
use acteon_connectors::{Connectors, ProviderConfig, ProviderSettings};
use acteon_testkit::clock;
use acteon_testkit::http::Receiver;
use acteon_testkit::moto::Moto;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use rdkafka::producer::Producer as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

/// The account that moto has.
const ACCOUNT: &str = "123456789012";
/// Longest wait of one look for messages.
const LOOK_SECONDS: i32 = 1;

/// Runs a future to its end.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What a client for a stand-in at `url` is made from.
fn sdk(url: &str) -> SdkConfig {
    run(aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .load())
}

/// A provider with these keys beside those of the stand-in at `url`.
fn provider(name: &str, type_name: &str, url: &str, keys: &Value) -> ProviderConfig {
    let mut all = json!({
        "aws_endpoint_url": url, "aws_access_key_id": "test", "aws_secret_access_key": "test"
    });
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    ProviderConfig::new(name, ProviderSettings::parse(type_name, all).unwrap().unwrap())
}

/// Starts one provider on a bed of its own.
fn start(type_name: &str, url: &str, keys: &Value) -> (Bed, Connectors) {
    let bed = Bed::new(&["p"]);
    let connectors = bed.start(vec![provider("p", type_name, url, keys)]);
    (bed, connectors)
}

/// Puts in a dispatch to the provider `p`.
fn dispatch(bed: &Bed, id: &str, action_type: &str, payload: &Value) {
    let mut dispatch = crate::bed::dispatch("p", id, 0);
    dispatch["action_type"] = json!(action_type);
    dispatch["payload"] = payload.clone();
    let producer = bed.producer(None);
    bed.put(&producer, "p", &dispatch.to_string(), "shop:acme");
    producer.flush(PATIENCE).unwrap();
}

/// Waits for `count` results: the body of each delivered one, or the error, by dispatch.
fn results(bed: &Bed, count: usize) -> BTreeMap<String, Value> {
    let body = |result: Value| match result["result"].get("delivered") {
        Some(delivered) => delivered["body"].clone(),
        None => result["result"]["failed"].clone(),
    };
    bed.results(count).iter().map(|read| (read.dispatch_id(), body(read.json()))).collect()
}

/// A queue, and what is in it.
struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    /// Makes a queue; a FIFO one where the name says so.
    fn create(url: &str, name: &str, attributes: &[(QueueAttributeName, &str)]) -> Self {
        let client = aws_sdk_sqs::Client::new(&sdk(url));
        let mut request = client.create_queue().queue_name(name);
        if name.ends_with(".fifo") {
            request = request.attributes(QueueAttributeName::FifoQueue, "true");
        }
        for (name, value) in attributes {
            request = request.attributes(name.clone(), *value);
        }
        let url = run(request.send()).unwrap().queue_url.unwrap();
        Self { client, url }
    }

    fn arn(&self) -> String {
        let name = self.url.rsplit('/').next().unwrap();
        format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{name}")
    }

    /// Takes what is there at one look.
    fn look(&self) -> Vec<Message> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(LOOK_SECONDS)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        run(request.send()).unwrap().messages.unwrap_or_default()
    }

    /// Takes and deletes messages until there are `count` and a look longer.
    fn take(&self, count: usize) -> Vec<Message> {
        let deadline = clock::now() + PATIENCE;
        let mut taken = Vec::new();
        loop {
            let messages = self.look();
            if messages.is_empty() && taken.len() >= count {
                return taken;
            }
            assert!(clock::now() < deadline, "{} of {count} messages: {taken:?}", taken.len());
            for message in &messages {
                self.delete(message);
            }
            taken.extend(messages);
        }
    }

    fn delete(&self, message: &Message) {
        let receipt = message.receipt_handle.as_ref().unwrap();
        run(self.client.delete_message().queue_url(&self.url).receipt_handle(receipt).send()).unwrap();
    }
}

/// A message's attribute.
fn attribute<'m>(message: &'m Message, name: &str) -> &'m str {
    message.message_attributes().unwrap()[name].string_value().unwrap()
}

/// A message's body as JSON.
fn body(message: &Message) -> Value {
    serde_json::from_str(message.body().unwrap()).unwrap()
}

/// The moto of this process.
fn moto() -> &'static Moto {
    Moto::shared().unwrap()
}

/// Time to let something happen that shall not.
const PAUSE: Duration = Duration::from_millis(500);
/// Attempts to have several dispatches in one request: a batch waits but a moment for more, and a machine may be busy.
const ROUNDS: usize = 20;

/// Puts in three dispatches at a time until they are one request: of the second one the first attempt fails, and is made
/// again alone. `sent` tells which dispatches a request carries, `check` looks at the results. Returns the repetitions.
fn repeated_alone(
    (bed, server): (&Bed, &Receiver),
    sent: impl Fn(&Value) -> Vec<String>,
    check: impl Fn(&[String], &BTreeMap<String, Value>),
) -> Vec<Value> {
    let mut repetitions = Vec::new();
    for round in 0..ROUNDS {
        let (ids, before) = (ids(&format!("d{round}"), 3), server.count());
        bed.dispatch_all("p", ids.clone());
        check(&ids, &results(bed, 3 * (round + 1)));
        std::thread::sleep(PAUSE);
        let requests: Vec<Value> = server.requests()[before..].iter().map(|request| request.json().unwrap()).collect();
        let carried: Vec<Vec<String>> = requests.iter().map(&sent).collect();
        let times = |id: &String| carried.iter().flatten().filter(|other| *other == id).count();
        assert_eq!([times(&ids[0]), times(&ids[1]), times(&ids[2])], [1, 2, 1], "{requests:?}");
        let last = carried.iter().rposition(|request| request.contains(&ids[1])).unwrap();
        assert_eq!(carried[last], [ids[1].clone()], "only what may work another time comes again");
        repetitions.push(requests[last].clone());
        if carried[0].len() == 3 {
            return repetitions;
        }
    }
    panic!("three dispatches at a time are one request");
}
