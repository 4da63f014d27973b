use super::account::aws_settings;
use super::arn::Arn;
use super::batch::Batcher;
use super::{Connection, Failure, Service};
use crate::error::Error;
use crate::provider::payload::{Invalid, Keys};
use crate::provider::{Call, Outcome, Provider, Tools};
use acteon_schemas::Dispatch;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use futures::future::BoxFuture;
use serde_json::json;
use std::sync::Arc;

const SERVICE: Service = Service { name: "EventBridge", target_key: "event_bus_name" };
/// The bus that every account has.
const DEFAULT_BUS: &str = "default";
/// Source of an event whose payload names none.
const DEFAULT_SOURCE: &str = "acteon";
/// Begins the entry of an event's `resources` that names the dispatch.
const DISPATCH_URN: &str = "urn:acteon:dispatch:";
/// Bytes that EventBridge counts for an event's time, which it sets itself here.
const TIME_BYTES: usize = 14;
/// Longest name of a bus.
const MAX_BUS_BYTES: usize = 256;

aws_settings! {
    /// Puts events on a bus of Amazon EventBridge, up to ten in one request.
    ///
    /// A payload with `detail` says what to put: `detail`, `detail_type`, `source`, `resources`, `event_bus_name`. Any
    /// other payload is the detail. EventBridge drops no duplicates; so that receivers can, the last one of the event's
    /// `resources` is `urn:acteon:dispatch:` and the dispatch's id.
    pub struct EventBridgeSettings {
        /// The bus's name or ARN; `default` if there is none.
        pub event_bus_name: Option<String>,
        /// Source of events whose payload names none; `acteon` if there is none here either.
        pub source: Option<String>,
        /// Type of the detail of events whose payload names none; the action's type if there is none here either.
        pub detail_type: Option<String>,
    }
}

impl EventBridgeSettings {
    /// Checks the settings of the provider `name`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub fn validate(&self, name: &str) -> Result<(), Error> {
        self.region(name).map(drop)
    }

    fn region(&self, name: &str) -> Result<String, Error> {
        let bus = self.bus();
        check_bus(bus).map_err(|problem| Error::provider(name, "event_bus_name", problem))?;
        for (key, value) in [("source", &self.source), ("detail_type", &self.detail_type)] {
            if value.as_ref().is_some_and(String::is_empty) {
                return Err(Error::provider(name, key, "is empty; leave it out or give it a value"));
            }
        }
        self.account().check(name, "event_bus_name", Arn::parse(bus, "events").ok().map(|arn| arn.region))
    }

    fn bus(&self) -> &str {
        self.event_bus_name.as_deref().unwrap_or(DEFAULT_BUS)
    }
}

fn check_bus(text: &str) -> Result<(), String> {
    if text.starts_with("arn:") {
        return match Arn::parse(text, "events")?.resource.strip_prefix("event-bus/") {
            Some(_) => Ok(()),
            None => Err("is not a bus's ARN: it lacks `event-bus/`".to_owned()),
        };
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    if text.is_empty() || text.len() > MAX_BUS_BYTES || !text.bytes().all(allowed) {
        let problem = "letters, digits and characters of ._-/, or its ARN";
        return Err(format!("must be a bus's name, of at most {MAX_BUS_BYTES} {problem}"));
    }
    Ok(())
}

/// Puts dispatches that come at about the same time in one request.
pub(crate) struct EventBridge {
    settings: EventBridgeSettings,
    batcher: Batcher<Event>,
}

impl EventBridge {
    pub(crate) fn new(name: &str, settings: &EventBridgeSettings, _tools: &Tools) -> Result<Self, Error> {
        let connection = Arc::new(Connection::new(settings.account(), settings.region(name)?, Client::new));
        let batcher = Batcher::new(move |events: Vec<Event>| {
            let connection = Arc::clone(&connection);
            Box::pin(async move { put(connection.client().await, events).await })
        });
        Ok(Self { settings: settings.clone(), batcher })
    }
}

impl Provider for EventBridge {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match event(call.dispatch, &self.settings) {
                Ok(event) => {
                    let bytes = event.bytes();
                    self.batcher.send(event, bytes).await
                }
                Err(invalid) => invalid.outcome(),
            }
        })
    }
}

async fn put(client: &Client, events: Vec<Event>) -> Result<Vec<Outcome>, Outcome> {
    let buses: Vec<String> = events.iter().map(|event| event.bus.clone()).collect();
    let entries = events.into_iter().map(Event::entry).collect();
    let put = client.put_events().set_entries(Some(entries)).send();
    let answer = Box::pin(put).await.map_err(|error| Failure::of(error).outcome(SERVICE))?;
    let answers = answer.entries().iter().map(read);
    // Entries are answered in their order; one that is not answered is repeated.
    let answers = answers.chain(std::iter::repeat_with(|| Err(Failure::Unreadable { status: 200, retry_after: None })));
    Ok(buses.iter().zip(answers).map(|(bus, answer)| classify(bus, answer)).collect())
}

/// What is put on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    bus: String,
    source: String,
    detail_type: String,
    /// A JSON object.
    detail: String,
    resources: Vec<String>,
}

impl Event {
    /// Its length as EventBridge counts it.
    fn bytes(&self) -> usize {
        let resources: usize = self.resources.iter().map(String::len).sum();
        TIME_BYTES + self.source.len() + self.detail_type.len() + self.detail.len() + resources
    }

    fn entry(self) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(self.bus)
            .source(self.source)
            .detail_type(self.detail_type)
            .detail(self.detail)
            .set_resources(Some(self.resources))
            .build()
    }
}

/// The event of a dispatch.
fn event(dispatch: &Dispatch<'_>, settings: &EventBridgeSettings) -> Result<Event, Invalid> {
    let payload = dispatch.payload.get();
    let mut event = Event {
        bus: settings.bus().to_owned(),
        source: settings.source.as_deref().unwrap_or(DEFAULT_SOURCE).to_owned(),
        detail_type: settings.detail_type.as_deref().unwrap_or(&dispatch.action_type).to_owned(),
        // A detail is an object.
        detail: if payload.starts_with('{') { payload.to_owned() } else { format!(r#"{{"payload":{payload}}}"#) },
        resources: Vec::new(),
    };
    if let Some(keys) = Keys::of(&dispatch.payload)
        && let Some(detail) = keys.raw("detail")
    {
        if !detail.get().starts_with('{') {
            return Err(Invalid::new("detail", "must be an object"));
        }
        event.detail = detail.get().to_owned();
        event.resources = keys.list("resources")?;
        for (key, place) in [("source", &mut event.source), ("detail_type", &mut event.detail_type)] {
            if let Some(text) = keys.text(key)? {
                *place = text;
            }
        }
        if let Some(bus) = keys.text("event_bus_name")? {
            check_bus(&bus).map_err(|problem| Invalid::new("event_bus_name", problem))?;
            event.bus = bus;
        }
    }
    event.resources.push(format!("{DISPATCH_URN}{}", dispatch.dispatch_id));
    Ok(event)
}

/// What the answer says of one entry: the event's id, or a failure.
fn read(entry: &PutEventsResultEntry) -> Result<String, Failure> {
    match (entry.event_id(), entry.error_code()) {
        (Some(id), None) => Ok(id.to_owned()),
        (_, Some(code)) => Err(Failure::Refused {
            // Entries have no status. What is not known as the service's own failure is the entry's.
            status: 400,
            code: code.to_owned(),
            message: entry.error_message().unwrap_or_default().to_owned(),
            retry_after: None,
        }),
        (None, None) => Err(Failure::Unreadable { status: 200, retry_after: None }),
    }
}

/// Says what an entry's answer means.
fn classify(bus: &str, answer: Result<String, Failure>) -> Outcome {
    match answer {
        Ok(id) => Outcome::delivered(&json!({"event_id": id, "event_bus": bus, "status": "published"})),
        Err(failure) => failure.outcome(SERVICE),
    }
}

#[cfg(test)]
mod tests;
