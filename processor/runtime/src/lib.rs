//! The exactly-once worker: the log, the state store, restore, rebalance, clock.
//!
//! [`Worker`] is the loop, over three seams: [`Source`] (records in), [`Sink`] (transactions out) and [`Restorer`]
//! (state back from the changelog), beside the [`Store`]. Kafka and RocksDB stand behind them in production; an in-memory
//! log with a seeded scheduler does in the simulation, so that the same loop is tested at every crash.

mod clock;
mod commit;
pub mod definitions;
mod desk;
mod error;
mod kafka;
mod log;
mod metrics;
mod monitor;
mod outbox;
mod overlay;
mod processor;
mod producers;
mod pulse;
mod rocks;
mod store;
mod task;
mod timers;
mod worker;

pub use clock::{Clock, SystemClock};
pub use commit::CommitLimits;
pub use error::Error;
pub use kafka::{Member, input_topics};
pub use log::{
    ChangelogOffsets, ChangelogRecord, CommitError, Committing, HeaderList, InRecord, InTopic, LogError, OutRecord,
    OutTopic, Polled, Positions, Restorer, Restoring, SendError, Sink, Source, Tag,
};
pub use metrics::describe;
pub use processor::{Health, Processor, ProcessorConfig, TaskHealth};
pub use producers::{OutTopicNames, Producer, Producers};
pub use rocks::{RocksStores, StoreLimits};
pub use store::{DueTimers, Store, StoreError, Stores, Timer, Write};
pub use worker::{Progress, TaskState, Worker, WorkerConfig, WorkerError};
