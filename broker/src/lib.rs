//! `acteon-broker`: a single-node broker that speaks the Kafka protocol, for `acteon dev` and for tests.
//!
//! Any Kafka client can use it: idempotent and transactional producers, read_committed consumers, consumer groups,
//! admin clients; a transactional producer of the same process can do without the network ([`Direct`]). It keeps its
//! data in one directory, listens on loopback only, and has no replication, authentication or TLS. It is for
//! development, never for production: there `bootstrap.servers` names an Apache Kafka.
//!
//! ```no_run
//! let broker = acteon_broker::Broker::start(acteon_broker::Config::new("./.acteon/broker"))?;
//! println!("{}", broker.bootstrap());
//! # Ok::<(), acteon_broker::Error>(())
//! ```
//!
//! Promise: an acknowledged record survives the end of the process, however it ends (`kill -9`); as with Apache
//! Kafka's defaults, records are not flushed to the disk one by one, so a power cut may lose the last of them.

mod api;
mod broker;
mod catalog;
mod cleaner;
mod clock;
mod compaction;
mod coordinator;
mod direct;
mod error;
mod faults;
mod group;
mod journal;
mod lock;
mod log;
mod meta;
mod net;
mod records;
mod retention;
mod shared;
mod topic_config;
mod txn;

pub use broker::{Broker, Config};
pub use direct::{Direct, DirectProducer, Member, RecordBatch, Refused};
pub use error::Error;
pub use faults::Faults;
/// The Kafka protocol's name of a kind of request.
pub use kafka_protocol::messages::ApiKey;

/// What a command that starts this broker must print.
pub const DEVELOPMENT_ONLY: &str = "embedded broker: for development only, on loopback, one node, nothing replicated; \
     in production set kafka.bootstrap.servers to an Apache Kafka";
