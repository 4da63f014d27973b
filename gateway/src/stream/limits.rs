//! How many may be connected at a time.

use rustc_hash::FxHashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most event streams that are open at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Over all.
    pub total: usize,
    /// Of those that ask for one tenant's events: for each tenant.
    pub per_tenant: usize,
    /// Of the others: from each address.
    pub per_peer: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { total: 20_000, per_tenant: 10, per_peer: 100 }
    }
}

/// Whom a stream counts for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    Tenant(String),
    Peer(IpAddr),
}

/// Why no stream is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TooMany {
    /// So many are open in all.
    InAll(usize),
    /// So many are open for the party.
    OfParty(Party, usize),
}

#[derive(Default)]
struct Open {
    total: usize,
    by_party: FxHashMap<Party, usize>,
}

/// Counts the streams that are open.
pub(super) struct Doorkeeper {
    limits: StreamLimits,
    open: Mutex<Open>,
}

impl Doorkeeper {
    pub(super) fn new(limits: StreamLimits) -> Self {
        Self { limits, open: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more in, until the pass is dropped.
    pub(super) fn admit(self: &Arc<Self>, party: Party) -> Result<Pass, TooMany> {
        let limit = match party {
            Party::Tenant(_) => self.limits.per_tenant,
            Party::Peer(_) => self.limits.per_peer,
        };
        let mut open = self.lock();
        if open.total >= self.limits.total {
            return Err(TooMany::InAll(self.limits.total));
        }
        let own = open.by_party.get(&party).copied().unwrap_or(0);
        if own >= limit {
            return Err(TooMany::OfParty(party, limit));
        }
        open.by_party.insert(party.clone(), own + 1);
        open.total += 1;
        tell(open.total);
        Ok(Pass { party, doorkeeper: Arc::clone(self) })
    }
}

// A gauge is a float: so many streams are exact.
#[allow(clippy::cast_precision_loss)]
fn tell(open: usize) {
    metrics::gauge!("acteon_stream_connections").set(open as f64);
}

/// The right to one stream.
pub(super) struct Pass {
    party: Party,
    doorkeeper: Arc<Doorkeeper>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self.doorkeeper.lock();
        open.total = open.total.saturating_sub(1);
        match open.by_party.get_mut(&self.party) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(open.by_party.remove(&self.party)),
        }
        tell(open.total);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn each_party_and_all_together_have_a_limit() {
        let keeper = Arc::new(Doorkeeper::new(StreamLimits { total: 4, per_tenant: 1, per_peer: 2 }));
        let tenant = |name: &str| Party::Tenant(name.to_owned());
        let peer = |last| Party::Peer(Ipv4Addr::new(10, 0, 0, last).into());
        let first = keeper.admit(tenant("a")).unwrap();
        assert_eq!(keeper.admit(tenant("a")).err(), Some(TooMany::OfParty(tenant("a"), 1)));
        let others = [tenant("b"), peer(1), peer(1)].map(|party| keeper.admit(party).unwrap());
        assert_eq!(keeper.admit(peer(2)).err(), Some(TooMany::InAll(4)));
        drop(first);
        assert_eq!(keeper.admit(peer(1)).err(), Some(TooMany::OfParty(peer(1), 2)));
        let last = keeper.admit(tenant("a")).unwrap();
        drop((others, last));
        assert!(keeper.lock().by_party.is_empty() && keeper.lock().total == 0, "nothing is kept of who has gone");
    }
}
