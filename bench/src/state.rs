//! State that an earlier run has left: entries written straight to a changelog, as the processor writes them.

use anyhow::Result;
use rdkafka::producer::BaseRecord;

use crate::bulk::Bulk;

/// Farther than any run lasts, in milliseconds (one hour).
const FAR_MS: i64 = 3600 * 1000;
/// Bytes of a held action.
const HELD: [u8; 400] = [b'x'; 400];

/// What the entries are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entries {
    /// Keys that `deduplicate` has seen, in the expiring changelog.
    Keys,
    /// Actions that are held for longer than the run lasts, in the compacted one.
    Timers,
}

impl Entries {
    fn topic(self, prefix: &str) -> String {
        match self {
            Self::Keys => format!("{prefix}.changelog.expiring"),
            Self::Timers => format!("{prefix}.changelog"),
        }
    }

    /// The tag of the store, and what stands behind the time.
    fn parts(self) -> (u8, &'static [u8]) {
        match self {
            Self::Keys => (0x10, &[]),
            Self::Timers => (0x20, &HELD),
        }
    }
}

/// Writes `count` entries, the same number to each partition.
pub(crate) fn leave(bootstrap: &str, prefix: &str, entries: Entries, count: u32, partitions: i32) -> Result<()> {
    let bulk = Bulk::new(bootstrap)?;
    let (topic, (tag, body)) = (entries.topic(prefix), entries.parts());
    let until = acteon_testkit::clock::unix_ms() + FAR_MS;
    for number in 0..count {
        let key = key(tag, number);
        let value = [&[1_u8][..], &(until + i64::from(number)).to_be_bytes(), body].concat();
        let partition = i32::try_from(number)? % partitions;
        bulk.send(BaseRecord::to(&topic).partition(partition).key(&key[..]).payload(&value[..]))?;
    }
    bulk.flush()
}

/// The key of an entry: the store's tag, namespace and tenant behind their lengths, and a name of its own.
fn key(tag: u8, number: u32) -> Vec<u8> {
    let mut key = vec![tag];
    for name in ["iot", &format!("tenant-{}", number % 64)] {
        key.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        key.extend_from_slice(name.as_bytes());
    }
    key.extend_from_slice(format!("\0device-{number:016x}-{:016x}", number.wrapping_mul(2_654_435_769)).as_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unlike_each_other_and_begin_as_the_processors() {
        assert!(key(0x10, 65).starts_with(b"\x10\0\x03iot\0\x08tenant-1"));
        assert_ne!(key(0x10, 1), key(0x10, 65));
    }
}
