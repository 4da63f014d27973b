//! The thread that reads the end of the log for all streams, while there are any.

use super::LogError;
use super::hub::Hub;
use super::position::{Place, Position};
use crate::clock;
use crate::log::{Found, LogReader};
use acteon_topology::KafkaConfig;
use rdkafka::message::Message as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Longest that one looks for a record before looking whether to stop.
const POLL: Duration = Duration::from_millis(100);
/// How long the log is read on when the last stream has ended: the next may come soon.
const LINGER: Duration = Duration::from_secs(30);

/// How the reading of the log is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    /// Nobody asks for it.
    Rests,
    Starts,
    Goes,
    /// The last try failed.
    Failed(String),
    /// The gateway stops.
    Over,
}

/// What reads the log for all streams.
pub(super) struct Lead {
    pub(super) kafka: KafkaConfig,
    pub(super) topic: String,
    hub: Arc<Hub>,
    reading: watch::Sender<Reading>,
    leases: AtomicUsize,
    over: AtomicBool,
}

/// While there is one, the log is read on.
pub(super) struct Lease(Arc<Lead>);

impl Lease {
    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    /// Whether the gateway stops.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_over()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.leases.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Lead {
    pub(super) fn new(kafka: &KafkaConfig, topic: &str) -> Self {
        Self {
            kafka: kafka.clone(),
            topic: topic.to_owned(),
            hub: Arc::default(),
            reading: watch::Sender::new(Reading::Rests),
            leases: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends all streams for good.
    pub(super) fn close(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.reading.send_replace(Reading::Over);
        self.hub.end();
    }

    /// Sees to it that the log is read, and waits until it is.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, String> {
        self.leases.fetch_add(1, Ordering::SeqCst);
        let lease = Lease(Arc::clone(self));
        let mut reading = self.reading.subscribe();
        let begins = self.reading.send_if_modified(|reading| {
            let begins = matches!(reading, Reading::Rests | Reading::Failed(_));
            if begins {
                *reading = Reading::Starts;
            }
            begins
        });
        if begins {
            let lead = Arc::clone(self);
            let thread = std::thread::Builder::new().name("stream".to_owned()).spawn(move || lead.run());
            if let Err(error) = thread {
                self.reading.send_replace(Reading::Failed(format!("no thread: {error}")));
            }
        }
        let settled = reading.wait_for(|reading| !matches!(reading, Reading::Starts | Reading::Rests)).await;
        match settled.as_deref() {
            Ok(Reading::Goes) => Ok(lease),
            Ok(Reading::Failed(reason)) => Err(reason.clone()),
            _ => Err("the gateway stops".to_owned()),
        }
    }

    fn run(&self) {
        let ended = self.read();
        self.hub.end();
        self.reading.send_if_modified(|reading| {
            let goes_on = *reading != Reading::Over;
            if let (true, Err(error)) = (goes_on, &ended) {
                tracing::warn!(%error, "streams can't follow the log at the moment: they end");
                *reading = Reading::Failed(error.to_string());
            }
            goes_on
        });
    }

    /// Reads until nobody has asked for it for a while.
    fn read(&self) -> Result<(), LogError> {
        let reader = LogReader::open(&self.kafka, &self.topic, &[])?;
        let mut places = Vec::new();
        for partition in 0..reader.partitions() {
            places.push(Place::at(reader.ends(partition)?.1));
        }
        reader.assign(&(0..).zip(places.iter().map(|place| place.next)).collect())?;
        self.hub.begin(Position::new(places));
        self.reading.send_if_modified(|reading| {
            let goes = *reading == Reading::Starts;
            if goes {
                *reading = Reading::Goes;
            }
            goes
        });
        let mut needed = clock::now();
        while !self.is_over() {
            if let Found::Record(record) = reader.next(POLL)? {
                let (partition, offset) = (record.partition(), record.offset());
                let place = self.hub.place(partition).map(|(place, _)| place.next);
                if let Some(next) = place.filter(|next| offset < *next) {
                    return Err(reader.went_back(partition, next, offset).into());
                }
                self.hub.take(partition, offset, record.payload().unwrap_or_default());
            }
            let now = clock::now();
            if self.leases.load(Ordering::SeqCst) > 0 {
                needed = now;
            } else if now.duration_since(needed) > LINGER && self.rest() {
                return Ok(());
            }
        }
        Err(LogError::Closed)
    }

    /// Stops reading if still nobody asks for it: who comes from now on starts it anew.
    fn rest(&self) -> bool {
        self.reading.send_if_modified(|reading| {
            let rests = self.leases.load(Ordering::SeqCst) == 0 && *reading == Reading::Goes;
            if rests {
                *reading = Reading::Rests;
                // Under the same lock: who starts it anew must not find this one's end.
                self.hub.end();
            }
            rests
        })
    }
}
