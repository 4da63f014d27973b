use crate::circuit::{self, Circuit, Known};
use crate::clock;
use crate::config::{ConnectorsConfig, ProviderConfig};
use crate::consumer::{Reader, Status, Stop};
use crate::deliver::Caller;
use crate::error::Error;
use crate::health::{Lane, Leave, Monitor, Publisher};
use crate::kafka::{consumer_properties, lock};
use crate::lanes::Lanes;
use crate::load::Load;
use crate::metrics::Meters;
use crate::partitions::Partitions;
use crate::profile::{Preparation, Profiles};
use crate::provider::Tools;
use crate::worker::Worker;
use crate::writer::Writer;
use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Threads that make the calls of one provider, each with a runtime of its own: tasks that stay on one thread cost it
/// half of what they cost where they move, and what is slow in one provider's code keeps no other waiting.
const CALL_THREADS: usize = 2;
/// Longest time that leaving the groups may take after the calls have ended.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(12);

/// A running fleet member: for each provider one thread that reads its dispatches and [`CALL_THREADS`] that make its
/// calls. Dropping it abandons the calls under way.
pub struct Connectors {
    members: Vec<Member>,
    stop: Arc<Stop>,
    /// Closed when all reading threads have ended.
    ended: Receiver<()>,
    /// Cancelled when the calls under way are no longer waited for.
    over: CancellationToken,
    publisher: Option<Publisher>,
}

/// What all providers are made with.
struct Shared {
    tools: Tools,
    profiles: Arc<Profiles>,
    /// How circuits stand, by provider.
    circuits: BTreeMap<String, Arc<Circuit>>,
    known: Arc<Known>,
}

/// One provider's part.
struct Member {
    provider: String,
    worker: Arc<Worker>,
    status: Arc<Status>,
    monitor: Arc<Monitor>,
    meters: Arc<Meters>,
}

/// How one provider's connector is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorHealth {
    /// Configured name.
    pub provider: String,
    /// Partitions of its dispatch topic that this member has; 0 where other members have them all.
    pub partitions: usize,
    /// Those that are not being read because too much is on the way.
    pub paused_partitions: usize,
    /// Dispatches taken whose result is not written yet.
    pub in_flight: usize,
    /// Offsets of its dispatch topic that are not complete on the partitions of this member, as seen within the last
    /// seconds; `None` until they were looked at.
    pub lag: Option<i64>,
    /// The last trouble with Kafka, until Kafka answers again.
    pub kafka_trouble: Option<String>,
}

impl Connectors {
    /// Starts one consumer a provider. Kafka need not be there yet.
    ///
    /// # Errors
    /// The configuration is bad ([`ConnectorsConfig::validate`]), librdkafka refuses a property, or there are no more
    /// threads.
    pub fn start(config: &ConnectorsConfig) -> Result<Self, Error> {
        config.validate()?;
        let writer = Arc::new(Writer::new(&config.kafka, &config.names)?);
        let profiles = Arc::new(Profiles::new(&config.templates)?);
        let (running, ended) = mpsc::channel();
        let mut connectors =
            Self { members: Vec::new(), stop: Arc::default(), ended, over: CancellationToken::new(), publisher: None };
        let circuits: BTreeMap<String, Arc<Circuit>> =
            config.providers.iter().map(|provider| (provider.name.clone(), Arc::default())).collect();
        let known = Arc::<Known>::default();
        if !circuits.is_empty() {
            let stop = Arc::clone(&connectors.stop);
            circuit::follow(&config.kafka, &config.names, circuits.clone(), Arc::clone(&known), stop)?;
        }
        let shared = Shared { tools: Tools::new(config.egress.clone()), profiles, circuits, known };
        for provider in &config.providers {
            // Where one fails, dropping `connectors` stops those before it.
            connectors.add(config, provider, &writer, &shared, running.clone())?;
        }
        if !connectors.members.is_empty() {
            let lanes = connectors.members.iter().map(Member::lane).collect();
            let publisher = Publisher::start(&config.kafka, &config.names, config.health_interval, lanes)?;
            connectors.publisher = Some(publisher);
        }
        Ok(connectors)
    }

    fn add(
        &mut self,
        config: &ConnectorsConfig,
        provider: &ProviderConfig,
        writer: &Arc<Writer>,
        shared: &Shared,
        running: Sender<()>,
    ) -> Result<(), Error> {
        let limits = provider.limits(&config.limits);
        let Shared { tools, profiles, circuits, known } = shared;
        let circuit = circuits.get(&provider.name).cloned().unwrap_or_default();
        let known = Arc::clone(known);
        let built = provider.settings.build(&provider.name, tools)?;
        let (meters, monitor) = (Arc::new(Meters::new(&provider.name)), Arc::new(Monitor::new(clock::now())));
        let (queue, queued) = tokio::sync::mpsc::channel(limits.max_in_flight);
        let (unwritten, returned) = tokio::sync::mpsc::channel(limits.max_in_flight.saturating_mul(2));
        let worker = Arc::new(Worker {
            caller: Caller::new(
                built,
                &limits,
                provider.rate_per_second,
                Arc::clone(&circuit),
                Arc::clone(&meters),
                Arc::clone(&monitor),
            ),
            preparation: Preparation { profiles: Arc::clone(profiles), own: provider.profile.clone() },
            circuit,
            writer: Arc::clone(writer),
            partitions: Arc::new(Mutex::new(Partitions::default())),
            load: Arc::new(Load::new(&limits, Arc::clone(&meters))),
            lanes: provider.ordered.then(|| Mutex::new(Lanes::default())),
            queue,
            unwritten,
        });
        let threads = (0..CALL_THREADS).map(|_| call_thread(&provider.name, self.over.clone()));
        worker.start(threads.collect::<Result<_, _>>()?, queued, returned);
        let status = Arc::new(Status::default());
        let group = format!("{}.connectors.{}", config.names.prefix(), provider.name);
        let reader = Reader {
            provider: provider.name.clone(),
            topic: config.names.dispatch(&provider.name),
            properties: consumer_properties(&config.kafka, &group),
            worker: Arc::clone(&worker),
            status: Arc::clone(&status),
            stop: Arc::clone(&self.stop),
            meters: Arc::clone(&meters),
            max_uncommitted: limits.max_uncommitted,
            commit_interval: limits.commit_interval,
            throttle: Arc::default(),
        };
        let consumer = reader.consumer()?;
        thread::Builder::new()
            .name(format!("connector {}", provider.name))
            .spawn(move || {
                known.wait(&reader.stop.token);
                reader.run(consumer);
                drop(running);
            })
            .map_err(|source| Error::Thread { thread: format!("provider `{}`", provider.name), source })?;
        tracing::info!(
            provider = provider.name,
            provider_type = provider.settings.type_name(),
            group,
            ordered = provider.ordered,
            "connector started"
        );
        self.members.push(Member { provider: provider.name.clone(), worker, status, monitor, meters });
        Ok(())
    }

    /// How each provider's connector is doing.
    #[must_use]
    pub fn health(&self) -> Vec<ConnectorHealth> {
        self.members
            .iter()
            .map(|member| {
                let partitions = lock(&member.worker.partitions);
                ConnectorHealth {
                    provider: member.provider.clone(),
                    partitions: partitions.len(),
                    paused_partitions: partitions.paused(),
                    in_flight: member.worker.load.records(),
                    lag: *lock(&member.status.lag),
                    kafka_trouble: lock(&member.status.trouble).clone(),
                }
            })
            .collect()
    }

    /// Stops: no new call begins; those under way have `timeout` to end and their results are written; what is complete
    /// is committed and the groups are left. Blocks for `timeout` and, where Kafka is away, up to 15 s more.
    ///
    /// Returns the number of dispatches that were given up on the way: calls that did not end in time. The next member
    /// takes them again, with the same idempotency keys.
    pub fn stop(mut self, timeout: Duration) -> usize {
        self.shut_down(clock::now() + timeout)
    }

    fn shut_down(&mut self, deadline: Instant) -> usize {
        self.stop.request(deadline);
        let wait = deadline.saturating_duration_since(clock::now()) + LEAVE_TIMEOUT;
        let are_late = self.ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout);
        if are_late {
            tracing::warn!("consumers have not left their groups in time");
        }
        let given_up = self.members.iter().map(|member| member.worker.load.records()).sum();
        if let Some(publisher) = self.publisher.take() {
            // While the calls that are given up still count as in flight.
            publisher.leave(if are_late || given_up > 0 { Leave::Unfinished } else { Leave::Clean });
        }
        self.over.cancel();
        if given_up > 0 {
            tracing::warn!(dispatches = given_up, "calls given up; they will be made again");
        }
        given_up
    }
}

/// Starts a thread of one provider's calls, until `over`.
fn call_thread(provider: &str, over: CancellationToken) -> Result<Handle, Error> {
    let failed = |source| Error::Thread { thread: format!("calls of provider `{provider}`"), source };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("calls {provider}"))
        .spawn(move || {
            runtime.block_on(over.cancelled());
            runtime.shutdown_background();
        })
        .map_err(failed)?;
    Ok(handle)
}

impl Member {
    fn lane(&self) -> Lane {
        Lane {
            provider: self.provider.clone(),
            monitor: Arc::clone(&self.monitor),
            load: Arc::clone(&self.worker.load),
            status: Arc::clone(&self.status),
            meters: Arc::clone(&self.meters),
        }
    }
}

impl Drop for Connectors {
    fn drop(&mut self) {
        self.stop.request(clock::now());
        self.over.cancel();
    }
}
