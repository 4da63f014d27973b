//! Bringing one client up from where it was cut off to where the live stream is.
//!
//! Whatever is read here lies before the position of the [`super::hub::Hub`], and the last stretch ends exactly where the
//! subscription to it begins: no event is missing between the two, and none is sent twice.

use super::event::{Follows, Told, decode, text};
use super::filter::Filter;
use super::follow::Lead;
use super::hub::{Subscription, each_event};
use super::position::{Place, Position};
use super::{Begin, LogError};
use crate::clock;
use crate::log::{Found, LogReader};
use acteon_topology::partition_of;
use bytes::{Bytes, BytesMut};
use rdkafka::message::{BorrowedMessage, Message as _};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Events are sent in pieces of this many bytes, or a single event's.
pub(super) const PIECE_BYTES: usize = 16 * 1024;
/// So near to the live stream the client joins it: what comes meanwhile fits its queue.
const HAND_OVER_RECORDS: i64 = 256;
/// After so many rounds it joins however far it is: it may be told that it lags.
const MAX_ROUNDS: usize = 16;
/// Longest that one looks for a record.
const POLL: Duration = Duration::from_millis(50);
/// How often a client is told how far the log was searched, where nothing in it was for it.
const TELL_INTERVAL: Duration = Duration::from_secs(5);
/// A client that takes nothing, and a log that gives nothing, for so long are given up. The client may come again.
const STALL: Duration = Duration::from_secs(60);
/// How long the live stream may take to be where the client was already, which another gateway had told it.
const LEAD_WAIT: Duration = Duration::from_millis(200);
/// A short wait for the live stream.
const MOMENT: Duration = Duration::from_millis(2);

/// What a client is sent until it is live.
pub(super) enum Step {
    /// Events, or what is said between them.
    Text(Bytes),
    /// Its last event: what it follows has ended.
    Last(Bytes),
    /// From now on it is sent what comes to its subscription and is not before this position.
    Live(Subscription, Position),
}

/// One client that is brought up.
pub(super) struct CatchUp {
    lead: Arc<Lead>,
    filter: Filter,
    begin: Begin,
    follows: Follows,
    out: mpsc::Sender<Step>,
}

impl CatchUp {
    pub(super) fn new(
        lead: Arc<Lead>,
        (filter, begin, follows): (Filter, Begin, Follows),
        out: mpsc::Sender<Step>,
    ) -> Self {
        Self { lead, filter, begin, follows, out }
    }

    /// Reads and sends until the client is live. Blocks; needs a Tokio runtime.
    pub(super) fn run(self) {
        match self.prepare().and_then(Run::go) {
            Ok(()) | Err(LogError::Closed) => {}
            Err(error) => tracing::info!(%error, "a stream was not brought up and ends"),
        }
    }

    fn prepare(&self) -> Result<Run<'_>, LogError> {
        let reader = LogReader::open(&self.lead.kafka, &self.lead.topic, &[])?;
        let wanted: Vec<i32> = match self.filter.key() {
            Some(key) => vec![partition_of(key.as_bytes(), reader.partitions())],
            None => (0..reader.partitions()).collect(),
        };
        let position = self.lead.hub().position().ok_or(LogError::Closed)?;
        let mut run = Run {
            catch_up: self,
            reader,
            position,
            open: BTreeMap::new(),
            piece: BytesMut::new(),
            told: clock::now(),
            moved: clock::now(),
        };
        run.begin(&wanted)?;
        Ok(run)
    }
}

/// How far a partition is.
#[derive(Default)]
struct Partition {
    /// Its end was seen.
    ended: bool,
    /// Nothing before the live stream is left in it.
    done: bool,
}

struct Run<'c> {
    catch_up: &'c CatchUp,
    reader: LogReader,
    /// Up to where the client has been sent everything.
    position: Position,
    /// The partitions that are read.
    open: BTreeMap<i32, Partition>,
    piece: BytesMut,
    /// When the client was last sent something.
    told: Instant,
    /// When the log last gave something.
    moved: Instant,
}

impl Run<'_> {
    /// Finds the places to begin at.
    fn begin(&mut self, wanted: &[i32]) -> Result<(), LogError> {
        let mut places = BTreeMap::new();
        let mut missed = None;
        for &partition in wanted {
            let (low, high) = self.reader.ends(partition)?;
            let place = match &self.catch_up.begin {
                Begin::After(position) => position.place(partition).unwrap_or_default(),
                Begin::Since(ms) => Place::at(self.reader.since(partition, *ms)?.unwrap_or(high)),
                Begin::Now => Place::at(high),
            };
            let (place, problem) = kept(place, low, high);
            missed = problem.or(missed);
            self.await_lead(partition, place)?;
            self.position.set(partition, place);
            self.open.insert(partition, Partition::default());
            places.insert(partition, place.next);
        }
        self.reader.assign(&places)?;
        if let Some(reason) = missed {
            let id = self.position.to_string();
            let data = json!({"id": id, "type": "lagged", "missed": null, "reason": reason});
            self.piece.extend_from_slice(&text("lagged", Some(&id), &data));
        }
        Ok(())
    }

    /// Waits a little for the live stream to be where the client is: else positions would go back.
    fn await_lead(&self, partition: i32, place: Place) -> Result<(), LogError> {
        let until = clock::now() + LEAD_WAIT;
        while self.lead(partition)?.0 < place && clock::now() < until {
            std::thread::sleep(MOMENT);
        }
        Ok(())
    }

    /// How far the live stream is in a partition, and whether it has found nothing there yet.
    fn lead(&self, partition: i32) -> Result<(Place, bool), LogError> {
        if self.catch_up.lead.is_over() {
            return Err(LogError::Closed);
        }
        self.catch_up.lead.hub().place(partition).ok_or(LogError::Closed)
    }

    fn go(mut self) -> Result<(), LogError> {
        for _ in 0..MAX_ROUNDS {
            let mut distance = 0;
            for partition in self.open.keys() {
                let own = self.position.place(*partition).unwrap_or_default();
                distance += (self.lead(*partition)?.0.next - own.next).max(0);
            }
            if distance <= HAND_OVER_RECORDS {
                break;
            }
            let target = self.catch_up.lead.hub().position().ok_or(LogError::Closed)?;
            if self.read_to(&target, false)? {
                return self.finish(None);
            }
        }
        let subscribed = self.catch_up.lead.hub().subscribe(self.catch_up.filter.clone());
        let (subscription, target) = subscribed.ok_or(LogError::Closed)?;
        if self.read_to(&target, true)? {
            return self.finish(None);
        }
        self.finish(Some(subscription))
    }

    /// Sends what is left, and hands the client over.
    fn finish(mut self, subscription: Option<Subscription>) -> Result<(), LogError> {
        match subscription {
            Some(subscription) => {
                self.tell()?;
                let position = self.position.clone();
                self.send(Step::Live(subscription, position))
            }
            None => {
                let piece = self.piece.split().freeze();
                self.send(Step::Last(piece))
            }
        }
    }

    /// Reads up to a position that the live stream has reached. Where it is the last stretch, nothing behind it is taken.
    /// Returns whether what the client follows has ended.
    fn read_to(&mut self, target: &Position, is_last: bool) -> Result<bool, LogError> {
        for state in self.open.values_mut() {
            state.done = false;
        }
        self.look(target)?;
        while self.open.values().any(|state| !state.done) {
            if clock::now().duration_since(self.moved) > STALL {
                return Err(LogError::Stalled);
            }
            let Some((partition, offset, value)) = self.next()? else {
                self.look(target)?;
                self.tell_at_times()?;
                continue;
            };
            let is_behind = target.place(partition).is_some_and(|place| Place::at(offset) >= place);
            if is_behind && is_last {
                self.finished(partition);
                continue;
            }
            if is_behind {
                self.await_lead(partition, Place::at(offset + 1))?;
            }
            if self.take(partition, offset, &value)? {
                return Ok(true);
            }
            if is_there(partition, &self.position, target) {
                self.finished(partition);
            }
        }
        Ok(false)
    }

    fn finished(&mut self, partition: i32) {
        if let Some(state) = self.open.get_mut(&partition) {
            state.done = true;
        }
    }

    /// Looks which partitions have nothing left before a position.
    fn look(&mut self, target: &Position) -> Result<(), LogError> {
        for (partition, state) in &mut self.open {
            if self.catch_up.lead.is_over() {
                return Err(LogError::Closed);
            }
            let (place, is_first) = self.catch_up.lead.hub().place(*partition).ok_or(LogError::Closed)?;
            // The live stream began at an end that has no record right before it: there is none to wait for.
            let none_left = state.ended && is_first && target.place(*partition) == Some(place);
            state.done |= none_left || is_there(*partition, &self.position, target);
        }
        Ok(())
    }

    /// The next record, if one comes soon.
    fn next(&mut self) -> Result<Option<(i32, i64, Vec<u8>)>, LogError> {
        match self.reader.next(POLL)? {
            Found::Nothing | Found::Away(_) => Ok(None),
            Found::End(partition) => {
                if let Some(state) = self.open.get_mut(&partition) {
                    state.ended = true;
                }
                Ok(None)
            }
            Found::Record(record) => {
                self.moved = clock::now();
                Ok(Some(copied(&record)))
            }
        }
    }

    /// Sends the events of a record that are for the client. Returns whether what it follows has ended.
    fn take(&mut self, partition: i32, offset: i64, value: &[u8]) -> Result<bool, LogError> {
        let seen = self.position.place(partition).unwrap_or_default();
        let CatchUp { filter, follows, .. } = self.catch_up;
        let mut ends = false;
        match decode(value) {
            Err(error) => tracing::debug!(%error, partition, offset, "an audit record can't be read"),
            Ok(record) => {
                let told = Told::of(record);
                if filter.fits_record(&told.facts()) {
                    let (position, piece) = (&mut self.position, &mut self.piece);
                    each_event(&told, offset, |event, place, after| {
                        if place >= seen && filter.fits_type(event.event_type) {
                            position.set(partition, after);
                            piece.extend_from_slice(&told.frame(event, position));
                            ends |= follows.ends(event.ends);
                        }
                    });
                }
            }
        }
        self.position.set(partition, Place::at(offset + 1));
        if !ends {
            self.tell_at_times()?;
        }
        Ok(ends)
    }

    /// Sends a piece when it is full, and how far the log was searched when nothing was sent for a while.
    fn tell_at_times(&mut self) -> Result<(), LogError> {
        let is_due = clock::now().duration_since(self.told) >= TELL_INTERVAL;
        if self.piece.len() >= PIECE_BYTES || is_due { self.tell() } else { Ok(()) }
    }

    fn tell(&mut self) -> Result<(), LogError> {
        self.told = clock::now();
        // A block without data is no event, and yet its id is remembered.
        let id = format!("id: {}\n\n", self.position);
        self.piece.extend_from_slice(id.as_bytes());
        let piece = self.piece.split().freeze();
        self.send(Step::Text(piece))
    }

    fn send(&mut self, step: Step) -> Result<(), LogError> {
        let sending = tokio::time::timeout(STALL, self.catch_up.out.send(step));
        match Handle::current().block_on(sending) {
            Ok(Ok(())) => {
                // While the client took its time nobody asked the log.
                self.moved = clock::now();
                Ok(())
            }
            Ok(Err(_)) => Err(LogError::Closed),
            Err(_) => Err(LogError::Stalled),
        }
    }
}

/// Where to go on after a place in a partition whose records lie between two offsets, and why not there.
fn kept(place: Place, low: i64, high: i64) -> (Place, Option<&'static str>) {
    if place.next < low {
        return (Place::at(low), Some("the log does not go back so far: events are missing"));
    }
    if place.next > high {
        let reason = "the log ends before this id, so it was made anew: it is read from its beginning";
        return (Place::at(low), Some(reason));
    }
    (place, None)
}

fn copied(record: &BorrowedMessage<'_>) -> (i32, i64, Vec<u8>) {
    (record.partition(), record.offset(), record.payload().unwrap_or_default().to_vec())
}

fn is_there(partition: i32, position: &Position, target: &Position) -> bool {
    position.place(partition).map(|place| place.next) >= target.place(partition).map(|place| place.next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_the_log_does_not_hold_is_told() {
        let between = Place { next: 7, seen: 1 };
        let cases = [
            (between, 5, 9, between, None),
            (Place::at(9), 5, 9, Place::at(9), None),
            (Place::at(5), 5, 5, Place::at(5), None),
            (between, 8, 9, Place::at(8), Some("does not go back")),
            (between, 0, 6, Place::at(0), Some("made anew")),
        ];
        for (place, low, high, expected, problem) in cases {
            let (found, reason) = kept(place, low, high);
            assert_eq!(found, expected, "{place:?} {low} {high}");
            assert_eq!(reason.is_some(), problem.is_some());
            assert!(reason.unwrap_or_default().contains(problem.unwrap_or_default()), "{reason:?}");
        }
    }
}
