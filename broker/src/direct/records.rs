//! Records on their way into a log.

use crate::log::batch::{HEADER_BYTES, Header, TRANSACTIONAL, put_varint, seal};
use bytes::{BufMut, Bytes, BytesMut};

/// Records for one partition, in the shape in which the log keeps them.
#[derive(Debug, Clone)]
pub struct RecordBatch {
    topic: String,
    partition: i32,
    /// The records' time, ms since 1970.
    timestamp: i64,
    section: BytesMut,
    count: i32,
}

/// Bytes of a zigzag varint.
fn varint_len(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

fn wide(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn put_bytes(out: &mut BytesMut, bytes: Option<&[u8]>) {
    put_varint(out, bytes.map_or(-1, |bytes| wide(bytes.len())));
    out.put_slice(bytes.unwrap_or_default());
}

fn bytes_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint_len(wide(bytes.len())) + bytes.len())
}

impl RecordBatch {
    /// A batch without records; `timestamp` (ms since 1970) is theirs.
    pub fn new(topic: impl Into<String>, partition: i32, timestamp: i64) -> Self {
        Self { topic: topic.into(), partition, timestamp, section: BytesMut::new(), count: 0 }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// How many records it has.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// Its bytes in the log.
    pub fn bytes(&self) -> usize {
        HEADER_BYTES + self.section.len()
    }

    /// Adds a record; a value of `None` is a tombstone.
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, &[u8])]) {
        let delta = i64::from(self.count);
        let of_headers: usize =
            headers.iter().map(|(name, value)| bytes_len(Some(name.as_bytes())) + bytes_len(Some(value))).sum();
        // Attributes and the difference of the timestamp are a byte each.
        let length =
            2 + varint_len(delta) + bytes_len(key) + bytes_len(value) + varint_len(wide(headers.len())) + of_headers;
        let out = &mut self.section;
        put_varint(out, wide(length));
        out.put_u8(0);
        put_varint(out, 0);
        put_varint(out, delta);
        put_bytes(out, key);
        put_bytes(out, value);
        put_varint(out, wide(headers.len()));
        for (name, value) in headers {
            put_bytes(out, Some(name.as_bytes()));
            put_bytes(out, Some(value));
        }
        self.count += 1;
    }

    /// The batch of a producer's transaction as the log takes it.
    pub(super) fn sealed(&self, producer_id: i64, epoch: i16, sequence: i32) -> Option<(Header, Bytes)> {
        let mut body = BytesMut::with_capacity(self.bytes());
        body.put_i16(TRANSACTIONAL);
        body.put_i32(self.count - 1);
        body.put_i64(self.timestamp);
        body.put_i64(self.timestamp);
        body.put_i64(producer_id);
        body.put_i16(epoch);
        body.put_i32(sequence);
        body.put_i32(self.count);
        body.put_slice(&self.section);
        let batch = seal(&body);
        Some((Header::parse(&batch)?, batch))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::log::batch::{checksum_holds, split};
    use kafka_protocol::records::RecordBatchDecoder;

    #[test]
    fn what_is_put_in_is_what_a_client_reads() {
        let long = vec![b'x'; 300];
        let mut batch = RecordBatch::new("t", 3, 1_000);
        batch.push(Some(b"k"), Some(b"v"), &[]);
        batch.push(None, Some(&long), &[("a", b"1"), ("b", b"")]);
        (0..100).for_each(|_| batch.push(Some(&long), None, &[]));
        let (header, bytes) = batch.sealed(7, 2, 40).unwrap();
        assert_eq!(bytes.len(), batch.bytes());
        assert!(checksum_holds(&header, &bytes));
        assert_eq!(split(bytes.clone(), 1_000_000).unwrap().len(), 1, "as from a client");
        let mut read = bytes;
        let records = RecordBatchDecoder::decode(&mut read).unwrap().records;
        assert_eq!(records.len(), 102);
        assert_eq!((records[0].key.as_deref(), records[0].value.as_deref()), (Some(&b"k"[..]), Some(&b"v"[..])));
        assert_eq!((records[1].key.as_deref(), records[1].value.as_deref()), (None, Some(&long[..])));
        let headers: Vec<_> = records[1].headers.iter().map(|(n, v)| (n.as_str(), v.as_deref().unwrap())).collect();
        assert_eq!(headers, [("a", &b"1"[..]), ("b", &b""[..])]);
        let last = &records[101];
        assert_eq!((last.key.as_deref(), last.value.as_deref()), (Some(&long[..]), None));
        assert_eq!((last.offset, last.timestamp, last.sequence), (101, 1_000, 141));
        assert_eq!((last.producer_id, last.producer_epoch, last.transactional), (7, 2, true));
    }

    #[test]
    fn a_varint_is_as_long_as_it_is_said_to_be() {
        for value in [0, -1, 1, 63, 64, -64, -65, 8_191, 8_192, i64::MAX, i64::MIN] {
            let mut out = BytesMut::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value), "{value}");
        }
    }
}
