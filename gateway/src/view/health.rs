//! How providers' calls fare, as the members of the connectors' fleet tell of it.

use super::table::{ReadFrom, Table, TableView};
use acteon_schemas::{MAX_HEALTH_AGE_MS, ProviderHealthTable};
use acteon_topology::{Error, Follower, From, KafkaConfig, Names, Next};
use rdkafka::message::Message as _;
use std::time::Duration;

/// Longest that one looks for a record.
const POLL: Duration = Duration::from_millis(50);

/// The provider-health topic as read so far.
#[derive(Default)]
pub(crate) struct Health(pub(crate) ProviderHealthTable);

impl Table for Health {
    const NAME: &'static str = "provider health";

    fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        take(&mut self.0, key, value)
    }
}

fn take(table: &mut ProviderHealthTable, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
    let key = String::from_utf8_lossy(key);
    table.take(&key, value).map_err(|error| format!("provider health of {key}: {error}"))
}

/// Keeps the table. What is older than it may be says nothing any more, and is not read.
pub(crate) fn start(kafka: &KafkaConfig, names: &Names) -> std::io::Result<TableView<Health>> {
    TableView::start(kafka, names.provider_health(), ReadFrom::Ago(MAX_HEALTH_AGE_MS))
}

/// Reads the table once, as it is at `now`, in milliseconds since 1970. Blocks. `None` where the topic's end was not reached
/// before `over` said so.
///
/// # Errors
/// Kafka does not answer, or there is no such topic.
pub fn read_health(
    kafka: &KafkaConfig,
    names: &Names,
    now: i64,
    mut over: impl FnMut() -> bool,
) -> Result<Option<ProviderHealthTable>, Error> {
    let from = From::Time(now.saturating_sub(MAX_HEALTH_AGE_MS));
    let mut follower = Follower::start(kafka, names.provider_health(), from)?;
    let mut table = ProviderHealthTable::default();
    loop {
        match follower.next(POLL)? {
            Next::Record(record) => {
                if let Err(error) = take(&mut table, record.key().unwrap_or_default(), record.payload()) {
                    tracing::warn!(error, offset = record.offset(), "a record can't be read and is passed over");
                }
            }
            Next::End => return Ok(Some(table)),
            Next::Nothing if over() => return Ok(None),
            Next::Nothing => {}
        }
    }
}
