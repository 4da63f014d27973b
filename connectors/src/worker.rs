use crate::deliver::Caller;
use crate::kafka::lock;
use crate::lanes::Lanes;
use crate::load::{Burden, Load};
use crate::partitions::{Partitions, Slot};
use crate::provider::Call;
use crate::record;
use crate::writer::Writer;
use rdkafka::message::{Message as _, OwnedMessage};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

/// Takes one provider's dispatch records from call to acknowledged result.
pub(crate) struct Worker {
    pub(crate) caller: Caller,
    pub(crate) writer: Arc<Writer>,
    pub(crate) partitions: Arc<Mutex<Partitions>>,
    pub(crate) load: Arc<Load>,
    /// Where dispatches of one key run one after the other.
    pub(crate) lanes: Option<Mutex<Lanes<Job>>>,
    pub(crate) handle: Handle,
}

/// A record that was taken.
pub(crate) struct Job {
    message: OwnedMessage,
    slot: Slot,
    /// Counts as load until the job ends, whichever way.
    _burden: Burden,
}

impl Worker {
    /// Begins the work on a record, unless its partition is no longer ours or it was taken before.
    pub(crate) fn take(self: &Arc<Self>, message: OwnedMessage) {
        let Some(slot) = lock(&self.partitions).take(message.partition(), message.offset()) else { return };
        let bytes = message.payload().map_or(0, <[u8]>::len) + message.key().map_or(0, <[u8]>::len);
        let job = Job { message, slot, _burden: self.load.add(bytes) };
        let worker = Arc::clone(self);
        let key = job.message.key().map(<[u8]>::to_vec);
        let (Some(lanes), Some(key)) = (&self.lanes, key) else {
            self.handle.spawn(async move { worker.process(job).await });
            return;
        };
        if let Some(first) = lock(lanes).enter(&key, job) {
            self.handle.spawn(async move { worker.process_lane(&key, first).await });
        }
    }

    /// Works on all jobs of one key, until none waits.
    async fn process_lane(&self, key: &[u8], first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            self.process(job).await;
            next = self.lanes.as_ref().and_then(|lanes| lock(lanes).next(key));
        }
    }

    /// Works on one job. Where it is abandoned, its offset stays incomplete, and whoever has the partition next takes
    /// the record again.
    async fn process(&self, job: Job) {
        if self.perform(&job).await {
            lock(&self.partitions).complete(&job.slot);
        }
    }

    /// Returns whether a record about the outcome is in Kafka.
    async fn perform(&self, job: &Job) -> bool {
        if job.slot.revoked.is_cancelled() {
            return false;
        }
        let dispatch = match record::decode(job.message.payload().unwrap_or_default()) {
            Ok(dispatch) => dispatch,
            Err(error) => {
                self.writer.dead_letter(&job.message, &record::undecodable(&error)).await;
                return true;
            }
        };
        let trace = record::trace_context(&job.message);
        let call = Call { dispatch: &dispatch, trace: &trace };
        let Some(delivery) = self.caller.deliver(call, &job.slot.revoked).await else { return false };
        let result = record::result(&dispatch, delivery);
        self.writer.result(&job.message, &dispatch, &result, &trace).await;
        true
    }
}
