use crate::clock::SystemClock;
use crate::commit::CommitLimits;
use crate::definitions::{Follower, Snapshots, Table};
use crate::error::Error;
use crate::kafka::{KafkaRestorer, KafkaSource, cluster_id, input_topics};
use crate::monitor::Monitor;
use crate::producers::Producers;
use crate::pulse::{self, Pulse, Watch};
use crate::rocks::{RocksStores, StoreLimits};
use crate::worker::{TaskState, Worker, WorkerConfig, WorkerError};
use acteon_core::{Definitions, Secrets};
use acteon_schemas::CircuitPhase;
use acteon_topology::{KafkaConfig, Names};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks at the definitions topic's end, and at the stop flag.
const FOLLOW_WAIT: Duration = Duration::from_millis(200);
/// Between two measurements of lag.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// How long threads are waited for where a worker is stuck.
const STUCK_PATIENCE: Duration = Duration::from_secs(10);
/// Ticks between two publications of a busy worker's tasks.
const PUBLISH_EVERY: u32 = 64;
/// Most worker threads of a process.
const MAX_WORKERS: usize = 256;

/// What a processor needs to know.
#[derive(Debug, Clone)]
pub struct ProcessorConfig {
    /// librdkafka's properties.
    pub kafka: KafkaConfig,
    /// Names of the topics.
    pub names: Names,
    /// The consumer group; all instances of one application share it.
    pub application_id: String,
    /// This instance, unlike all others of the application; made once and kept in the state directory where `None`.
    pub instance_id: Option<String>,
    /// Worker threads.
    pub workers: usize,
    /// Where the stores are.
    pub state_dir: PathBuf,
    /// When transactions are committed.
    pub commit: CommitLimits,
    /// What decisions need and no topic may hold.
    pub secrets: Secrets,
    /// Makes the workers' producers.
    pub producers: Producers,
}

/// Whether a processor is ready to decide.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Health {
    /// All assigned tasks run.
    pub ready: bool,
    /// Why not, or that it is.
    pub reason: String,
    /// The tasks of this process.
    pub tasks: Vec<TaskHealth>,
}

/// A task, as `/ready` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TaskHealth {
    /// Its number.
    pub partition: i32,
    /// `restoring` or `running`.
    pub state: &'static str,
    /// Changelog records read since it was assigned.
    pub restored: u64,
    /// Records of all its topics that wait, as last measured.
    pub lag: Option<i64>,
}

/// What the threads share.
struct Shared {
    stop: AtomicBool,
    definitions: Mutex<Option<Arc<Definitions>>>,
    definitions_changed: Condvar,
    /// Version of the current definitions: looked at on every tick, without a lock.
    version: AtomicI64,
    tasks: Mutex<BTreeMap<usize, Vec<TaskState>>>,
    lags: Mutex<BTreeMap<i32, i64>>,
    failed: Mutex<Option<String>>,
    /// The workers', by number.
    pulses: Vec<Pulse>,
    /// A worker does not come back, and won't end either.
    stuck: AtomicBool,
}

/// A panic elsewhere leaves these maps whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn all_tasks(&self) -> Vec<TaskState> {
        let mut tasks: Vec<TaskState> = lock(&self.tasks).values().flatten().cloned().collect();
        tasks.sort_unstable_by_key(|task| task.partition);
        tasks
    }

    /// Stops the processor where a worker is stuck.
    fn look_after(&self, watches: &mut [Watch]) {
        for (worker, (watch, pulse)) in watches.iter_mut().zip(&self.pulses).enumerate() {
            if watch.is_stuck(pulse) {
                self.stuck.store(true, Ordering::Relaxed);
                let problem = "it does not come back from a call to Kafka; start the process again".to_owned();
                return self.fail(&Error::Worker { worker, problem });
            }
        }
    }

    fn fail(&self, error: &Error) {
        tracing::error!(%error, "processor stops");
        lock(&self.failed).get_or_insert_with(|| error.to_string());
        self.stop.store(true, Ordering::Relaxed);
        self.definitions_changed.notify_all();
    }
}

/// The processor role: worker threads, and one that follows definitions and measures lag.
pub struct Processor {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Held for as long as the stores are open.
    _lock: File,
}

impl Processor {
    /// Locks the state directory and starts the threads.
    ///
    /// # Errors
    /// The state directory is in use or can't be written, or Kafka can't be reached.
    pub fn start(config: ProcessorConfig) -> Result<Self, Error> {
        let config = Arc::new(config);
        let lock = lock_directory(&config.state_dir)?;
        let instance_id = match &config.instance_id {
            Some(id) => id.clone(),
            None => kept_instance_id(&config.state_dir)?,
        };
        let cluster = cluster_id(&config.kafka).map_err(|error| Error::Kafka(error.to_string()))?;
        let partitions = partitions(&config)?;
        let stores = RocksStores::new(&config.state_dir.join("tasks"), &cluster, StoreLimits::default());
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            definitions: Mutex::new(None),
            definitions_changed: Condvar::new(),
            version: AtomicI64::new(-1),
            tasks: Mutex::default(),
            lags: Mutex::default(),
            failed: Mutex::default(),
            pulses: (0..config.workers.clamp(1, MAX_WORKERS)).map(|_| Pulse::default()).collect(),
            stuck: AtomicBool::new(false),
        });
        let mut threads = vec![follow(&config, &shared)?];
        for number in 0..config.workers.clamp(1, MAX_WORKERS) {
            let seat = Seat {
                number,
                partitions,
                instance_id: instance_id.clone(),
                config: Arc::clone(&config),
                stores: stores.clone(),
                shared: Arc::clone(&shared),
            };
            threads.push(spawn(&format!("worker-{number}"), move || seat.run())?);
        }
        tracing::info!(instance_id, workers = config.workers, partitions, "processor started");
        Ok(Self { shared, threads, _lock: lock })
    }

    /// Whether it is ready, and each task's state.
    #[must_use]
    pub fn health(&self) -> Health {
        let lags = lock(&self.shared.lags);
        let tasks: Vec<TaskHealth> = self
            .shared
            .all_tasks()
            .into_iter()
            .map(|task| TaskHealth {
                partition: task.partition,
                state: if task.running { "running" } else { "restoring" },
                restored: task.restored,
                lag: lags.get(&task.partition).copied(),
            })
            .collect();
        let waiting = tasks.iter().filter(|task| task.state != "running").count();
        let reason = if let Some(failure) = self.failed() {
            failure
        } else if lock(&self.shared.definitions).is_none() {
            "waiting for definitions".to_owned()
        } else if tasks.is_empty() {
            "waiting for partitions".to_owned()
        } else if waiting > 0 {
            format!("restoring {waiting} of {} tasks", tasks.len())
        } else {
            return Health { ready: true, reason: "running".to_owned(), tasks };
        };
        Health { ready: false, reason, tasks }
    }

    /// The version of the rules that decide, or `None` before the first.
    #[must_use]
    pub fn definitions_version(&self) -> Option<i64> {
        lock(&self.shared.definitions).as_ref().map(|definitions| definitions.version)
    }

    /// What stopped it, if anything has.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        lock(&self.shared.failed).clone()
    }

    /// Commits what is in hand, leaves the group and waits for the threads.
    ///
    /// # Errors
    /// Something had stopped it before.
    pub fn stop(mut self) -> Result<(), Error> {
        self.halt();
        match self.failed() {
            None => Ok(()),
            Some(problem) => Err(Error::Stopped(problem)),
        }
    }

    fn halt(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.definitions_changed.notify_all();
        let patience = self.shared.stuck.load(Ordering::Relaxed).then_some(STUCK_PATIENCE);
        let (panicked, left) = pulse::join(self.threads.drain(..), patience);
        if panicked + left > 0 {
            tracing::error!(panicked, left, "processor threads have not ended well");
        }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.halt();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| Error::Kafka(format!("thread {name} not started: {error}")))
}

/// One worker thread.
struct Seat {
    number: usize,
    partitions: i32,
    instance_id: String,
    config: Arc<ProcessorConfig>,
    stores: RocksStores,
    shared: Arc<Shared>,
}

impl Seat {
    fn run(self) {
        if let Err(error) = self.work() {
            self.shared.fail(&error);
        }
        lock(&self.shared.tasks).remove(&self.number);
    }

    fn work(&self) -> Result<(), Error> {
        let Some(mut definitions) = self.first_definitions() else { return Ok(()) };
        let ProcessorConfig { kafka, names, application_id, .. } = &*self.config;
        let unreachable = |error: crate::LogError| Error::Kafka(error.to_string());
        let source = KafkaSource::new(kafka, names, application_id).map_err(unreachable)?;
        let restorer = KafkaRestorer::new(kafka, names);
        let transactional_id = format!("{application_id}-{}-{}", self.instance_id, self.number);
        let connect = {
            let producers = self.config.producers.clone();
            Box::new(move || producers.connect(&transactional_id))
        };
        let config =
            WorkerConfig { partitions: self.partitions, limits: self.config.commit, topics: input_topics(names) };
        let clock = SystemClock::default();
        let mut worker = Worker::new(config, clock, source, connect, restorer, self.stores.clone());
        let pulse = &self.shared.pulses[self.number];
        let (mut ticks, mut seen) = (0_u32, None);
        while !self.shared.is_stopping() {
            if self.shared.version.load(Ordering::Acquire) != definitions.version
                && let Some(newer) = lock(&self.shared.definitions).clone()
            {
                definitions = newer;
            }
            worker.tick(&definitions).map_err(|error| self.error(error))?;
            // A commit that does not return is a worker that does not.
            let commit = worker.commit_under_way();
            if commit.is_none() || commit != seen {
                pulse.beat();
            }
            seen = commit;
            if ticks.is_multiple_of(PUBLISH_EVERY) {
                lock(&self.shared.tasks).insert(self.number, worker.tasks());
            }
            ticks = ticks.wrapping_add(1);
        }
        worker.shut_down().map_err(|error| self.error(error))
    }

    /// Waits for the first definitions; `None` when it is time to stop.
    fn first_definitions(&self) -> Option<Arc<Definitions>> {
        let mut current = lock(&self.shared.definitions);
        loop {
            if self.shared.is_stopping() {
                return None;
            }
            if let Some(definitions) = &*current {
                return Some(Arc::clone(definitions));
            }
            let waited = self.shared.definitions_changed.wait_timeout(current, FOLLOW_WAIT);
            current = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn error(&self, error: WorkerError) -> Error {
        match error {
            WorkerError::Fenced(_) => Error::Fenced { instance_id: self.instance_id.clone() },
            WorkerError::Store(error) => Error::Store(error),
            WorkerError::Log(problem) => Error::Worker { worker: self.number, problem },
        }
    }
}

/// Starts the thread that follows definitions and measures lag.
fn follow(config: &ProcessorConfig, shared: &Arc<Shared>) -> Result<JoinHandle<()>, Error> {
    let mut follower = Follower::new(&config.kafka, &config.names)?;
    let monitor = Monitor::new(&config.kafka, &config.names).map_err(|error| Error::Kafka(error.to_string()))?;
    let shared = Arc::clone(shared);
    let mut snapshots = Snapshots::new(config.secrets.clone());
    spawn("definitions", move || {
        use crate::clock::Clock as _;
        let clock = SystemClock::default();
        let mut measured: Option<Duration> = None;
        let mut watches: Vec<Watch> = shared.pulses.iter().map(|_| Watch::default()).collect();
        while !shared.is_stopping() {
            if let Some(definitions) = follower.poll(FOLLOW_WAIT).and_then(|table| snapshot(&mut snapshots, table)) {
                adopt(&shared, definitions);
            }
            if measured.is_none_or(|at| clock.monotonic().saturating_sub(at) >= MEASURE_EVERY) {
                let lags = monitor.measure(&shared.all_tasks());
                *lock(&shared.lags) = lags;
                show_circuits(&shared, clock.wall());
                shared.look_after(&mut watches);
                measured = Some(clock.monotonic());
            }
        }
    })
}

/// What a table comes to. Where it is refused, the running set stays, with circuits as they stand.
fn snapshot(snapshots: &mut Snapshots, table: &Table) -> Option<Definitions> {
    let taken = snapshots.take(table).or_else(|error| {
        tracing::error!(%error, "definitions refused");
        snapshots.take(table)
    });
    taken.unwrap_or_else(|error| {
        tracing::error!(%error, "circuits refused");
        None
    })
}

/// Tells the metrics how circuits stand.
fn show_circuits(shared: &Shared, now: i64) {
    let Some(definitions) = lock(&shared.definitions).clone() else { return };
    for provider in definitions.circuits.providers() {
        let state = definitions.circuits.state(provider);
        let level = match state.map_or(CircuitPhase::Closed, |state| state.phase(now)) {
            CircuitPhase::Closed => 0.0,
            CircuitPhase::HalfOpen => 1.0,
            CircuitPhase::Open => 2.0,
        };
        metrics::gauge!("acteon_circuit_state", "provider" => provider.to_owned()).set(level);
    }
}

fn adopt(shared: &Shared, definitions: Definitions) {
    let version = definitions.version;
    tracing::info!(
        version,
        rules = definitions.rules.rules().len(),
        providers = definitions.providers.len(),
        "definitions adopted"
    );
    *lock(&shared.definitions) = Some(Arc::new(definitions));
    shared.version.store(version, Ordering::Release);
    shared.definitions_changed.notify_all();
}

/// Partition count of the co-partitioned topics: that of the actions topic, which `acteon_topology::check` has compared.
fn partitions(config: &ProcessorConfig) -> Result<i32, Error> {
    let name = config.names.actions();
    let actual = acteon_topology::read_actual(&config.kafka, [name])?;
    let topic = actual
        .topics
        .get(name)
        .ok_or_else(|| Error::Kafka(format!("topic {name} does not exist; run `acteon topology apply`")))?;
    Ok(topic.partitions)
}

/// Makes the state directory and locks it for this process.
fn lock_directory(directory: &Path) -> Result<File, Error> {
    let problem =
        |error: std::io::Error| Error::StateDir { path: directory.display().to_string(), problem: error.to_string() };
    std::fs::create_dir_all(directory).map_err(problem)?;
    let file =
        File::options().create(true).truncate(false).write(true).open(directory.join("lock")).map_err(problem)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::StateDirInUse(directory.display().to_string())),
        Err(TryLockError::Error(error)) => Err(problem(error)),
    }
}

/// The id kept in the state directory, made at the first start.
fn kept_instance_id(directory: &Path) -> Result<String, Error> {
    let path = directory.join("instance_id");
    let problem =
        |error: std::io::Error| Error::StateDir { path: path.display().to_string(), problem: error.to_string() };
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_owned()),
        Ok(_) => write_instance_id(&path).map_err(problem),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => write_instance_id(&path).map_err(problem),
        Err(error) => Err(problem(error)),
    }
}

fn write_instance_id(path: &Path) -> Result<String, std::io::Error> {
    let id = uuid::Uuid::new_v4().to_string();
    std::fs::write(path, &id)?;
    Ok(id)
}
