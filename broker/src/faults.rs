//! Faults that tests inject; a broker nobody asked to misbehave pays one relaxed load per request.

use crate::ApiKey;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A handle to make a broker misbehave. Clones act on the same broker.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Whether anything below is set.
    armed: AtomicBool,
    crash_before_done: AtomicBool,
    /// How many EndTxn requests fail yet.
    failing_ends: AtomicU32,
    responses: Mutex<Responses>,
}

#[derive(Debug, Default)]
struct Responses {
    /// Delay and how many requests it is still for, by API.
    delays: BTreeMap<i16, (Duration, u32)>,
    drops: BTreeMap<i16, u32>,
}

/// What is to happen to a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseFault {
    pub(crate) delay: Option<Duration>,
    /// Close the connection instead of answering.
    pub(crate) drop: bool,
}

impl Faults {
    /// Holds back the responses of the next `requests` EndTxn requests by `delay`. The transactions end at once.
    pub fn delay_end_txn(&self, delay: Duration, requests: u32) {
        self.delay_responses(ApiKey::EndTxn, delay, requests);
    }

    /// Holds back the responses of the next `requests` requests of one API by `delay`, after they were carried out.
    pub fn delay_responses(&self, api: ApiKey, delay: Duration, requests: u32) {
        self.change(|r| {
            r.delays.insert(api as i16, (delay, requests));
        });
    }

    /// Carries out the next `requests` requests of one API and closes the connection instead of answering.
    pub fn drop_responses(&self, api: ApiKey, requests: u32) {
        self.change(|r| {
            r.drops.insert(api as i16, requests);
        });
    }

    /// Answers the next `requests` EndTxn requests with an error that says nothing, and does nothing else: as Apache Kafka
    /// does where one transactional id is taken over at that moment.
    pub fn fail_end_txn(&self, requests: u32) {
        self.0.failing_ends.store(requests, Ordering::Release);
        self.0.armed.store(true, Ordering::Release);
    }

    /// Stops the broker as a crash would when it next ends a transaction: markers are written, "done" is not. Every
    /// connection is closed; drop the [`crate::Broker`] and start another on the directory to go on.
    pub fn crash_before_done(&self) {
        self.0.crash_before_done.store(true, Ordering::Release);
        self.0.armed.store(true, Ordering::Release);
    }

    /// Takes back everything that has not happened yet.
    pub fn clear(&self) {
        self.change(|r| *r = Responses::default());
        self.0.crash_before_done.store(false, Ordering::Release);
        self.0.failing_ends.store(0, Ordering::Release);
        self.0.armed.store(false, Ordering::Release);
    }

    fn change(&self, change: impl FnOnce(&mut Responses)) {
        change(&mut self.0.responses.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.armed.store(true, Ordering::Release);
    }

    fn is_armed(&self) -> bool {
        self.0.armed.load(Ordering::Relaxed)
    }

    /// What is to happen to the response to a request of this API; counts it.
    pub(crate) fn on_response(&self, api: i16) -> ResponseFault {
        if !self.is_armed() {
            return ResponseFault::default();
        }
        let mut responses = self.0.responses.lock().unwrap_or_else(PoisonError::into_inner);
        let delay = responses.delays.get_mut(&api).filter(|(_, left)| *left > 0).map(|(delay, left)| {
            *left -= 1;
            *delay
        });
        let drop = responses.drops.get_mut(&api).filter(|left| **left > 0).map(|left| *left -= 1).is_some();
        ResponseFault { delay, drop }
    }

    /// Whether an EndTxn request fails now; counts it.
    pub(crate) fn fail_end_now(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.is_armed() && self.0.failing_ends.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok()
    }

    /// Whether to crash now, between the markers and "done"; true once.
    pub(crate) fn crash_now(&self) -> bool {
        self.is_armed() && self.0.crash_before_done.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_by_api_and_can_be_taken_back() {
        let faults = Faults::default();
        let none = ResponseFault::default();
        assert_eq!(faults.on_response(26), none);
        faults.delay_end_txn(Duration::from_secs(1), 1);
        faults.drop_responses(ApiKey::Produce, 2);
        assert_eq!(faults.on_response(26), ResponseFault { delay: Some(Duration::from_secs(1)), drop: false });
        assert_eq!(faults.on_response(26), none);
        assert!(faults.on_response(0).drop && faults.on_response(0).drop && !faults.on_response(0).drop);
        faults.crash_before_done();
        assert!(faults.crash_now() && !faults.crash_now());
        faults.fail_end_txn(1);
        assert!(faults.fail_end_now() && !faults.fail_end_now());
        faults.drop_responses(ApiKey::Produce, 2);
        faults.clear();
        assert_eq!(faults.on_response(0), none);
    }
}
