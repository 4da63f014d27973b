use crate::config::DeliveryLimits;
use crate::metrics::Meters;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much of one provider's dispatches is on the way.
pub(crate) struct Load {
    records: AtomicUsize,
    bytes: AtomicUsize,
    max_records: usize,
    max_bytes: usize,
    meters: Arc<Meters>,
}

/// One dispatch's part of the load, until it is dropped.
pub(crate) struct Burden {
    load: Arc<Load>,
    bytes: usize,
}

impl Load {
    pub(crate) fn new(limits: &DeliveryLimits, meters: Arc<Meters>) -> Self {
        Self {
            records: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            max_records: limits.max_in_flight,
            max_bytes: limits.max_in_flight_bytes,
            meters,
        }
    }

    /// Adds one record of `bytes`.
    pub(crate) fn add(self: &Arc<Self>, bytes: usize) -> Burden {
        let records = self.records.fetch_add(1, Ordering::Relaxed) + 1;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.meters.in_flight.set(to_f64(records));
        Burden { load: Arc::clone(self), bytes }
    }

    /// Records on the way.
    pub(crate) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    /// Whether reading shall pause: at the limit, and then until half of it is gone, so that it doesn't flutter.
    pub(crate) fn is_over(&self, was_over: bool) -> bool {
        let limit = |max: usize| if was_over { max / 2 + 1 } else { max };
        self.records() >= limit(self.max_records) || self.bytes.load(Ordering::Relaxed) >= limit(self.max_bytes)
    }
}

impl Drop for Burden {
    fn drop(&mut self) {
        let records = self.load.records.fetch_sub(1, Ordering::Relaxed) - 1;
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.load.meters.in_flight.set(to_f64(records));
    }
}

/// A count as a gauge takes it; exact up to 2^32.
fn to_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_at_either_limit_and_resumes_at_half() {
        let limits = DeliveryLimits { max_in_flight: 4, max_in_flight_bytes: 1_000, ..DeliveryLimits::default() };
        let load = Arc::new(Load::new(&limits, Arc::new(Meters::new("p"))));
        let mut burdens: Vec<_> = (0..3).map(|_| load.add(10)).collect();
        assert!(!load.is_over(false));
        burdens.push(load.add(10));
        assert!(load.is_over(false));
        burdens.pop();
        assert!(load.is_over(true), "one less is not enough");
        burdens.pop();
        assert!(!load.is_over(true));
        let large = load.add(1_000);
        assert!(load.is_over(false));
        drop(large);
        assert!(!load.is_over(true));
        burdens.clear();
        assert_eq!((load.records(), load.bytes.load(Ordering::Relaxed)), (0, 0));
    }
}
