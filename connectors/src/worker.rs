use crate::circuit::{Circuit, Leave};
use crate::clock;
use crate::deliver::{Attempts, Caller, Delivery};
use crate::kafka::lock;
use crate::lanes::Lanes;
use crate::load::{Burden, Load};
use crate::partitions::{Partitions, Slot};
use crate::profile::Preparation;
use crate::provider::{Call, TraceContext};
use crate::record;
use crate::writer::Writer;
use acteon_schemas::Dispatch;
use rdkafka::message::{Message as _, OwnedMessage};
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

/// Takes one provider's dispatch records from call to acknowledged result.
pub(crate) struct Worker {
    pub(crate) caller: Caller,
    pub(crate) preparation: Preparation,
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) partitions: Arc<Mutex<Partitions>>,
    pub(crate) load: Arc<Load>,
    /// Where dispatches of one key run one after the other.
    pub(crate) lanes: Option<Mutex<Lanes<Job>>>,
    /// Records on their way to [`Worker::run`]. Holds as many as may be on the way, so that sending never waits.
    pub(crate) queue: mpsc::Sender<Job>,
}

/// A record that was taken.
pub(crate) struct Job {
    message: OwnedMessage,
    slot: Slot,
    /// Counts as load until the job ends, whichever way.
    _burden: Burden,
}

impl Worker {
    /// Queues a record, unless its partition is no longer ours or it was taken before. Called by the reading thread.
    pub(crate) fn take(&self, message: OwnedMessage) {
        let Some(slot) = lock(&self.partitions).take(message.partition(), message.offset()) else { return };
        let bytes = message.payload().map_or(0, <[u8]>::len) + message.key().map_or(0, <[u8]>::len);
        let job = Job { message, slot, _burden: self.load.add(bytes) };
        let key = job.message.key().map(<[u8]>::to_vec);
        let first = match (&self.lanes, key) {
            (Some(lanes), Some(key)) => lock(lanes).enter(&key, job),
            _ => Some(job),
        };
        if let Some(job) = first
            && self.queue.blocking_send(job).is_err()
        {
            // Only where the calls' runtime has ended, and with it all of this.
            tracing::debug!("record taken after the end");
        }
    }

    /// Begins the work on queued records in the order in which they were taken, each when there is leave to call: so what
    /// is complete stays close together, and a crash brings little of it again.
    pub(crate) async fn run(self: Arc<Self>, mut queued: mpsc::Receiver<Job>) {
        while let Some(job) = queued.recv().await {
            let permit = self.caller.permit(&job.slot.revoked).await;
            let worker = Arc::clone(&self);
            tokio::spawn(async move { worker.process_lane(job, permit).await });
        }
    }

    /// Works on a job and, where keys are in order, on all others of its key, until none waits.
    async fn process_lane(&self, first: Job, mut permit: Option<OwnedSemaphorePermit>) {
        let key = self.lanes.as_ref().and_then(|_| first.message.key().map(<[u8]>::to_vec));
        let mut next = Some(first);
        while let Some(job) = next {
            self.process(job, permit.take()).await;
            next = match (&self.lanes, &key) {
                (Some(lanes), Some(key)) => lock(lanes).next(key),
                _ => None,
            };
        }
    }

    /// Works on one job. Where it is abandoned, its offset stays incomplete, and whoever has the partition next takes
    /// the record again.
    async fn process(&self, job: Job, permit: Option<OwnedSemaphorePermit>) {
        if self.perform(&job, permit).await {
            lock(&self.partitions).complete(&job.slot);
        }
    }

    /// Returns whether a record about the outcome is in Kafka.
    async fn perform(&self, job: &Job, permit: Option<OwnedSemaphorePermit>) -> bool {
        if job.slot.revoked.is_cancelled() {
            return false;
        }
        let value = job.message.payload().unwrap_or_default();
        let dispatch = match record::decode(value) {
            Ok(dispatch) => dispatch,
            Err(error) => {
                drop(permit);
                self.writer.dead_letter(&job.message, &record::undecodable(&error)).await;
                return true;
            }
        };
        let trace = record::trace_context(&job.message);
        let Some(delivery) = self.settle(&dispatch, &trace, permit, &job.slot.revoked).await else { return false };
        let result = record::result(&dispatch, value, delivery);
        self.writer.result(&job.message, &dispatch, &result, &trace).await;
        true
    }

    /// Makes the calls that a dispatch asks for, or says why there are none. `None` where `abandon` was cancelled before.
    async fn settle(
        &self,
        dispatch: &Dispatch<'_>,
        trace: &TraceContext,
        permit: Option<OwnedSemaphorePermit>,
        abandon: &CancellationToken,
    ) -> Option<Delivery> {
        // What is refused in any case shall not wait for its turn.
        if dispatch.probe.is_none() && self.circuit.is_open() {
            return Some(self.caller.refuse(&dispatch.provider));
        }
        let prepared = match self.preparation.prepare(dispatch) {
            Ok(prepared) => prepared,
            Err(error) => return Some(Delivery::without_call(error)),
        };
        let call = Call { dispatch: prepared.as_ref().unwrap_or(dispatch), trace };
        let permit = self.caller.turn(permit, abandon).await?;
        // Until its turn comes the circuit can open.
        match self.circuit.ask(dispatch.probe, clock::now()) {
            Leave::Refused => Some(self.caller.refuse(&dispatch.provider)),
            Leave::Call => self.caller.deliver(call, permit, Attempts::Several, abandon).await,
            Leave::Try(trial) => {
                let delivery = self.caller.deliver(call, permit, Attempts::One, abandon).await;
                if let Some(delivery) = &delivery {
                    trial.end(&delivery.result);
                }
                delivery
            }
        }
    }
}
