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
use crate::writer::{ResultRecord, Writer};
use acteon_schemas::{DeadLetterReason, Dispatch};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message as _, OwnedMessage};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
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
    /// Results on their way to [`Worker::write_again`]. Holds twice as many as may be on the way.
    pub(crate) unwritten: mpsc::Sender<Unwritten>,
}

/// A record that was taken.
pub(crate) struct Job {
    message: OwnedMessage,
    slot: Slot,
    /// Counts as load until the job ends, whichever way.
    _burden: Burden,
}

/// A result that was handed to Kafka and has come back.
pub(crate) struct Unwritten {
    job: Job,
    record: Arc<ResultRecord>,
    error: KafkaError,
}

/// What comes of a job.
enum Ended {
    Result(ResultRecord),
    /// There is none that could be written.
    Unwritable(serde_json::Error),
    Undecodable(DeadLetterReason),
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
            // Only where the calls' runtimes have ended, and with them all of this.
            tracing::debug!("record taken after the end");
        }
    }

    /// Starts the work on `threads`: on what is `queued`, and on results that have `returned`.
    pub(crate) fn start(
        self: &Arc<Self>,
        threads: Vec<Handle>,
        queued: mpsc::Receiver<Job>,
        returned: mpsc::Receiver<Unwritten>,
    ) {
        let Some(first) = threads.first().cloned() else { return };
        first.spawn(Arc::clone(self).write_again(returned));
        first.spawn(Arc::clone(self).run(queued, threads));
    }

    /// Begins the work on queued records in the order in which they were taken, each when there is leave to call: so what
    /// is complete stays close together, and a crash brings little of it again. Each of `threads` gets one in turn.
    async fn run(self: Arc<Self>, mut queued: mpsc::Receiver<Job>, threads: Vec<Handle>) {
        for thread in threads.iter().cycle() {
            let Some(job) = queued.recv().await else { return };
            let permit = self.caller.permit(&job.slot.revoked).await;
            let worker = Arc::clone(&self);
            // Boxed, since spawning moves what it is given several times.
            thread.spawn(Box::pin(async move { worker.process_lane(job, permit).await }));
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

    /// Writes results again that have come back from Kafka.
    async fn write_again(self: Arc<Self>, mut unwritten: mpsc::Receiver<Unwritten>) {
        while let Some(Unwritten { job, record, error }) = unwritten.recv().await {
            let worker = Arc::clone(&self);
            tokio::spawn(async move {
                worker.writer.result(&job.message, &record, Some(error)).await;
                lock(&worker.partitions).complete(&job.slot);
            });
        }
    }

    /// Works on one job. Where it is abandoned, its offset stays incomplete, and whoever has the partition next takes
    /// the record again.
    async fn process(&self, job: Job, permit: Option<OwnedSemaphorePermit>) {
        match self.perform(&job, permit).await {
            None => return,
            // Nothing waits for it, so the producer's own thread may do the rest.
            Some(Ended::Result(record)) if self.lanes.is_none() => return self.hand_over(job, record),
            Some(Ended::Result(record)) => self.writer.result(&job.message, &record, None).await,
            Some(Ended::Unwritable(error)) => self.writer.unwritable(&job.message, &error).await,
            Some(Ended::Undecodable(reason)) => self.writer.dead_letter(&job.message, &reason).await,
        }
        lock(&self.partitions).complete(&job.slot);
    }

    /// Hands a result to Kafka. Once Kafka has it, its dispatch is complete; where it comes back, it is written again.
    fn hand_over(&self, job: Job, record: ResultRecord) {
        let (partitions, unwritten) = (Arc::clone(&self.partitions), self.unwritten.clone());
        let record = Arc::new(record);
        let sent = Arc::clone(&record);
        self.writer.hand_over(&sent, move |written| match written {
            Ok(()) => lock(&partitions).complete(&job.slot),
            Err(error) => {
                if let Err(TrySendError::Full(lost)) = unwritten.try_send(Unwritten { job, record, error }) {
                    let source = record::source(&lost.job.message);
                    tracing::error!(%source, error = %lost.error, "result not written; its dispatch comes again");
                }
            }
        });
    }

    /// Returns what to write of the outcome; `None` where the job was abandoned.
    async fn perform(&self, job: &Job, permit: Option<OwnedSemaphorePermit>) -> Option<Ended> {
        if job.slot.revoked.is_cancelled() {
            return None;
        }
        let value = job.message.payload().unwrap_or_default();
        let dispatch = match record::decode(value) {
            Ok(dispatch) => dispatch,
            Err(error) => return Some(Ended::Undecodable(record::undecodable(&error))),
        };
        let trace = record::trace_context(&job.message);
        let delivery = self.settle(&dispatch, &trace, permit, &job.slot.revoked).await?;
        let result = record::result(&dispatch, value, delivery);
        Some(match ResultRecord::new(dispatch.task, &result, trace) {
            Ok(record) => Ended::Result(record),
            Err(error) => Ended::Unwritable(error),
        })
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
