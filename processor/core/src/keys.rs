//! Keys of the state stores: `store tag ‖ namespace ‖ tenant ‖ …`, each name with its length before it, so that no two
//! scopes share a key and one scope's keys stand together.

/// A store: a tag in front of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Store {
    /// The partition's clock.
    Clock = 0x01,
    /// Keys that `deduplicate` rules have seen.
    Dedup = 0x10,
    /// Windows of `throttle` rules.
    Throttle = 0x11,
    /// Dispatches whose result has come in.
    Seen = 0x12,
    /// Counters of `state_counter` and `state_seen`.
    Counter = 0x13,
    /// What quotas have counted.
    Usage = 0x14,
    /// Actions held until a time: by `schedule`, `dispatch_at`, or a throttle that delays.
    Scheduled = 0x20,
    /// Releases of throttles that delay, past and planned, so that held actions leave in order.
    Queue = 0x21,
    /// Recurring actions.
    Recurring = 0x22,
    /// Failed dispatches that are made again later, and how many of them there are.
    Retry = 0x23,
    /// Groups: what is known of each beside its events.
    Group = 0x30,
    /// Events of groups.
    GroupEvent = 0x31,
    /// Events of state machines.
    Event = 0x40,
    /// Active events by type and label value, for inhibition.
    ActiveEvent = 0x41,
    /// Requests for approval, with the actions that they hold.
    Approval = 0x50,
    /// Chains: their progress.
    Chain = 0x60,
    /// The definition that a chain began with, where it is no longer the current one's text; and large step results.
    ChainPart = 0x61,
    /// A tenant's quotas, silences and retention.
    Policy = 0x70,
    /// Templates and profiles of a tenant.
    Template = 0x71,
    /// Circuits of providers, with what they have counted.
    Circuit = 0x80,
}

impl Store {
    /// All stores.
    pub const ALL: [Self; 20] = [
        Self::Clock,
        Self::Dedup,
        Self::Throttle,
        Self::Seen,
        Self::Counter,
        Self::Usage,
        Self::Scheduled,
        Self::Queue,
        Self::Recurring,
        Self::Retry,
        Self::Group,
        Self::GroupEvent,
        Self::Event,
        Self::ActiveEvent,
        Self::Approval,
        Self::Chain,
        Self::ChainPart,
        Self::Policy,
        Self::Template,
        Self::Circuit,
    ];

    /// The store that a key belongs to.
    #[must_use]
    pub fn of(key: &[u8]) -> Option<Self> {
        let tag = *key.first()?;
        Self::ALL.into_iter().find(|store| *store as u8 == tag)
    }

    /// Its name, in errors, metrics and documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Dedup => "dedup",
            Self::Throttle => "throttle",
            Self::Seen => "seen",
            Self::Counter => "counter",
            Self::Usage => "usage",
            Self::Scheduled => "scheduled",
            Self::Queue => "queue",
            Self::Recurring => "recurring",
            Self::Retry => "retry",
            Self::Group => "group",
            Self::GroupEvent => "group_event",
            Self::Event => "event",
            Self::ActiveEvent => "active_event",
            Self::Approval => "approval",
            Self::Chain => "chain",
            Self::ChainPart => "chain_part",
            Self::Policy => "policy",
            Self::Template => "template",
            Self::Circuit => "circuit",
        }
    }

    /// Whether the expiring changelog backs it, rather than the compacted one. The clock is there since every transaction
    /// that moves it writes other expiring state as well: each further topic costs a transaction a marker a partition.
    /// A partition idle for longer than that changelog's retention has no state left that its old time could matter to.
    #[must_use]
    pub fn is_in_expiring_changelog(self) -> bool {
        self == Self::Clock || self.expires()
    }

    /// Whether its entries expire by themselves: their values begin with the time of expiry.
    #[must_use]
    pub fn expires(self) -> bool {
        matches!(self, Self::Dedup | Self::Throttle | Self::Seen | Self::Counter | Self::Queue)
    }

    /// Whether its entries have a timer: their values begin with the time at which it fires.
    #[must_use]
    pub fn has_timer(self) -> bool {
        matches!(
            self,
            Self::Scheduled | Self::Recurring | Self::Retry | Self::Group | Self::Event | Self::Approval | Self::Chain
        )
    }
}

/// When the timer of an entry fires, in milliseconds since 1970; `None` where it has none.
///
/// A timer is no state of its own: whoever keeps the state keeps an index of these times, and feeds an entry's key back as
/// an input of kind [`crate::InputKind::Timer`] once its time has come.
#[must_use]
pub fn due_at(key: &[u8], value: &[u8]) -> Option<i64> {
    Store::of(key).filter(|store| store.has_timer())?;
    crate::value::expires_at(value).filter(|due| *due != crate::value::NEVER)
}

/// How the rest of a deduplication key was made.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum DedupKeyKind {
    /// The action's `dedup_key`, or its id.
    Given = 0,
    /// A rule's `key_fields`.
    Fields = 1,
}

/// Longest rest of a key that is kept as it is, in bytes; a longer one is replaced by its digest.
pub(crate) const MAX_REST_BYTES: usize = 1100;

/// Most keys that one look over a tenant's state takes in.
pub(crate) const MAX_SCAN: usize = 100_000;

/// Begins the key of a store for one tenant.
pub(crate) fn scoped(out: &mut Vec<u8>, store: Store, namespace: &str, tenant: &str) {
    out.clear();
    out.push(store as u8);
    push_text(out, namespace);
    push_text(out, tenant);
}

/// The namespace and the tenant of a key that [`scoped`] began.
pub(crate) fn scope(key: &[u8]) -> Option<(&str, &str)> {
    fn take(bytes: &[u8]) -> Option<(&str, &[u8])> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        Some((std::str::from_utf8(text).ok()?, rest))
    }
    let (namespace, rest) = take(key.get(1..)?)?;
    Some((namespace, take(rest)?.0))
}

/// Appends a text behind its length.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    // Names are limited to 256 bytes and keys to 1 KiB; what is longer (a field's value) is cut out of order but
    // not out of identity, since its whole text follows and the digest covers all of it.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Replaces what stands from `start` on by its digest where it is longer than [`MAX_REST_BYTES`].
pub(crate) fn limit_rest(out: &mut Vec<u8>, start: usize) {
    if out.len() - start > MAX_REST_BYTES {
        let digest = crate::ids::digest(&out[start..]);
        out.truncate(start);
        out.extend_from_slice(&digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_do_not_share_keys() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        scoped(&mut a, Store::Dedup, "ab", "c");
        scoped(&mut b, Store::Dedup, "a", "bc");
        assert_ne!(a, b);
        assert_eq!((scope(&a), scope(&b), scope(&a[..4])), (Some(("ab", "c")), Some(("a", "bc")), None));
        assert_eq!(Store::of(&a), Some(Store::Dedup));
        assert_eq!(Store::of(b"\xff"), None);
        assert_eq!(Store::of(b""), None);
    }

    #[test]
    fn a_long_rest_becomes_its_digest() {
        let mut key = vec![1, 2, 3];
        key.extend(std::iter::repeat_n(b'x', MAX_REST_BYTES));
        let short = key.clone();
        limit_rest(&mut key, 3);
        assert_eq!(key, short);
        key.push(b'y');
        limit_rest(&mut key, 3);
        assert_eq!(key.len(), 3 + 16);
    }
}
