//! Looking into batches: decompression, the records inside, and writing a batch again with fewer of them.
//!
//! Producing and fetching never come here: only compaction and look-ups by time do.

use crate::Error;
use crate::log::batch::{CODEC, DELETE_HORIZON, HEADER_BYTES, Header, TRANSACTIONAL, put_varint, read_varint, seal};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::compression::{Compressor, Decompressor, Gzip, Lz4, Snappy, Zstd};
use std::ops::Range;

/// One record inside an uncompressed records section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    /// No value: the key is deleted.
    pub(crate) is_tombstone: bool,
    /// Where the record stands in the section, with its length.
    pub(crate) place: Range<usize>,
    attributes: u8,
    /// What follows the timestamp, up to the end of the record.
    rest: &'a [u8],
}

fn damaged(what: &str) -> Error {
    Error::Protocol(format!("a batch can't be read: {what}"))
}

/// The records section of a batch, uncompressed.
pub(crate) fn section(header: &Header, batch: &[u8]) -> Result<Bytes, Error> {
    let raw = batch.get(HEADER_BYTES..).ok_or_else(|| damaged("too short"))?;
    let mut raw = Bytes::copy_from_slice(raw);
    let unpacked = match header.attributes & CODEC {
        0 => return Ok(raw),
        1 => Gzip::decompress(&mut raw, |b| Ok(b.split_off(0))),
        2 => Snappy::decompress(&mut raw, |b| Ok(b.split_off(0))),
        3 => Lz4::decompress(&mut raw, |b| Ok(b.split_off(0))),
        4 => Zstd::decompress(&mut raw, |b| Ok(b.split_off(0))),
        other => return Err(damaged(&format!("unknown codec {other}"))),
    };
    unpacked.map_err(|e| damaged(&e.to_string()))
}

fn compress(codec: i16, section: &[u8]) -> Result<BytesMut, Error> {
    let mut out = BytesMut::new();
    let put = |buffer: &mut BytesMut| {
        buffer.put_slice(section);
        Ok(())
    };
    let packed = match codec {
        1 => Gzip::compress(&mut out, put),
        2 => Snappy::compress(&mut out, put),
        3 => Lz4::compress(&mut out, put),
        4 => Zstd::compress(&mut out, put),
        _ => put(&mut out),
    };
    packed.map(|()| out).map_err(|e| damaged(&e.to_string()))
}

/// The records of an uncompressed section.
pub(crate) fn records<'a>(header: &Header, section: &'a [u8]) -> Result<Vec<Record<'a>>, Error> {
    let mut at = 0;
    let mut records = Vec::with_capacity(usize::try_from(header.count).unwrap_or(0).min(section.len()));
    while at < section.len() {
        let record = record(header, section, at).ok_or_else(|| damaged("a record is cut short"))?;
        at = record.place.end;
        records.push(record);
    }
    Ok(records)
}

fn record<'a>(header: &Header, section: &'a [u8], start: usize) -> Option<Record<'a>> {
    let mut at = start;
    let length = usize::try_from(read_varint(section, &mut at)?).ok()?;
    let end = at.checked_add(length).filter(|end| *end <= section.len())?;
    let attributes = *section.get(at)?;
    at += 1;
    let timestamp = header.base_timestamp.checked_add(read_varint(section, &mut at)?)?;
    let rest = section.get(at..end)?;
    let offset = header.base_offset.checked_add(read_varint(section, &mut at)?)?;
    let key = match usize::try_from(read_varint(section, &mut at)?) {
        Ok(length) => {
            let key = section.get(at..at.checked_add(length)?)?;
            at += length;
            Some(key)
        }
        Err(_) => None,
    };
    let is_tombstone = read_varint(section, &mut at)? < 0;
    Some(Record { offset, timestamp, key, is_tombstone, place: start..end, attributes, rest })
}

/// The records with their timestamps told as differences from `base_timestamp`.
fn rebased(kept: &[&Record<'_>], base_timestamp: i64) -> BytesMut {
    let (mut section, mut head) = (BytesMut::new(), BytesMut::new());
    for record in kept {
        head.clear();
        head.put_u8(record.attributes);
        put_varint(&mut head, record.timestamp.saturating_sub(base_timestamp));
        put_varint(&mut section, i64::try_from(head.len() + record.rest.len()).unwrap_or(i64::MAX));
        section.put_slice(&head);
        section.put_slice(record.rest);
    }
    section
}

/// The batch with the records that `keep` accepts, as a plain batch without producer, at the same offsets; `None` if
/// none is left. The batch's transaction, if any, must have been committed. Where a tombstone is kept in a batch
/// without a delete horizon, `delete_horizon` (wall clock, ms) becomes it; where none is left, the batch loses it.
pub(crate) fn filter(
    header: &Header,
    batch: &[u8],
    delete_horizon: i64,
    mut keep: impl FnMut(&Record<'_>) -> bool,
) -> Result<Option<Bytes>, Error> {
    let whole = section(header, batch)?;
    let records = records(header, &whole)?;
    let kept: Vec<&Record<'_>> = records.iter().filter(|r| keep(r)).collect();
    if kept.is_empty() {
        return Ok(None);
    }
    let horizon = kept.iter().any(|r| r.is_tombstone).then(|| header.delete_horizon().unwrap_or(delete_horizon));
    let kept_as_it_is = kept.len() == records.len() && horizon == header.delete_horizon();
    if kept_as_it_is && !header.is_transactional() {
        return Ok(Some(Bytes::copy_from_slice(batch)));
    }
    let horizon_bit = if horizon.is_some() { DELETE_HORIZON } else { 0 };
    let base_timestamp = match (horizon, header.delete_horizon()) {
        (Some(horizon), _) => horizon,
        (None, Some(_)) => kept.first().map_or(header.max_timestamp, |r| r.timestamp),
        (None, None) => header.base_timestamp,
    };
    let packed = if kept_as_it_is {
        BytesMut::from(&batch[HEADER_BYTES..])
    } else {
        compress(header.attributes & CODEC, &rebased(&kept, base_timestamp))?
    };
    let mut body = BytesMut::with_capacity(HEADER_BYTES + packed.len());
    body.put_i16(header.attributes & !(TRANSACTIONAL | DELETE_HORIZON) | horizon_bit);
    body.put_i32(header.last_offset_delta);
    body.put_i64(base_timestamp);
    body.put_i64(kept.iter().map(|r| r.timestamp).max().unwrap_or(header.max_timestamp));
    body.put_i64(-1);
    body.put_i16(-1);
    body.put_i32(-1);
    body.put_i32(i32::try_from(kept.len()).unwrap_or(i32::MAX));
    body.put_slice(&packed);
    let mut batch = BytesMut::from(seal(&body));
    batch[..8].copy_from_slice(&header.base_offset.to_be_bytes());
    Ok(Some(batch.freeze()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::log::batch::checksum_holds;
    use crate::log::batch::tests::{batch_of, records_section};

    #[test]
    fn every_codec_can_be_read_filtered_and_read_again() {
        let section_bytes = records_section(&[("a", Some("1")), ("b", None), ("c", Some("3"))]);
        for codec in 0..=4 {
            let packed = compress(codec, &section_bytes).unwrap();
            let batch = batch_of(&packed, 3, codec | TRANSACTIONAL, (5, 0, 0), 100);
            let header = Header::parse(&batch).unwrap();
            let kept = filter(&header, &batch, 5_000, |r| r.key != Some(b"a")).unwrap().unwrap();
            let after = Header::parse(&kept).unwrap();
            assert!(checksum_holds(&after, &kept), "codec {codec}");
            let attributes = codec | DELETE_HORIZON;
            assert_eq!((after.attributes, after.count, after.last_offset_delta), (attributes, 2, 2), "codec {codec}");
            assert_eq!((after.producer_id, after.delete_horizon(), after.max_timestamp), (-1, Some(5_000), 102));
            let unpacked = section(&after, &kept).unwrap();
            let records = records(&after, &unpacked).unwrap();
            let seen: Vec<_> =
                records.iter().map(|r| (r.offset, r.timestamp, r.key.unwrap(), r.is_tombstone)).collect();
            assert_eq!(seen, [(1, 101, &b"b"[..], true), (2, 102, &b"c"[..], false)], "codec {codec}");
            assert_eq!(filter(&header, &batch, 5_000, |_| false).unwrap(), None);
            let again = filter(&after, &kept, 9_000, |_| true).unwrap().unwrap();
            assert_eq!(again, kept, "codec {codec}: the first horizon stays");
            let without = filter(&header, &batch, 5_000, |r| !r.is_tombstone).unwrap().unwrap();
            let without = Header::parse(&without).unwrap();
            assert_eq!((without.delete_horizon(), without.base_timestamp), (None, 100), "codec {codec}: no tombstone");
            let over = filter(&after, &kept, 9_000, |r| !r.is_tombstone).unwrap().unwrap();
            let over = Header::parse(&over).unwrap();
            assert_eq!((over.delete_horizon(), over.base_timestamp), (None, 102), "codec {codec}: its last one went");
        }
    }

    #[test]
    fn a_committed_batch_kept_whole_loses_only_its_transaction() {
        let batch = batch_of(&records_section(&[("a", Some("1"))]), 1, TRANSACTIONAL, (5, 0, 0), 100);
        let header = Header::parse(&batch).unwrap();
        let kept = filter(&header, &batch, 5_000, |_| true).unwrap().unwrap();
        assert_eq!(kept[HEADER_BYTES..], batch[HEADER_BYTES..]);
        assert!(!Header::parse(&kept).unwrap().is_transactional());
    }

    #[test]
    fn timestamps_at_the_edges_stay_readable_behind_a_horizon() {
        for timestamp in [i64::MIN, -1, 0, i64::MAX] {
            let batch = batch_of(&records_section(&[("a", None)]), 1, 0, (-1, -1, -1), timestamp);
            let header = Header::parse(&batch).unwrap();
            let kept = filter(&header, &batch, 5_000, |_| true).unwrap().unwrap();
            let after = Header::parse(&kept).unwrap();
            let unpacked = section(&after, &kept).unwrap();
            let read = records(&after, &unpacked).unwrap()[0].timestamp;
            assert_eq!(read, timestamp.max(i64::MIN + 5_000));
        }
    }

    #[test]
    fn garbage_is_an_error() {
        let batch = batch_of(&[0xff; 20], 1, 0, (-1, -1, -1), 0);
        assert!(filter(&Header::parse(&batch).unwrap(), &batch, 5_000, |_| true).is_err());
    }
}
