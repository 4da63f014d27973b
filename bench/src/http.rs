//! Dispatches over HTTP, answered with their outcomes: how long one takes, and how many there can be.

mod connection;
mod place;

use std::fmt;
use std::time::Duration;

use acteon_testkit::clock;
use acteon_testkit::kafka::Kafka;
use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::latency::percentiles;
use crate::report;
use connection::Connection;
use place::Place;

/// Connections under full load, as those of `wrk -c 64`.
const CONNECTIONS: usize = 64;
/// Connections at an even rate. A request waits for a free one, which at 1,000/s there is as long as answers take less than
/// a quarter of a second: with fewer, it is the load's own queue that is measured.
const PACED_CONNECTIONS: u32 = 256;
/// Actions of a batch.
const BATCH: usize = 100;
/// Even rates, in actions a second.
const RATES: [u32; 2] = [100, 1_000];
/// How long each figure is measured.
const MEASURED: Duration = Duration::from_secs(8);
/// Full load of each kind warms a process up before it is measured, for this long at a time, until it has stopped gaining: a
/// broker that was just started spends more than half a core on compiling itself, on two cores for minutes.
const WARM_UP: Duration = Duration::from_secs(10);
/// Most times that it does.
const WARM_UPS: usize = 15;
/// What a time must gain on the best one before it for another one to follow.
const GAIN: f64 = 1.03;

/// What becomes of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A rule suppresses it: a decision, and no provider.
    Decided,
    /// The provider `log` is called, and its answer waited for.
    Delivered,
}

impl Kind {
    fn action_type(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Delivered => "delivered",
        }
    }

    /// What an answer to it holds.
    fn answer(self) -> &'static [u8] {
        match self {
            Self::Decided => b"\"Suppressed\"",
            Self::Delivered => b"\"Executed\"",
        }
    }
}

/// The figures on the embedded broker and on Apache Kafka.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Http {
    embedded: Figures,
    kafka: Figures,
    catch_up: CatchUp,
}

/// A gateway that begins with nothing, until it is ready: what it has read of the audit topic on Kafka.
#[derive(Debug, Clone, Serialize)]
struct CatchUp {
    records: f64,
    seconds: f64,
    records_per_s: f64,
}

#[derive(Debug, Clone, Serialize)]
struct Figures {
    /// At even rates.
    paced: Vec<Paced>,
    /// One action a request.
    single: Flood,
    /// Requests with [`BATCH`] actions each.
    batches: Flood,
}

/// How long answers took at an even rate.
#[derive(Debug, Clone, Serialize)]
struct Paced {
    kind: Kind,
    rate: u32,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// Full load by [`CONNECTIONS`] connections.
#[derive(Debug, Clone, Serialize)]
struct Flood {
    kind: Kind,
    actions_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// User and system time of Acteon's process an action, in microseconds; Kafka's is another process.
    cpu_us_per_action: f64,
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, figures) in [("embedded broker", &self.embedded), ("Apache Kafka", &self.kafka)] {
            for Paced { kind, rate, p50_ms, p99_ms, max_ms } in &figures.paced {
                let what = kind.action_type();
                writeln!(
                    f,
                    "over HTTP, {place}, {what} at {rate}/s: p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, max {max_ms:.1} ms"
                )?;
            }
            for (flood, how) in [(&figures.single, "single"), (&figures.batches, "in batches of 100")] {
                let Flood { actions_per_s, p50_ms, p99_ms, cpu_us_per_action, .. } = flood;
                writeln!(
                    f,
                    "over HTTP, {place}, {how}, {CONNECTIONS} connections: {actions_per_s:.0} actions/s, \
                     p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, {cpu_us_per_action:.0} CPU-µs an action"
                )?;
            }
        }
        let CatchUp { records, seconds, records_per_s } = &self.catch_up;
        writeln!(f, "an empty gateway is ready after {records} audit records in {seconds:.1} s: {records_per_s:.0}/s")
    }
}

/// Measures `acteon dev`, then `acteon run` on Kafka.
pub(crate) fn run(broker: &Kafka, partitions: i32) -> Result<Http> {
    let embedded = measure(Place::embedded(partitions)?)?;
    let kafka = measure(Place::kafka(broker, partitions)?)?;
    let catch_up = catch_up(broker, partitions)?;
    Ok(Http { embedded, kafka, catch_up })
}

/// From the start of the process on.
fn catch_up(broker: &Kafka, partitions: i32) -> Result<CatchUp> {
    let began = clock::now();
    let mut gateway = Place::gateway(broker, partitions)?;
    gateway.wait_until_ready()?;
    let seconds = began.elapsed().as_secs_f64();
    let records = gateway.metric("acteon_view_records_total{view=\"audit\"}")?;
    gateway.stop()?;
    let records_per_s = records / seconds;
    report::progress(&format!("an empty gateway: {records} audit records in {seconds:.1} s, {records_per_s:.0}/s"));
    Ok(CatchUp { records, seconds, records_per_s })
}

fn measure(mut place: Place) -> Result<Figures> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    place.wait_until_ready()?;
    for kind in [Kind::Decided, Kind::Delivered] {
        runtime.block_on(warm_up(&place, kind))?;
    }
    let mut figures = Vec::new();
    for kind in [Kind::Decided, Kind::Delivered] {
        for rate in RATES {
            let paced = runtime.block_on(pace(&place, kind, rate))?;
            report::progress(&format!(
                "{}, {} at {rate}/s: p99 {:.1} ms",
                place.name,
                kind.action_type(),
                paced.p99_ms
            ));
            figures.push(paced);
        }
    }
    let single = runtime.block_on(flood(&place, Kind::Decided, 1, MEASURED))?;
    report::progress(&format!("{}, single: {:.0} actions/s", place.name, single.actions_per_s));
    let batches = runtime.block_on(flood(&place, Kind::Decided, BATCH, MEASURED))?;
    report::progress(&format!("{}, batches: {:.0} actions/s", place.name, batches.actions_per_s));
    place.stop()?;
    Ok(Figures { paced: figures, single, batches })
}

/// Full load until it is answered no faster than before.
async fn warm_up(place: &Place, kind: Kind) -> Result<()> {
    let mut best = 0.0;
    for _ in 0..WARM_UPS {
        let rate = flood(place, kind, 1, WARM_UP).await?.actions_per_s;
        report::progress(&format!("{}, {} while it warms up: {rate:.0} actions/s", place.name, kind.action_type()));
        if rate < best * GAIN {
            break;
        }
        best = rate;
    }
    Ok(())
}

/// Sends one action after the other at an even rate, whether or not those before are answered. Times count from when an
/// action was to be sent, so that a stall counts for all that it holds up.
async fn pace(place: &Place, kind: Kind, rate: u32) -> Result<Paced> {
    let count = rate * u32::try_from(MEASURED.as_secs())?;
    let start = clock::now() + Duration::from_millis(100);
    let mut tasks = JoinSet::new();
    let lanes = PACED_CONNECTIONS.min(rate);
    for lane in 0..lanes {
        let mut connection = Connection::open(place.address).await?;
        let request = place.request(kind, usize::try_from(lane)?, 1);
        tasks.spawn(async move {
            let mut took = Vec::new();
            for number in (lane..count).step_by(usize::try_from(lanes)?) {
                let due = start + Duration::from_secs(1) * number / rate;
                tokio::time::sleep_until(due.into()).await;
                connection.ask(&request, kind.answer(), 1).await?;
                took.push(clock::now().saturating_duration_since(due));
            }
            anyhow::Ok(took)
        });
    }
    let took = gather(tasks).await?;
    let [p50_ms, p99_ms, max_ms] = percentiles(took)?;
    Ok(Paced { kind, rate, p50_ms, p99_ms, max_ms })
}

/// Sends as many requests as are answered, for a time.
async fn flood(place: &Place, kind: Kind, batch: usize, time: Duration) -> Result<Flood> {
    let mut tasks = JoinSet::new();
    let (started, cpu) = (clock::now(), place.cpu()?);
    let until = started + time;
    for number in 0..CONNECTIONS {
        let mut connection = Connection::open(place.address).await?;
        let request = place.request(kind, number, batch);
        tasks.spawn(async move {
            let mut took = Vec::new();
            loop {
                let sent = clock::now();
                if sent >= until {
                    return Ok(took);
                }
                connection.ask(&request, kind.answer(), batch).await?;
                took.push(clock::now().saturating_duration_since(sent));
            }
        });
    }
    let took = gather(tasks).await?;
    let (elapsed, cpu) = (started.elapsed().as_secs_f64(), place.cpu()?.saturating_sub(cpu));
    ensure!(!took.is_empty(), "nothing was answered in {time:?}");
    let actions = f64::from(u32::try_from(took.len() * batch)?);
    let [p50_ms, p99_ms, _] = percentiles(took)?;
    Ok(Flood {
        kind,
        actions_per_s: actions / elapsed,
        p50_ms,
        p99_ms,
        cpu_us_per_action: cpu.as_secs_f64() * 1e6 / actions,
    })
}

async fn gather(mut tasks: JoinSet<Result<Vec<Duration>>>) -> Result<Vec<Duration>> {
    let mut all = Vec::new();
    while let Some(took) = tasks.join_next().await {
        all.append(&mut took??);
    }
    Ok(all)
}
