use super::start::{Odd, begin};
use crate::log::{Found, LogReader, ReadError};
use acteon_topology::KafkaConfig;
use rdkafka::message::Message as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// There is one such reader, and at its start it has much to read: more than others fetch at a time. Later nobody waits for
/// a single record, and a fetch for each commit of each worker took 12 of a single dispatch's 170 CPU-µs.
const PROPERTIES: [(&str, &str); 4] = [
    ("queued.max.messages.kbytes", "16384"),
    ("max.partition.fetch.bytes", "2097152"),
    ("fetch.min.bytes", "131072"),
    ("fetch.wait.max.ms", "50"),
];

/// What a look at the log came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// A record, which was taken.
    Record,
    /// Something else: an end, or that Kafka is away.
    Other,
    /// Nothing within the time.
    Nothing,
}

/// Reads all partitions of a topic, each from where it was left, committed records only.
pub(super) struct Reader {
    log: LogReader,
    topic: String,
    places: BTreeMap<i32, Place>,
    trouble: Option<String>,
}

struct Place {
    /// The next offset that is expected.
    next: i64,
    /// The log's end when the reader began.
    target: i64,
    /// Whether nothing more was there when it was last looked.
    at_end: bool,
    /// Whether `target` is reached.
    reached: bool,
    /// Whether the store has to go back to `next`.
    back: bool,
}

impl Reader {
    /// Asks Kafka for the topic, and starts to read it from `stored`, the offsets that the store has.
    pub(super) fn start(kafka: &KafkaConfig, topic: &str, stored: &BTreeMap<i32, i64>) -> Result<Self, ReadError> {
        let log = LogReader::open(kafka, topic, &PROPERTIES)?;
        let mut places = BTreeMap::new();
        for partition in 0..log.partitions() {
            let (low, high) = log.ends(partition)?;
            let begin = begin(stored.get(&partition).copied(), low, high);
            match begin.odd {
                Some(Odd::Lost) => tracing::warn!(
                    topic,
                    partition,
                    stored = stored.get(&partition),
                    low,
                    "audit records were deleted from the log before this view had read them"
                ),
                Some(Odd::MadeAnew) => tracing::warn!(
                    topic,
                    partition,
                    stored = stored.get(&partition),
                    high,
                    "the audit view is ahead of the log: the topic was made anew, and is read from its beginning"
                ),
                None => {}
            }
            let reached = begin.next >= high;
            let back = begin.odd == Some(Odd::MadeAnew);
            places.insert(partition, Place { next: begin.next, target: high, at_end: reached, reached, back });
        }
        log.assign(&places.iter().map(|(partition, place)| (*partition, place.next)).collect())?;
        Ok(Self { log, topic: topic.to_owned(), places, trouble: None })
    }

    /// Partitions of which the store is ahead, and where they begin.
    pub(super) fn restarted(&self) -> Vec<(i32, i64)> {
        self.places.iter().filter(|(_, place)| place.back).map(|(partition, place)| (*partition, place.next)).collect()
    }

    /// Gives the next record, if one comes in time: partition, offset and value.
    pub(super) fn read(&mut self, timeout: Duration, take: impl FnOnce(i32, i64, &[u8])) -> Result<Read, ReadError> {
        match self.log.next(timeout)? {
            Found::Nothing => Ok(Read::Nothing),
            Found::Record(record) => {
                let (partition, offset) = (record.partition(), record.offset());
                let Some(place) = self.places.get_mut(&partition) else { return Ok(Read::Other) };
                if offset < place.next {
                    return Err(self.log.went_back(partition, place.next, offset));
                }
                place.next = offset + 1;
                place.at_end = false;
                place.reached |= place.next >= place.target;
                self.trouble = None;
                take(partition, offset, record.payload().unwrap_or_default());
                Ok(Read::Record)
            }
            Found::End(partition) => {
                if let Some(place) = self.places.get_mut(&partition) {
                    place.at_end = true;
                    place.reached = true;
                }
                self.trouble = None;
                Ok(Read::Other)
            }
            Found::Away(error) => {
                if self.trouble.is_none() {
                    tracing::warn!(%error, topic = self.topic, "kafka can't be read at the moment");
                }
                self.trouble = Some(error.to_string());
                Ok(Read::Other)
            }
        }
    }

    /// Whether every partition was read to what was its end at the start.
    pub(super) fn reached_end(&self) -> bool {
        self.places.values().all(|place| place.reached)
    }

    /// Why nothing can be read at the moment.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.clone()
    }

    /// Offsets between the reader and the log's end; none where Kafka can't tell.
    pub(super) fn lag(&self) -> Option<i64> {
        let mut lag = 0;
        for (partition, place) in self.places.iter().filter(|(_, place)| !place.at_end) {
            lag += (self.log.ends(*partition).ok()?.1 - place.next).max(0);
        }
        Some(lag)
    }
}
