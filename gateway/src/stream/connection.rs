//! What one client is sent, piece by piece.

use super::catch_up::Step;
use super::event::{Follows, text};
use super::follow::Lease;
use super::hub::Subscription;
use super::limits::Pass;
use super::position::Position;
use super::queue::{Frame, Item};
use bytes::Bytes;
use futures::{Stream, stream};
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a client is told that the connection stands, where nothing else is told.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What it is told.
const PING: &[u8] = b": ping\n\n";

enum Phase {
    CatchingUp(mpsc::Receiver<Step>),
    Live(Live),
    Ended,
}

struct Live {
    subscription: Subscription,
    /// Events before it were sent already.
    from: Position,
}

/// The stream of one client. Dropping it gives up its place.
pub(crate) struct Connection {
    phase: Phase,
    /// What is sent before anything else comes.
    first: Option<Bytes>,
    follows: Follows,
    lease: Lease,
    _pass: Pass,
}

impl Connection {
    /// One that is sent what comes from now on.
    pub(super) fn live(
        subscription: Subscription,
        position: &Position,
        follows: Follows,
        (lease, pass): (Lease, Pass),
    ) -> Self {
        // A block without data is no event, and yet its id is remembered.
        let first = Some(Bytes::from(format!("id: {position}\n\n")));
        let live = Live { subscription, from: position.clone() };
        Self { phase: Phase::Live(live), first, follows, lease, _pass: pass }
    }

    /// One that is brought up first.
    pub(super) fn catching_up(steps: mpsc::Receiver<Step>, follows: Follows, (lease, pass): (Lease, Pass)) -> Self {
        // Something at once, so that the client sees that it is connected.
        let first = Some(Bytes::from_static(PING));
        Self { phase: Phase::CatchingUp(steps), first, follows, lease, _pass: pass }
    }

    /// The pieces, each as it goes over the wire.
    pub(crate) fn pieces(self) -> impl Stream<Item = Bytes> + Send {
        stream::unfold(self, |mut connection| async move {
            let piece = connection.piece().await?;
            Some((piece, connection))
        })
    }

    /// The next piece; none after the last.
    async fn piece(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            match &mut self.phase {
                Phase::Ended => return None,
                Phase::CatchingUp(steps) => match tokio::time::timeout(KEEP_ALIVE, steps.recv()).await {
                    Err(_) => return Some(Bytes::from_static(PING)),
                    Ok(Some(Step::Text(piece))) => return Some(piece),
                    Ok(Some(Step::Last(piece))) => {
                        self.first = Some(end("it is over"));
                        self.phase = Phase::Ended;
                        return Some(piece);
                    }
                    Ok(Some(Step::Live(subscription, from))) => self.phase = Phase::Live(Live { subscription, from }),
                    Ok(None) => return Some(self.closed()),
                },
                Phase::Live(live) => {
                    let queue = &live.subscription.subscriber.queue;
                    match tokio::time::timeout(KEEP_ALIVE, queue.next()).await {
                        Err(_) => return Some(self.still()),
                        Ok(Item::Closed) => return Some(self.closed()),
                        Ok(Item::Gap(missed, before)) => return Some(lagged(missed, &before)),
                        Ok(Item::Frame(frame)) if live.has_seen(&frame) => {}
                        Ok(Item::Frame(frame)) => {
                            if self.follows.ends(frame.ends) {
                                self.first = Some(end("it is over"));
                                self.phase = Phase::Ended;
                            }
                            return Some(frame.text);
                        }
                    }
                }
            }
        }
    }

    /// Says that the connection stands, and how far the log was searched for the client: where it is cut off, it need not
    /// be searched again.
    fn still(&self) -> Bytes {
        let Phase::Live(live) = &self.phase else { return Bytes::from_static(PING) };
        match self.lease.hub().reached(&live.subscription.subscriber) {
            Some(position) => Bytes::from(format!(": ping\nid: {position}\n\n")),
            None => Bytes::from_static(PING),
        }
    }

    fn closed(&mut self) -> Bytes {
        self.phase = Phase::Ended;
        end(if self.lease.is_over() { "the gateway stops" } else { "the log can't be followed at the moment" })
    }
}

impl Live {
    fn has_seen(&self, frame: &Frame) -> bool {
        self.from.place(frame.partition).is_some_and(|from| frame.place < from)
    }
}

/// Says that events were left out since the client was too slow, and after which position.
fn lagged(missed: u64, before: &Position) -> Bytes {
    let reason = "events came faster than they were taken; what is missing comes after this id";
    // Without an id of its own: it stands between two events.
    text("lagged", None, &json!({"type": "lagged", "missed": missed, "after": before.to_string(), "reason": reason}))
}

/// Says why nothing more comes.
fn end(reason: &str) -> Bytes {
    text("subscription_end", None, &json!({"type": "subscription_end", "reason": reason}))
}
