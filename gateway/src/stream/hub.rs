//! Who is sent which events: one record comes in, and each event of it goes to the queues of those who ask for it.

use super::event::{Event, Facts, Told, decode};
use super::filter::Filter;
use super::position::{Place, Position};
use super::queue::{Frame, Queue};
use acteon_schemas::tenant_key;
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One who is sent events.
pub(super) struct Subscriber {
    number: u64,
    filter: Filter,
    pub(super) queue: Queue,
}

type Subscribers = Vec<Arc<Subscriber>>;

/// Subscribers by the narrowest scope that they name: an event is compared with those of its own scopes alone.
#[derive(Default)]
struct Index {
    all: Subscribers,
    by_namespace: FxHashMap<String, Subscribers>,
    by_tenant: FxHashMap<String, Subscribers>,
}

impl Index {
    fn list(&mut self, filter: &Filter) -> &mut Subscribers {
        match (filter.key(), &filter.namespace) {
            (Some(key), _) => self.by_tenant.entry(key).or_default(),
            (None, Some(namespace)) => self.by_namespace.entry(namespace.clone()).or_default(),
            (None, None) => &mut self.all,
        }
    }

    fn remove(&mut self, subscriber: &Subscriber) {
        let list = self.list(&subscriber.filter);
        list.retain(|other| other.number != subscriber.number);
        if list.is_empty() {
            match (subscriber.filter.key(), &subscriber.filter.namespace) {
                (Some(key), _) => drop(self.by_tenant.remove(&key)),
                (None, Some(namespace)) => drop(self.by_namespace.remove(namespace)),
                (None, None) => {}
            }
        }
    }

    fn of(&self, namespace: &str, tenant: &str) -> Subscribers {
        let tenants = (!self.by_tenant.is_empty()).then(|| self.by_tenant.get(&tenant_key(namespace, tenant)));
        let lists = [Some(&self.all), self.by_namespace.get(namespace), tenants.flatten()];
        lists.into_iter().flatten().flatten().cloned().collect()
    }

    fn close(&mut self) {
        let Self { all, by_namespace, by_tenant } = std::mem::take(self);
        let lists = by_namespace.into_values().chain(by_tenant.into_values());
        for subscriber in all.into_iter().chain(lists.flatten()) {
            subscriber.queue.close();
        }
    }
}

#[derive(Default)]
struct Inner {
    subscribers: Index,
    next_number: u64,
    /// How far the log was read; none while nobody reads it.
    position: Option<Position>,
    /// Where reading began.
    begun: Option<Position>,
}

/// The table of subscribers, and how far the log was read for them.
#[derive(Default)]
pub(super) struct Hub(Mutex<Inner>);

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is complete when the lock is given back.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the log is read, from a position on.
    pub(super) fn begin(&self, position: Position) {
        let mut inner = self.lock();
        inner.begun = Some(position.clone());
        inner.position = Some(position);
    }

    /// The log is not read any more: all subscribers are at their end.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.position = None;
        inner.begun = None;
        inner.subscribers.close();
    }

    /// How far the log was read.
    pub(super) fn position(&self) -> Option<Position> {
        self.lock().position.clone()
    }

    /// How far a partition was read, and whether nothing was found in it since reading began.
    pub(super) fn place(&self, partition: i32) -> Option<(Place, bool)> {
        let inner = self.lock();
        let place = inner.position.as_ref()?.place(partition)?;
        Some((place, inner.begun.as_ref()?.place(partition) == Some(place)))
    }

    /// The position that a subscriber has reached, if it was given all that came for it.
    pub(super) fn reached(&self, subscriber: &Subscriber) -> Option<Position> {
        let inner = self.lock();
        inner.position.clone().filter(|_| subscriber.queue.is_empty())
    }

    /// Sends all events from now on that fit, and says from which position. None while nobody reads the log.
    pub(super) fn subscribe(self: &Arc<Self>, filter: Filter) -> Option<(Subscription, Position)> {
        let mut inner = self.lock();
        let position = inner.position.clone()?;
        inner.next_number += 1;
        let subscriber = Arc::new(Subscriber { number: inner.next_number, filter, queue: Queue::default() });
        inner.subscribers.list(&subscriber.filter).push(Arc::clone(&subscriber));
        Some((Subscription { subscriber, hub: Arc::clone(self) }, position))
    }

    /// Takes in a record of the log.
    pub(super) fn take(&self, partition: i32, offset: i64, value: &[u8]) {
        let mut inner = self.lock();
        let Inner { subscribers, position: Some(position), .. } = &mut *inner else { return };
        publish(subscribers, position, (partition, offset), value);
        position.set(partition, Place::at(offset + 1));
    }
}

fn publish(index: &Index, position: &mut Position, (partition, offset): (i32, i64), value: &[u8]) {
    let record = match decode(value) {
        Ok(record) => record,
        Err(error) => {
            tracing::warn!(%error, partition, offset, "an audit record can't be read and leads to no event");
            return;
        }
    };
    let mut candidates = index.of(&record.namespace, &record.tenant);
    if candidates.is_empty() {
        return;
    }
    let told = Told::of(record);
    let facts: Facts<'_> = told.facts();
    candidates.retain(|subscriber| subscriber.filter.fits_record(&facts));
    if candidates.is_empty() {
        return;
    }
    position.set(partition, Place::at(offset));
    each_event(&told, offset, |event, place, after| {
        let fitting = || candidates.iter().filter(|subscriber| subscriber.filter.fits_type(event.event_type));
        if fitting().next().is_none() {
            return;
        }
        position.set(partition, after);
        let frame = Frame { partition, place, ends: event.ends, text: told.frame(event, position) };
        position.set(partition, place);
        let (mut sent, mut left_out) = (0, 0);
        for subscriber in fitting() {
            if subscriber.queue.push(&frame, position) {
                sent += 1;
            } else {
                left_out += 1;
            }
        }
        metrics::counter!("acteon_stream_events_total").increment(sent);
        metrics::counter!("acteon_stream_lagged_total").increment(left_out);
    });
}

/// All events of a record with the places before and after each.
pub(super) fn each_event(told: &Told<'_>, offset: i64, mut each: impl FnMut(&Event, Place, Place)) {
    let events = told.events();
    for (number, event) in (0_u8..).zip(&events) {
        let is_last = usize::from(number) + 1 == events.len();
        let after = if is_last { Place::at(offset + 1) } else { Place { next: offset, seen: number + 1 } };
        each(event, Place { next: offset, seen: number }, after);
    }
}

/// A place among those who are sent events. Dropping it gives it up.
pub(super) struct Subscription {
    pub(super) subscriber: Arc<Subscriber>,
    hub: Arc<Hub>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.lock().subscribers.remove(&self.subscriber);
    }
}

#[cfg(test)]
mod tests;
