//! The record batch, version 2: its header, the checks on what a client sends, and control markers.
//!
//! Batches are stored as the client sent them; only the base offset and the leader epoch are written over, and those
//! lie outside the checksum.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;

/// Bytes of a batch before its first record.
pub(crate) const HEADER_BYTES: usize = 61;
/// Bytes before the part that the length field counts.
pub(crate) const LENGTH_PREFIX: usize = 12;
/// Where the checksummed part begins.
pub(crate) const CHECKED_FROM: usize = 21;
/// Attribute bit: the batch belongs to a transaction.
pub(crate) const TRANSACTIONAL: i16 = 0x10;
/// Attribute bit: the batch is a transaction marker.
pub(crate) const CONTROL: i16 = 0x20;
/// Attribute bit: the base timestamp is the batch's delete horizon (KIP-534). Set by compaction alone.
pub(crate) const DELETE_HORIZON: i16 = 0x40;
/// Attribute bits that name the codec.
pub(crate) const CODEC: i16 = 0x07;
/// The only version of the record format that is accepted.
const MAGIC: u8 = 2;

/// A parsed batch header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: i64,
    /// Bytes of the whole batch.
    pub(crate) length: usize,
    pub(crate) magic: u8,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) count: i32,
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` if there are too few bytes or the length makes no sense.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let counted = usize::try_from(i32::from_be_bytes(bytes_at(bytes, 8)?)).ok()?;
        let length = LENGTH_PREFIX + counted;
        if length < HEADER_BYTES {
            return None;
        }
        Some(Self {
            base_offset: i64::from_be_bytes(bytes_at(bytes, 0)?),
            length,
            magic: *bytes.get(16)?,
            crc: u32::from_be_bytes(bytes_at(bytes, 17)?),
            attributes: i16::from_be_bytes(bytes_at(bytes, 21)?),
            last_offset_delta: i32::from_be_bytes(bytes_at(bytes, 23)?),
            base_timestamp: i64::from_be_bytes(bytes_at(bytes, 27)?),
            max_timestamp: i64::from_be_bytes(bytes_at(bytes, 35)?),
            producer_id: i64::from_be_bytes(bytes_at(bytes, 43)?),
            producer_epoch: i16::from_be_bytes(bytes_at(bytes, 51)?),
            base_sequence: i32::from_be_bytes(bytes_at(bytes, 53)?),
            count: i32::from_be_bytes(bytes_at(bytes, 57)?),
        })
    }

    /// The offset of the last record.
    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// The sequence number of the last record.
    pub(crate) fn last_sequence(&self) -> i32 {
        advance_sequence(self.base_sequence, self.last_offset_delta)
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// When the tombstones of the batch may go (wall clock, ms); `None` until a compaction has met them.
    pub(crate) fn delete_horizon(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }
}

/// Sequence numbers wrap from the largest `i32` to 0.
pub(crate) fn advance_sequence(sequence: i32, by: i32) -> i32 {
    let wide = (i64::from(sequence) + i64::from(by)) % (i64::from(i32::MAX) + 1);
    i32::try_from(wide).unwrap_or(0)
}

/// Whether the checksum of a whole batch holds.
pub(crate) fn checksum_holds(header: &Header, batch: &[u8]) -> bool {
    batch.get(CHECKED_FROM..header.length).is_some_and(|checked| crc32c::crc32c(checked) == header.crc)
}

/// Splits what a produce request carries for one partition into batches, and refuses what a log must not hold.
pub(crate) fn split(mut records: Bytes, max_batch_bytes: usize) -> Result<Vec<(Header, Bytes)>, ResponseError> {
    let mut batches = Vec::with_capacity(1);
    while !records.is_empty() {
        if records.get(16).is_some_and(|magic| *magic != MAGIC) {
            return Err(ResponseError::UnsupportedForMessageFormat);
        }
        let header = Header::parse(&records).ok_or(ResponseError::CorruptMessage)?;
        if header.length > records.len() || !checksum_holds(&header, &records) {
            return Err(ResponseError::CorruptMessage);
        }
        if header.length > max_batch_bytes {
            return Err(ResponseError::MessageTooLarge);
        }
        let is_only_ours = header.is_control() || header.delete_horizon().is_some();
        if is_only_ours || header.count < 1 || header.last_offset_delta != header.count - 1 {
            return Err(ResponseError::InvalidRecord);
        }
        let batch = records.split_to(header.length);
        batches.push((header, batch));
    }
    if batches.is_empty() { Err(ResponseError::InvalidRecord) } else { Ok(batches) }
}

/// Whether a control batch commits (`true`) or aborts; `None` if it is neither.
pub(crate) fn marker_commits(batch: &[u8]) -> Option<bool> {
    let mut at = HEADER_BYTES;
    read_varint(batch, &mut at)?; // record length
    at += 1; // attributes
    read_varint(batch, &mut at)?; // timestamp delta
    read_varint(batch, &mut at)?; // offset delta
    read_varint(batch, &mut at)?; // key length; the key is {version: i16, type: i16}
    match i16::from_be_bytes(bytes_at(batch, at + 2)?) {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Reads a zigzag varint at `at` and moves `at` behind it.
pub(crate) fn read_varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let half = i64::try_from(value >> 1).ok()?;
            return Some(if value & 1 == 0 { half } else { !half });
        }
    }
    None
}

/// Writes a zigzag varint.
pub(crate) fn put_varint(out: &mut BytesMut, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        out.put_u8((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    out.put_u8(zigzag as u8);
}

/// A transaction marker; its offset is set when it is appended.
pub(crate) fn marker(producer_id: i64, producer_epoch: i16, commit: bool, timestamp: i64) -> Bytes {
    let mut body = BytesMut::with_capacity(64);
    body.put_i16(TRANSACTIONAL | CONTROL);
    body.put_i32(0);
    body.put_i64(timestamp);
    body.put_i64(timestamp);
    body.put_i64(producer_id);
    body.put_i16(producer_epoch);
    body.put_i32(-1);
    body.put_i32(1);
    // One record: length 16, no attributes or deltas, key {version 0, type}, value {version 0, coordinator epoch 0}.
    body.put_slice(&[32, 0, 0, 0, 8, 0, 0, 0, u8::from(commit), 12, 0, 0, 0, 0, 0, 0, 0]);
    seal(&body)
}

/// Puts the part of the header that is not checksummed before a body that begins with the attributes.
pub(crate) fn seal(body: &[u8]) -> Bytes {
    let mut batch = BytesMut::with_capacity(CHECKED_FROM + body.len());
    batch.put_i64(0);
    batch.put_i32(i32::try_from(CHECKED_FROM - LENGTH_PREFIX + body.len()).unwrap_or(i32::MAX));
    batch.put_i32(0);
    batch.put_u8(MAGIC);
    batch.put_u32(crc32c::crc32c(body));
    batch.put_slice(body);
    batch.freeze()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub(crate) mod tests {
    use super::*;

    /// A record of a test batch: key, value (`None` is a tombstone).
    pub(crate) type TestRecord<'a> = (&'a str, Option<&'a str>);

    /// The records section of a batch, uncompressed.
    pub(crate) fn records_section(records: &[TestRecord<'_>]) -> BytesMut {
        let mut section = BytesMut::new();
        for (delta, (key, value)) in records.iter().enumerate() {
            let mut record = BytesMut::new();
            record.put_u8(0);
            put_varint(&mut record, delta as i64);
            put_varint(&mut record, delta as i64);
            put_varint(&mut record, key.len() as i64);
            record.put_slice(key.as_bytes());
            put_varint(&mut record, value.map_or(-1, |v| v.len() as i64));
            record.put_slice(value.unwrap_or("").as_bytes());
            put_varint(&mut record, 0);
            put_varint(&mut section, record.len() as i64);
            section.put_slice(&record);
        }
        section
    }

    /// A batch around a records section, as a producer makes it.
    pub(crate) fn batch_of(
        section: &[u8],
        count: usize,
        attributes: i16,
        producer: (i64, i16, i32),
        timestamp: i64,
    ) -> Bytes {
        let mut body = BytesMut::new();
        body.put_i16(attributes);
        body.put_i32(count as i32 - 1);
        body.put_i64(timestamp);
        body.put_i64(timestamp + (count as i64 - 1));
        body.put_i64(producer.0);
        body.put_i16(producer.1);
        body.put_i32(producer.2);
        body.put_i32(count as i32);
        body.put_slice(section);
        seal(&body)
    }

    /// A plain batch of records written at `timestamp`.
    pub(crate) fn plain(records: &[TestRecord<'_>], timestamp: i64) -> Bytes {
        batch_of(&records_section(records), records.len(), 0, (-1, -1, -1), timestamp)
    }

    #[test]
    fn a_marker_says_what_it_decides() {
        for commit in [true, false] {
            let batch = marker(7, 3, commit, 1_000);
            let header = Header::parse(&batch).unwrap();
            assert!(checksum_holds(&header, &batch) && header.is_control() && header.is_transactional());
            assert_eq!((header.producer_id, header.producer_epoch, header.length), (7, 3, batch.len()));
            assert_eq!(marker_commits(&batch), Some(commit));
        }
    }

    #[test]
    fn split_takes_good_batches_and_names_what_is_wrong_with_others() {
        let good = plain(&[("a", Some("1")), ("b", Some("2"))], 5);
        let two = Bytes::from([good.as_ref(), good.as_ref()].concat());
        assert_eq!(split(two, 1 << 20).unwrap().len(), 2);

        let mut corrupt = good.to_vec();
        *corrupt.last_mut().unwrap() ^= 1;
        let mut old = good.to_vec();
        old[16] = 1;
        let control = marker(1, 0, true, 0);
        let compacted = batch_of(&records_section(&[("a", None)]), 1, DELETE_HORIZON, (-1, -1, -1), 0);
        let cut = good.slice(..good.len() - 1);
        for (name, bytes, max, error) in [
            ("corrupt", Bytes::from(corrupt), 1 << 20, ResponseError::CorruptMessage),
            ("cut", cut, 1 << 20, ResponseError::CorruptMessage),
            ("old format", Bytes::from(old), 1 << 20, ResponseError::UnsupportedForMessageFormat),
            ("too large", good, 10, ResponseError::MessageTooLarge),
            ("marker", control, 1 << 20, ResponseError::InvalidRecord),
            ("delete horizon", compacted, 1 << 20, ResponseError::InvalidRecord),
            ("nothing", Bytes::new(), 1 << 20, ResponseError::InvalidRecord),
        ] {
            assert_eq!(split(bytes, max).unwrap_err(), error, "{name}");
        }
    }

    #[test]
    fn sequences_wrap() {
        assert_eq!(advance_sequence(i32::MAX, 1), 0);
        assert_eq!(advance_sequence(i32::MAX - 1, 3), 1);
        assert_eq!(advance_sequence(4, 2), 6);
    }
}
