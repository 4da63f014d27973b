use crate::deliver::{Caller, Delivery};
use crate::kafka::lock;
use crate::lanes::Lanes;
use crate::load::{Burden, Load};
use crate::partitions::{Partitions, Slot};
use crate::profile::Preparation;
use crate::provider::Call;
use crate::record;
use crate::writer::Writer;
use rdkafka::message::{Message as _, OwnedMessage};
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Takes one provider's dispatch records from call to acknowledged result.
pub(crate) struct Worker {
    pub(crate) caller: Caller,
    pub(crate) preparation: Preparation,
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
        let dispatch = match record::decode(job.message.payload().unwrap_or_default()) {
            Ok(dispatch) => dispatch,
            Err(error) => {
                drop(permit);
                self.writer.dead_letter(&job.message, &record::undecodable(&error)).await;
                return true;
            }
        };
        let trace = record::trace_context(&job.message);
        let delivery = match self.preparation.prepare(&dispatch) {
            Ok(prepared) => {
                let call = Call { dispatch: prepared.as_ref().unwrap_or(&dispatch), trace: &trace };
                self.caller.deliver(call, permit, &job.slot.revoked).await
            }
            Err(error) => {
                drop(permit);
                Some(Delivery::without_call(error))
            }
        };
        let Some(delivery) = delivery else { return false };
        let result = record::result(&dispatch, delivery);
        self.writer.result(&job.message, &dispatch, &result, &trace).await;
        true
    }
}
