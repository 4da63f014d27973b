use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Where a record stands in Kafka: the identity of an input, from which all ids are made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Coordinates<'a> {
    /// Topic name.
    pub topic: Cow<'a, str>,
    /// Partition number.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
}

impl Coordinates<'_> {
    /// Parses the text form `topic/partition/offset`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Coordinates<'static>> {
        let (rest, offset) = text.rsplit_once('/')?;
        let (topic, partition) = rest.rsplit_once('/')?;
        Some(Coordinates {
            topic: Cow::Owned(topic.to_owned()),
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    }

    /// A copy that borrows nothing.
    #[must_use]
    pub fn into_owned(self) -> Coordinates<'static> {
        Coordinates { topic: Cow::Owned(self.topic.into_owned()), partition: self.partition, offset: self.offset }
    }
}

impl fmt::Display for Coordinates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}
